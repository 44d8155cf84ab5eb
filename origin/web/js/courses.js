// My courses: what I am in, how far I am, and where to go on.
import { el, hiddenText, icon } from "./dom.js";
import { count } from "./format.js";
import { contentLanguage, page } from "./page.js";
import { emptyState } from "./states.js";
import { meter } from "./status.js";

const COVERS = 6;

function cover(course) {
  return el("div", { class: course.items ? `cover cover-${course.id % COVERS}` : "cover cover-plain" });
}

function action(course) {
  if (!course.items) return el("p", { class: "muted" }, "No lessons yet");
  const title = hiddenText(`: ${course.title}`);
  if (!course.next_lesson_id) return el("a", { class: "button", href: `/courses/${course.id}` }, "Look back", title);
  return el("a", { class: "button button-primary", href: `/lessons/${course.next_lesson_id}` }, course.items_completed || course.percent ? "Continue" : "Start", title, icon("arrow", "icon-flow"));
}

function card(course, language) {
  const heading = course.items ? el("a", { href: `/courses/${course.id}` }, course.title) : course.title;
  const where = [course.class_title === course.title ? null : course.class_title, course.teacher, course.school].filter(Boolean);
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
        el("h2", language, heading),
        el("p", { class: "muted" }, where.join(" · ")),
        course.items ? meter(course.percent, `Progress in ${course.title}`, `${course.items_completed} of ${count(course.items, "item")} done`) : null,
        el("div", { class: "course-card-action" }, action(course)),
      ),
    ),
  );
}

page(async (me, get) => {
  const { courses } = await get("/api/v1/courses");
  if (!courses.length) return emptyState("No courses yet", "When your school puts you in a class, its course appears here.", "reading");
  const withLessonsFirst = [...courses].sort((a, b) => (b.items > 0) - (a.items > 0));
  return el("ul", { class: "cards" }, withLessonsFirst.map((course) => card(course, contentLanguage(me))));
});
