// The outline of a course: modules, lessons, items, each with its state; what is locked says what opens it.
import { el, hiddenText, icon } from "./dom.js";
import { count } from "./format.js";
import { contentLanguage, idFromAddress, learns, page, setCrumbs, setTitle } from "./page.js";
import { emptyState, previewNotice } from "./states.js";
import { KINDS, lockedReason, meter, statusChip } from "./status.js";

const done = (items) => items.filter((item) => item.status === "completed").length;

/** The first item that is open and not done: where "Continue" leads. */
function nextItem(course) {
  for (const module of course.modules) {
    for (const lesson of module.lessons) {
      const item = lesson.items.find((one) => !one.locked && one.status !== "completed");
      if (item) return { lesson, item };
    }
  }
  return null;
}

function itemRow(lesson, item, learning) {
  const kind = hiddenText(`${KINDS[item.kind]}: `);
  const name = item.locked ? el("span", {}, kind, item.title) : el("a", { href: `/lessons/${lesson.id}#item-${item.id}` }, kind, item.title);
  return el(
    "li",
    { class: "item-row", "data-item": item.id, "data-status": item.locked ? "locked" : item.status },
    icon(item.kind),
    name,
    learning ? statusChip(item) : null,
    item.locked ? el("p", { class: "item-reason" }, lockedReason(item)) : null,
  );
}

function lessonCard(lesson, learning) {
  return el(
    "li",
    { class: "card lesson-card" },
    el(
      "div",
      { class: "lesson-card-head" },
      el("h3", {}, el("a", { href: `/lessons/${lesson.id}` }, lesson.title)),
      el("p", { class: "muted nowrap" }, learning ? `${done(lesson.items)} of ${lesson.items.length} done` : count(lesson.items.length, "item")),
    ),
    el("ul", { class: "item-list" }, lesson.items.map((item) => itemRow(lesson, item, learning))),
  );
}

function moduleSection(module, index, me) {
  return el(
    "section",
    { class: "module", "aria-labelledby": `module-${module.id}` },
    el("p", { class: "muted" }, `Module ${index + 1}`),
    el("h2", { id: `module-${module.id}`, ...contentLanguage(me) }, module.title),
    el("ul", { class: "lesson-cards" }, module.lessons.map((lesson) => lessonCard(lesson, learns(me)))),
  );
}

function top(course) {
  const items = course.modules.flatMap((module) => module.lessons.flatMap((lesson) => lesson.items));
  const next = nextItem(course);
  const words = `${done(items)} of ${count(items.length, "item")} done`;
  return el(
    "div",
    { class: "card course-top" },
    meter(course.percent, "Progress in this course", words),
    next
      ? el("a", { class: "button button-primary", href: `/lessons/${next.lesson.id}#item-${next.item.id}` }, done(items) || course.percent ? "Continue" : "Start", hiddenText(`: ${next.item.title}`), icon("arrow", "icon-flow"))
      : el("p", { class: "status status-completed" }, icon("check"), "All done"),
  );
}

page(async (me, get) => {
  const course = await get(`/api/v1/courses/${idFromAddress()}`);
  setTitle(course.title);
  setCrumbs([[learns(me) ? "My courses" : "Courses", "/courses"], [course.class_title === course.title ? "Course" : course.class_title, null]]);
  if (!course.modules.length) return emptyState("No lessons yet", "Your teacher has not put any lessons here so far.", "reading");
  const modules = course.modules.map((module, index) => moduleSection(module, index, me));
  return [learns(me) ? top(course) : previewNotice(), ...modules];
});
