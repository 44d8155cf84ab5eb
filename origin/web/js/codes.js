// A class's accounts: who can sign in, a sheet of codes for those who cannot yet, and a reset for one.
import { ApiError, request } from "./api.js";
import { announce, el, hiddenText, icon } from "./dom.js";
import { count, dateAndTime, day } from "./format.js";
import { page, setCrumbs, setTitle } from "./page.js";
import { Message, trouble } from "./set-password.js";
import { confirm, slips } from "./slips.js";
import { emptyState } from "./states.js";

const WAYS = { password: ["check", "completed", "Password"], pictures: ["check", "completed", "Pictures"] };
const id = Number(/^\/classes\/(\d+)\/codes$/.exec(location.pathname)?.[1]);
const nameOf = (one) => `${one.given_name} ${one.family_name}`;

function state(student) {
  const [picture, look, words] = WAYS[student.signs_in_with] || (student.code_until ? ["clock", "in_progress", `Code until ${day(student.code_until)}`] : ["circle", "not_started", "Cannot sign in yet"]);
  return el("span", { class: `status status-${look}` }, icon(picture), words);
}

function row(student, reset) {
  const button = el("button", { class: "button", type: "button", on: { click: () => reset(student) } }, student.signs_in_with === "none" ? "New code" : "Reset", hiddenText(` for ${nameOf(student)}`));
  return el("tr", { "data-student": student.id }, el("th", { class: "student", scope: "row" }, `${student.family_name}, ${student.given_name}`), el("td", {}, student.username), el("td", { class: "nowrap" }, state(student)), el("td", { class: "cell-action" }, button));
}

function lastSheet({ last_sheet: last }) {
  if (!last) return "No sheet has been made for this class yet.";
  return `The last sheet was made by ${nameOf(last)}, ${dateAndTime(last.at)}, with ${count(last.codes, "code")}.`;
}

const byName = (a, b) => a.family_name.localeCompare(b.family_name, document.documentElement.lang) || a.given_name.localeCompare(b.given_name);

class Codes {
  constructor(data, get) {
    this.get = get;
    this.message = new Message();
    this.sheet = el("div");
    this.list = el("div");
    this.node = el("div", { class: "stack" }, this.message.node, this.sheet, this.list);
    this.show(data);
  }

  show(data) {
    const waiting = data.students.filter((one) => one.signs_in_with === "none");
    const make = el("button", { class: "button button-primary", type: "button", on: { click: () => this.make(waiting) } }, "Make code sheet");
    const heads = ["Student", "User name", "Signs in with", "Action"].map((text, i) => el("th", { scope: "col", class: i ? null : "student" }, text));
    const table = el("table", { class: "progress-table" }, el("caption", { id: "table-caption" }, count(data.students.length, "student")), el("thead", {}, el("tr", {}, heads)), el("tbody", {}, [...data.students].sort(byName).map((one) => row(one, (student) => this.reset(student)))));
    this.list.replaceChildren(
      el(
        "section",
        { class: "section no-print", "aria-labelledby": "make-title" },
        el("h2", { id: "make-title" }, "Code sheet"),
        waiting.length
          ? el("div", { class: "stack-s" }, el("p", {}, `${count(waiting.length, "student")} of this class cannot sign in yet. A code sheet has a slip for each of them, with a code that works once, for ${count(data.valid_days, "day")}.`), el("p", { class: "muted" }, lastSheet(data)), make)
          : el("p", {}, "All students of this class can sign in. For one who has forgotten how, use Reset below."),
      ),
      el("section", { class: "section no-print", "aria-labelledby": "list-title" }, el("h2", { id: "list-title" }, "Students"), el("div", { class: "table-scroll", role: "region", tabindex: "0", "aria-labelledby": "table-caption" }, table)),
    );
  }

  /** Does something that changes codes, shows its slips, and then the list anew. */
  async act(work) {
    this.message.say("info", "");
    try {
      this.sheet.replaceChildren(await work());
      this.sheet.querySelector("h2").focus();
      this.show(await this.get(`/api/v1/classes/${id}/codes`));
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.message.say(error.passing || error.status === 0 ? "warn" : "error", error.status === 404 ? "This student is not in your class any more." : trouble(error));
    }
  }

  async make(waiting) {
    const old = waiting.filter((one) => one.code_until).length;
    if (old && !(await confirm("Make a new sheet?", `${count(old, "student has", "students have")} an unused code. It stops working, also when another teacher handed it out.`, "Make a new sheet"))) return;
    await this.act(async () => {
      const { codes, expires_at: until } = await request("POST", `/api/v1/classes/${id}/codes`, { body: {} });
      announce(`${count(codes.length, "code")} made. Print them now.`);
      return slips(count(codes.length, "code"), codes, until);
    });
  }

  async reset(student) {
    const has = student.signs_in_with !== "none";
    const name = nameOf(student);
    const sentence = has ? `The ${student.signs_in_with} of ${name} stops working now, and ${name} is signed out everywhere. You get a code to hand over.` : `You get a code for ${name}. A code that was made before stops working.`;
    if (!(await confirm(has ? "Reset this student?" : "Make a new code?", sentence, has ? "Reset" : "Make a code"))) return;
    await this.act(async () => {
      const one = await request("POST", `/api/v1/classes/${id}/students/${student.id}/reset`, { body: {} });
      announce(`A code for ${name} was made.`);
      return slips(`A code for ${name}`, [one], one.expires_at);
    });
  }
}

page(async (me, get) => {
  const data = await get(`/api/v1/classes/${id}/codes`);
  setTitle("Sign-in codes");
  setCrumbs([["My classes", "/classes"], [data.title, `/classes/${id}`]]);
  if (!data.students.length) return emptyState("No students yet", "When your school puts students in this class, they appear here.", "info");
  return new Codes(data, get).node;
});
