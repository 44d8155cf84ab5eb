// The operator's page: what is in the district, which imports ran, and whether the queue moves.
import { announce, el, icon } from "./dom.js";
import { dateAndTime, number } from "./format.js";
import { page } from "./page.js";
import { emptyState } from "./states.js";

const COUNTS = { schools: "Schools", classes: "Classes", courses: "Courses", students: "Students", teachers: "Teachers", enrollments: "Enrollments" };
const QUEUE = { waiting: "Waiting", running: "Running", failed: "Failed" };
const OUTCOMES = {
  done: ["check", "completed", "Imported"],
  refused: ["warning", "failed", "Refused"],
};

function figures(values, names) {
  return el("dl", { class: "figures" }, Object.entries(names).map(([key, label]) => el("div", { class: "card figure", "data-count": key }, el("dt", {}, label), el("dd", {}, number(values[key] ?? 0)))));
}

function outcome(one) {
  const [picture, state, words] = OUTCOMES[one.outcome] || ["info", "not_started", one.outcome || "Running"];
  return el("span", { class: `status status-${state}` }, icon(picture), words);
}

function importRow(one) {
  const cell = (value) => el("td", { class: "cell-number" }, number(value ?? 0));
  return el(
    "tr",
    {},
    el("th", { scope: "row" }, one.file || "Import"),
    el("td", { class: "nowrap" }, el("time", { datetime: one.started_at }, dateAndTime(one.started_at))),
    el("td", {}, outcome(one)),
    [one.inserted, one.updated, one.unchanged, one.deleted, one.errors].map(cell),
  );
}

function imports(list) {
  if (!list.length) return emptyState("No imports yet", "When a roster is imported, its report appears here.", "info");
  const heads = ["File", "Started", "Outcome"].map((text) => el("th", { scope: "col" }, text));
  const numbers = ["Added", "Changed", "Unchanged", "Removed", "Errors"].map((text) => el("th", { scope: "col", class: "cell-number" }, text));
  return el(
    "div",
    { class: "table-scroll", role: "region", tabindex: "0", "aria-label": "Table of roster imports" },
    el("table", {}, el("thead", {}, el("tr", {}, heads, numbers)), el("tbody", {}, list.map(importRow))),
  );
}

function section(id, title, ...content) {
  return el("section", { class: "section", "aria-labelledby": id }, el("div", { class: "section-head" }, el("h2", { id }, title)), content);
}

page(async (me, get) => {
  const data = await get("/api/v1/district");
  document.getElementById("heading").textContent = data.tenant.title;
  const queue = el("div", {}, figures(data.queue, QUEUE));
  const refresh = el("button", { class: "button", type: "button" }, "Refresh");
  refresh.addEventListener("click", async () => {
    try {
      const fresh = await get("/api/v1/district");
      queue.replaceChildren(figures(fresh.queue, QUEUE));
      announce("The queue is up to date.");
    } catch (error) {
      announce(error.message);
    }
  });
  const work = section("queue-title", "Background work", queue);
  work.querySelector(".section-head").append(refresh);
  return [section("counts-title", "In this district", figures(data.counts, COUNTS)), work, section("imports-title", "Roster imports", imports(data.imports))];
});
