// A lesson: its items one below the other. When something is done, the lesson is asked for again, so that what it opens opens here and now.
import { get as getOnce } from "./api.js";
import { announce, el, icon } from "./dom.js";
import { clock } from "./format.js";
import { Media } from "./media.js";
import { contentLanguage, idFromAddress, learns, page, setCrumbs, setTitle } from "./page.js";
import { player } from "./player.js";
import { quiz } from "./quiz.js";
import { assignment, reading } from "./reading.js";
import { emptyState, previewNotice } from "./states.js";
import { KINDS, lockedReason, statusChip } from "./status.js";

/** Each item with the addresses of its files, which may end. */
function withLinks(lesson) {
  for (const item of lesson.items) item.links = new Media(item.id, lesson.media.expires_in_s);
  return lesson;
}

function lockedBox(item) {
  return el("div", { class: "locked-box" }, icon("lock"), el("p", {}, lockedReason(item)));
}

class LessonView {
  constructor(me, lesson) {
    this.me = me;
    this.learning = learns(me);
    this.lesson = lesson;
    this.sections = new Map();
    this.aside = el("nav", { class: "lesson-aside", "aria-labelledby": "in-lesson" });
  }

  kindLine(item) {
    const length = item.kind === "video" && item.content ? `, ${clock(item.content.duration_s)}` : "";
    return el("p", { class: "item-kind" }, icon(item.kind), KINDS[item.kind] + length);
  }

  body(item) {
    if (item.locked || !item.content) return [lockedBox(item)];
    const when = (done) => (this.learning ? done : null);
    if (item.kind === "video") return player(item, this.me, when((answer) => this.saved(item, answer)));
    if (item.kind === "quiz") return quiz(item, when((result) => this.attempted(item, result)));
    const show = item.kind === "reading" ? reading : assignment;
    return show(item, when((answer) => this.completed(item, answer)));
  }

  section(item) {
    const chip = el("div", { class: "item-status" }, this.status(item));
    const section = el(
      "section",
      { class: "card item", id: `item-${item.id}`, "data-kind": item.kind, "aria-labelledby": `item-${item.id}-title` },
      el("div", { class: "item-head" }, this.kindLine(item), chip),
      el("h2", { id: `item-${item.id}-title`, tabindex: "-1", ...contentLanguage(this.me) }, item.title),
      el("div", { class: "item-body" }, this.body(item)),
    );
    this.sections.set(item.id, { section, chip, item });
    return section;
  }

  status(item) {
    return this.learning ? statusChip(item) : "";
  }

  showAside() {
    const row = (item) => el("li", { class: "item-row" }, icon(item.kind), el("a", { href: `#item-${item.id}` }, item.title), this.status(item));
    this.aside.replaceChildren(el("h2", { id: "in-lesson" }, "In this lesson"), el("ul", { class: "item-list" }, this.lesson.items.map(row)));
  }

  steps() {
    const { previous_lesson_id: previous, next_lesson_id: next, course } = this.lesson;
    return el(
      "nav",
      { class: "lesson-steps", "aria-label": "Lessons" },
      previous ? el("a", { class: "button step-previous", href: `/lessons/${previous}`, rel: "prev" }, icon("arrow", "icon-back"), "Previous lesson") : null,
      next
        ? el("a", { class: "button step-next", href: `/lessons/${next}`, rel: "next" }, "Next lesson", icon("arrow", "icon-flow"))
        : el("a", { class: "button step-next", href: `/courses/${course.id}` }, "Back to the course", icon("arrow", "icon-flow")),
    );
  }

  build() {
    this.showAside();
    const items = this.lesson.items.map((item) => this.section(item));
    return el("div", { class: "lesson-grid" }, this.aside, el("div", { class: "lesson-main" }, this.learning ? null : previewNotice(), items, this.steps()));
  }

  /** Shows the newest progress of an item without touching what is being played or filled in. */
  showStatus(item) {
    const known = this.sections.get(item.id);
    known.chip.replaceChildren(statusChip(item));
    this.showAside();
  }

  saved(item, answer) {
    const was = item.status;
    Object.assign(item, pick(answer));
    this.showStatus(item);
    if (was !== "completed" && item.status === "completed") this.refresh();
  }

  completed(item, answer) {
    Object.assign(item, pick(answer));
    this.replace(item);
    this.refresh();
  }

  attempted(item, result) {
    item.score = Math.max(item.score ?? 0, result.score);
    if (item.status !== "completed") item.status = result.status || (result.passed ? "completed" : "in_progress");
    this.showStatus(item);
    this.refresh();
  }

  replace(item) {
    const { section } = this.sections.get(item.id);
    const hadFocus = section.contains(document.activeElement);
    const fresh = this.section(item);
    section.replaceWith(fresh);
    if (hadFocus) fresh.querySelector("h2").focus();
    this.showAside();
  }

  /** Asks again and opens what has become open. What fails here shows at the next visit; nothing is lost. */
  async refresh() {
    let fresh;
    try {
      fresh = withLinks(await getOnce(`/api/v1/lessons/${this.lesson.id}`));
    } catch {
      return;
    }
    const opened = [];
    for (const item of fresh.items) {
      const known = this.sections.get(item.id)?.item;
      if (!known || !known.locked || item.locked) continue;
      Object.assign(known, item);
      this.replace(known);
      opened.push(item.title);
    }
    if (opened.length) setTimeout(() => announce(`Now open: ${opened.join(", ")}.`), 1500);
  }
}

function pick(answer) {
  const fields = {};
  for (const name of ["status", "percent", "score", "position_s", "completed_at"]) {
    if (answer && answer[name] !== undefined) fields[name] = answer[name];
  }
  return fields;
}

/** The address may name an item; it is drawn after the browser has looked for it, so we go there ourselves. */
function goToItem() {
  const heading = /^#item-\d+$/.test(location.hash) && document.querySelector(`${location.hash} h2`);
  if (!heading) return;
  heading.focus({ preventScroll: true });
  heading.closest("section").scrollIntoView();
}

document.getElementById("content").addEventListener("shown", goToItem);
page(async (me, get) => {
  const lesson = withLinks(await get(`/api/v1/lessons/${idFromAddress()}`));
  setTitle(lesson.title);
  setCrumbs([[learns(me) ? "My courses" : "Courses", "/courses"], [lesson.course.title, `/courses/${lesson.course.id}`], [lesson.module.title, null]]);
  if (!lesson.items.length) return emptyState("This lesson is empty", "Your teacher has not put anything here so far.", "reading");
  return new LessonView(me, lesson).build();
});
