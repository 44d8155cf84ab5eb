// My courses: what I am in, how far I am, and where to go on.
import { el, hiddenText, icon } from "./dom.js";
import { count } from "./format.js";
import { contentLanguage, learns, page, setTitle } from "./page.js";
import { emptyState } from "./states.js";
import { meter } from "./status.js";

const COVERS = 6;

function cover(course) {
  return el("div", { class: `cover cover-${course.id % COVERS}` });
}

function action(course, learning) {
  const title = hiddenText(`: ${course.title}`);
  if (!learning) return el("a", { class: "button", href: `/courses/${course.id}` }, "Look inside", title, icon("arrow", "icon-flow"));
  if (!course.next_lesson_id) return el("a", { class: "button", href: `/courses/${course.id}` }, "Look back", title);
  return el("a", { class: "button button-primary", href: `/lessons/${course.next_lesson_id}` }, course.items_completed || course.percent ? "Continue" : "Start", title, icon("arrow", "icon-flow"));
}

/** Of a teacher's classes with a course the answer names one: it is no fact about the course, so it is left out. */
function about(course, learning) {
  if (!learning) return course.school;
  return [course.class_title === course.title ? null : course.class_title, course.teacher, course.school].filter(Boolean).join("\u00a0· ");
}

function card(course, language, learning) {
  return el(
    "li",
    {},
    el(
      "article",
      { class: "card course-card" },
      cover(course),
      el(
        "div",
        { class: "course-card-body" },
        el("h2", language, el("a", { href: `/courses/${course.id}` }, course.title)),
        el("p", { class: "muted" }, about(course, learning)),
        learning ? meter(course.percent, `Progress in ${course.title}`, `${course.items_completed} of ${count(course.items, "item")} done`) : el("p", {}, count(course.items, "item")),
        el("div", { class: "course-card-action" }, action(course, learning)),
      ),
    ),
  );
}

/** Classes whose course holds no lessons yet: named, so that nobody looks for them, but out of the way. */
function withoutLessons(courses, language, learning) {
  const row = (course) => el("li", {}, el("span", language, course.title), el("span", { class: "muted" }, about(course, learning)));
  return el("section", { class: "section", "aria-labelledby": "later" }, el("div", { class: "section-head" }, el("h2", { id: "later" }, "No lessons yet")), el("ul", { class: "card plain-list" }, courses.map(row)));
}

page(async (me, get) => {
  const { courses } = await get("/api/v1/courses");
  if (!courses.length) return emptyState("No courses yet", "When your school puts you in a class, its course appears here.", "reading");
  const language = contentLanguage(me);
  if (!learns(me)) setTitle("Courses");
  const ready = courses.filter((course) => course.items > 0);
  const later = courses.filter((course) => course.items === 0);
  return [ready.length ? el("ul", { class: "cards" }, ready.map((course) => card(course, language, learns(me)))) : null, later.length ? withoutLessons(later, language, learns(me)) : null].filter(Boolean);
});
