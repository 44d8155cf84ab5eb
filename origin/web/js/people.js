// The operator finds a person and resets them.
import { ApiError, request } from "./api.js";
import { announce, el, hiddenText, icon } from "./dom.js";
import { count, day } from "./format.js";
import { page } from "./page.js";
import { Message, trouble } from "./set-password.js";
import { confirm, slips } from "./slips.js";

const ROLES = { student: "Student", teacher: "Teacher", guardian: "Guardian", school_admin: "School administrator" };
const nameOf = (one) => `${one.given_name} ${one.family_name}`;

function state(one) {
  if (one.signs_in_with !== "none") return el("span", { class: "status status-completed" }, icon("check"), one.signs_in_with === "pictures" ? "Pictures" : "Password");
  if (one.code_until) return el("span", { class: "status status-in_progress" }, icon("clock"), `Code until ${day(one.code_until)}`);
  return el("span", { class: "status status-not_started" }, icon("circle"), "Cannot sign in yet");
}

class People {
  constructor() {
    this.message = new Message();
    this.sheet = el("div");
    this.found = el("div");
    this.input = el("input", { id: "query", name: "query", type: "search", maxlength: 100, autocomplete: "off", autocapitalize: "none", spellcheck: "false", "aria-describedby": "query-hint" });
    const form = el("form", { class: "search-form", role: "search", on: { submit: (event) => { event.preventDefault(); this.search(); } } }, el("div", { class: "field" }, el("label", { for: "query" }, "Family name or user name"), el("p", { id: "query-hint", class: "hint" }, "Its beginning is enough; “Lopez, An” looks for both names."), this.input), el("button", { class: "button button-primary", type: "submit" }, "Search"));
    this.node = el("div", { class: "stack" }, el("div", { class: "no-print" }, form), this.message.node, this.sheet, this.found);
  }

  fail(error) {
    if (!(error instanceof ApiError)) throw error;
    this.message.say(error.passing || error.status === 0 ? "warn" : "error", error.status === 404 ? "This person has left or cannot be reset here." : trouble(error));
  }

  async search() {
    this.message.say("info", "");
    try {
      const { people, more } = await request("POST", "/api/v1/people/search", { body: { query: this.input.value.trim() } });
      this.sheet.replaceChildren();
      this.show(people, more);
      announce(people.length ? `${count(people.length, "person", "people")} found.` : "Nobody found.");
    } catch (error) {
      this.fail(error);
    }
  }

  show(people, more) {
    if (!people.length) {
      this.found.replaceChildren(el("p", {}, "Nobody was found. Operators are not shown; they are reset on the command line."));
      return;
    }
    const heads = ["Name", "User name", "Role", "School", "Signs in with", "Action"].map((text) => el("th", { scope: "col" }, text));
    const rows = people.map((one) => el("tr", {}, el("th", { scope: "row" }, `${one.family_name}, ${one.given_name}`), el("td", {}, one.username), el("td", {}, ROLES[one.role] || "Other"), el("td", {}, one.schools), el("td", { class: "nowrap" }, state(one)), el("td", { class: "cell-action" }, el("button", { class: "button", type: "button", on: { click: () => this.reset(one) } }, one.signs_in_with === "none" ? "New code" : "Reset", hiddenText(` for ${nameOf(one)}`)))));
    const caption = more ? `The first ${count(people.length, "person", "people")}; type more of the name to find others` : count(people.length, "person", "people");
    this.found.replaceChildren(el("div", { class: "table-scroll no-print", role: "region", tabindex: "0", "aria-labelledby": "table-caption" }, el("table", {}, el("caption", { id: "table-caption" }, caption), el("thead", {}, el("tr", {}, heads)), el("tbody", {}, rows))));
  }

  async reset(one) {
    const name = nameOf(one);
    if (!(await confirm("Reset this person?", `What ${name} signs in with stops working now, and ${name} is signed out everywhere. You get a code to hand over.`, "Reset"))) return;
    this.message.say("info", "");
    try {
      const slip = await request("POST", `/api/v1/people/${one.id}/reset`, { body: {} });
      this.sheet.replaceChildren(slips(`A code for ${name}`, [slip], slip.expires_at));
      this.sheet.querySelector("h2").focus();
      this.found.replaceChildren();
    } catch (error) {
      this.fail(error);
    }
  }
}

page(async () => new People().node);
