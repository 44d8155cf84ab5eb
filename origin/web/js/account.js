// My account: who I am, where I am signed in, and a new password.
import { ApiError, request } from "./api.js";
import { announce, el, icon } from "./dom.js";
import { ago, dateAndTime } from "./format.js";
import { page } from "./page.js";

const NEW_MIN = 10; // as the origin asks
const ROLES = { student: "Student", teacher: "Teacher", operator: "Operator", school_admin: "School administrator", guardian: "Parent or guardian" };

function section(id, title, ...content) {
  return el("section", { class: "card section account-part", "aria-labelledby": id }, el("h2", { id }, title), content);
}

function who(me) {
  const row = (label, value) => el("div", {}, el("dt", { class: "muted" }, label), el("dd", {}, value));
  return section("who-title", "Who you are", el("dl", { class: "facts" }, row("Name", `${me.given_name} ${me.family_name}`), row("User name", me.username), row("Role", ROLES[me.role] || "Member")));
}

function sentence(error) {
  if (error.status === 0) return "Firstbell could not be reached. Please try again in a moment.";
  if (error.problem === "too-many-tries") return `There were too many wrong tries. ${error.message}`;
  return error.message;
}

class Sessions {
  constructor(list) {
    this.note = el("p", { class: "notice", role: "alert", hidden: true });
    this.list = el("ul", { class: "session-list" });
    this.others = el("button", { class: "button", type: "button", on: { click: () => this.end("/api/v1/sessions?others", "You are signed out everywhere else.") } }, "Sign out everywhere else");
    this.title = "sessions-title";
    this.show(list);
  }

  row(one) {
    const when = el("span", { class: "muted" }, "since ", el("time", { datetime: one.created_at, title: ago(one.created_at) }, dateAndTime(one.created_at)));
    const button = el(
      "button",
      { class: "button button-quiet", type: "button", "aria-label": `Sign out ${one.device}, since ${dateAndTime(one.created_at)}`, on: { click: () => this.end(`/api/v1/sessions/${one.id}`, `${one.device} is signed out.`) } },
      "Sign out",
    );
    return el("li", { "data-session": one.id }, el("div", {}, el("strong", {}, one.device), " ", when), one.current ? el("span", { class: "status status-completed" }, icon("check"), "This device") : button);
  }

  show(list) {
    this.list.replaceChildren(...list.map((one) => this.row(one)));
    this.others.hidden = list.length < 2;
  }

  say(kind, text) {
    this.note.className = `notice notice-${kind}`;
    this.note.textContent = text;
    this.note.hidden = !text;
  }

  async end(path, done) {
    try {
      await request("DELETE", path);
      this.show((await request("GET", "/api/v1/sessions")).sessions);
      this.say("info", "");
      announce(done);
      document.getElementById(this.title).focus();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 401) location.reload();
      else this.say("error", sentence(error));
    }
  }

  section() {
    const made = section(this.title, "Where you are signed in", el("p", {}, "If you do not know a device here, sign it out and change your password."), this.note, this.list, el("p", {}, this.others));
    made.querySelector("h2").setAttribute("tabindex", "-1");
    return made;
  }
}

function field(id, label, autocomplete, hint) {
  const input = el("input", { id, name: id, type: "password", required: true, maxlength: "256", autocomplete });
  const help = hint ? el("p", { class: "muted", id: `${id}-help` }, hint) : null;
  if (hint) input.setAttribute("aria-describedby", help.id);
  const error = el("p", { id: `${id}-error`, class: "field-error", hidden: true });
  return { input, error, hint: help, node: el("div", { class: "field" }, el("label", { for: id }, label), help, input, error) };
}

function tell(one, text) {
  one.error.textContent = text;
  one.error.hidden = !text;
  one.input.toggleAttribute("aria-invalid", Boolean(text));
  if (text) one.input.setAttribute("aria-invalid", "true");
  const described = [one.hint?.id, text ? one.error.id : null].filter(Boolean).join(" ");
  if (described) one.input.setAttribute("aria-describedby", described);
  else one.input.removeAttribute("aria-describedby");
}

/** The first thing that is wrong with a form, as [field, sentence]. */
function wrongWith(old, fresh) {
  if (!old.input.value) return [old, "Enter your old password."];
  if (new TextEncoder().encode(fresh.input.value).length < NEW_MIN) return [fresh, `The new password needs at least ${NEW_MIN} characters.`];
  return null;
}

function passwordForm(sessions) {
  const old = field("old-password", "Old password", "current-password");
  const fresh = field("new-password", "New password", "new-password", `At least ${NEW_MIN} characters. Some words in a row that only you think of are good.`);
  const show = el("input", { id: "show-passwords", type: "checkbox" });
  const note = el("p", { class: "notice", role: "alert", hidden: true });
  const button = el("button", { class: "button button-primary", type: "submit" }, "Change password");
  const form = el("form", { class: "password-form", novalidate: true }, old.node, fresh.node, el("p", { class: "show-password" }, show, el("label", { for: "show-passwords" }, "Show passwords")), button, note);
  const say = (kind, text) => {
    note.className = `notice notice-${kind}`;
    note.textContent = text;
    note.hidden = !text;
  };
  show.addEventListener("change", () => [old, fresh].forEach((one) => (one.input.type = show.checked ? "text" : "password")));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.getAttribute("aria-disabled") === "true") return;
    say("info", "");
    [old, fresh].forEach((one) => tell(one, ""));
    const wrong = wrongWith(old, fresh);
    if (wrong) {
      tell(...wrong);
      wrong[0].input.focus();
      return;
    }
    button.setAttribute("aria-disabled", "true");
    try {
      await request("PUT", "/api/v1/me/password", { body: { old: old.input.value, new: fresh.input.value } });
      form.reset();
      [old, fresh].forEach((one) => (one.input.type = "password"));
      say("info", "Your password is changed. Everywhere else you are signed out.");
      sessions.show((await request("GET", "/api/v1/sessions")).sessions);
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      say(error.passing ? "warn" : "error", sentence(error));
    }
    button.removeAttribute("aria-disabled");
  });
  return section("password-title", "Change your password", form);
}

page(async (me, get) => {
  const sessions = new Sessions((await get("/api/v1/sessions")).sessions);
  return [who(me), sessions.section(), passwordForm(sessions)];
});
