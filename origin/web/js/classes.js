// A teacher's classes.
import { el, hiddenText, icon } from "./dom.js";
import { count } from "./format.js";
import { contentLanguage, page } from "./page.js";
import { emptyState } from "./states.js";
import { meter } from "./status.js";

function card(one, language) {
  const about = [one.course_title === one.title ? null : one.course_title, one.term, one.school].filter(Boolean).join("\u00a0· ");
  return el(
    "li",
    {},
    el(
      "article",
      { class: "card course-card" },
      el("div", { class: `cover cover-${one.course_id % 6}` }),
      el(
        "div",
        { class: "course-card-body" },
        el("h2", language, el("a", { href: `/classes/${one.id}` }, one.title)),
        el("p", { class: "muted" }, about),
        meter(one.average_percent, `Average progress of ${one.title}`, count(one.students, "student")),
        el("div", { class: "course-card-action" }, el("a", { class: "button", href: `/classes/${one.id}` }, "See progress", hiddenText(` of ${one.title}`), icon("arrow", "icon-flow"))),
      ),
    ),
  );
}

page(async (me, get) => {
  const { classes } = await get("/api/v1/classes");
  if (!classes.length) return emptyState("No classes yet", "When your school gives you a class, it appears here.", "reading");
  return el("ul", { class: "cards" }, classes.map((one) => card(one, contentLanguage(me))));
});
