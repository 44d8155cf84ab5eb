// A class: every student against every item, as a real table that can be sorted.
import { announce, el, hiddenText, icon } from "./dom.js";
import { ago, count, dateAndTime, number, percent } from "./format.js";
import { contentLanguage, idFromAddress, page, setCrumbs, setTitle } from "./page.js";
import { emptyState } from "./states.js";
import { KINDS, statusCell } from "./status.js";

const byName = (a, b) => a.family_name.localeCompare(b.family_name, document.documentElement.lang) || a.given_name.localeCompare(b.given_name);
const SORTS = {
  name: { label: "Student", compare: byName, first: "ascending" },
  progress: { label: "Progress", compare: (a, b) => a.percent - b.percent || byName(a, b), first: "descending" },
  activity: { label: "Last active", compare: (a, b) => (a.last_activity_at || "").localeCompare(b.last_activity_at || "") || byName(a, b), first: "descending" },
};

function figures(data) {
  const students = data.students;
  const average = students.length ? students.reduce((sum, one) => sum + one.percent, 0) / students.length : 0;
  const figure = (name, value) => el("div", { class: "card figure" }, el("dt", {}, name), el("dd", {}, value));
  return el(
    "dl",
    { class: "figures" },
    figure("Students", number(students.length)),
    figure("Average progress", percent(average)),
    figure("Finished", number(students.filter((one) => one.percent >= 100).length)),
    figure("Not started", number(students.filter((one) => !one.last_activity_at).length)),
  );
}

function row(student) {
  return el(
    "tr",
    { "data-student": student.user_id },
    el("th", { class: "student", scope: "row" }, `${student.family_name}, ${student.given_name}`),
    el("td", { class: "bar-cell" }, el("div", { class: "meter-text" }, percent(student.percent)), el("progress", { max: 100, value: student.percent, "aria-hidden": "true" })),
    el("td", { class: "nowrap" }, student.last_activity_at ? el("time", { datetime: student.last_activity_at, title: dateAndTime(student.last_activity_at) }, ago(student.last_activity_at)) : "Never"),
    student.items.map((item) => el("td", {}, statusCell(item))),
  );
}

function captionOf({ students, items }) {
  return items.length ? `Progress of ${count(students.length, "student")} in ${count(items.length, "item")}` : count(students.length, "student");
}

class ProgressTable {
  constructor(data, language) {
    this.data = data;
    this.by = "name";
    this.order = "ascending";
    this.heads = {};
    this.body = el("tbody");
    const heads = Object.keys(SORTS).map((name) => this.head(name));
    const items = data.items.map((item) => el("th", { class: "item-column", scope: "col" }, icon(item.kind), hiddenText(`${KINDS[item.kind]}: `), el("span", language, item.title)));
    this.table = el("table", { class: "progress-table" }, el("caption", { id: "table-caption" }, captionOf(data)), el("thead", {}, el("tr", {}, heads, items)), this.body);
    this.show();
  }

  head(name) {
    const button = el("button", { class: "sort-button", type: "button", on: { click: () => this.sort(name) } }, SORTS[name].label);
    const head = el("th", { scope: "col", class: name === "name" ? "student" : null }, button);
    this.heads[name] = { head, button };
    return head;
  }

  sort(name) {
    if (this.by === name) this.order = this.order === "ascending" ? "descending" : "ascending";
    else [this.by, this.order] = [name, SORTS[name].first];
    this.show();
    announce(`Sorted by ${SORTS[name].label.toLowerCase()}, ${this.order}.`);
  }

  show() {
    const sign = this.order === "ascending" ? 1 : -1;
    const students = [...this.data.students].sort((a, b) => sign * SORTS[this.by].compare(a, b));
    this.body.replaceChildren(...students.map(row));
    for (const [name, { head, button }] of Object.entries(this.heads)) {
      const active = name === this.by;
      if (active) head.setAttribute("aria-sort", this.order);
      else head.removeAttribute("aria-sort");
      button.replaceChildren(SORTS[name].label, icon(active ? this.order : "sort"));
    }
  }
}

function noLessons() {
  return el("p", { class: "notice notice-info" }, icon("info"), el("span", {}, "This course has no lessons yet, so there is no progress to show."));
}

function legend() {
  const entry = (picture, state, words) => el("li", { class: `status status-${state}` }, icon(picture), words);
  return el("ul", { class: "legend", "aria-label": "Signs in the table" }, entry("check", "completed", "Completed (with score)"), entry("half", "in_progress", "In progress"), entry("circle", "not_started", "Not started"));
}

page(async (me, get) => {
  const data = await get(`/api/v1/classes/${idFromAddress()}/progress`);
  setTitle(data.title);
  setCrumbs([["My classes", "/classes"], [data.course.title, null]]);
  const codes = me.makes_codes ? el("p", { class: "button-row" }, el("a", { class: "button", href: `/classes/${data.id}/codes` }, icon("lock"), "Sign-in codes")) : null;
  if (!data.students.length) return emptyState("No students yet", "When your school puts students in this class, they appear here.", "info");
  const table = new ProgressTable(data, contentLanguage(me)).table;
  const lessons = data.items.length > 0;
  return [codes, lessons ? figures(data) : noLessons(), el("section", { class: "section", "aria-labelledby": "list-title" }, el("h2", { id: "list-title" }, "Students"), lessons ? legend() : null, el("div", { class: "table-scroll", role: "region", tabindex: "0", "aria-labelledby": "table-caption" }, table))];
});
