// The step that activation and reset share: one's own name, then a new password or, for the youngest, four pictures.
import { ApiError, request, safeNext } from "./api.js";
import { el, icon } from "./dom.js";
import { CHOSEN, PicturePad } from "./pictures.js";

/** A sentence for what went wrong below or beside the rules. */
export function trouble(error) {
  if (error.status === 0) return navigator.onLine === false ? "You are offline. Check your connection and try again." : "Firstbell could not be reached. Please try again in a moment.";
  if (error.status === 429) return `There were too many wrong tries. ${error.message}`;
  if (error.passing) return `Many people are here just now. Please try again in ${error.retryAfterS || 5} seconds.`;
  return error.message;
}

/** A notice that is read out when it gets words. */
export class Message {
  constructor() {
    this.node = el("p", { class: "notice", role: "alert", hidden: true });
  }

  say(kind, text) {
    this.node.className = `notice notice-${kind}`;
    this.node.replaceChildren(...(text ? [icon(kind === "error" ? "warning" : kind === "info" ? "info" : "clock"), el("span", {}, text)] : []));
    this.node.hidden = !text;
  }
}

function passwordField(id, label, hint) {
  const input = el("input", { id, name: id, type: "password", maxlength: 256, autocomplete: "new-password", required: true, "aria-describedby": hint ? `${id}-hint` : null });
  const error = el("p", { id: `${id}-error`, class: "field-error", hidden: true });
  const field = el("div", { class: "field" }, el("label", { for: id }, label), hint ? el("p", { id: `${id}-hint`, class: "hint" }, hint) : null, input, error);
  const fail = (text) => {
    error.textContent = text;
    error.hidden = !text;
    if (text) {
      input.setAttribute("aria-invalid", "true");
      input.setAttribute("aria-describedby", `${id}-error`);
      input.focus();
    } else {
      input.removeAttribute("aria-invalid");
      if (hint) input.setAttribute("aria-describedby", `${id}-hint`);
      else input.removeAttribute("aria-describedby");
    }
  };
  input.addEventListener("input", () => fail(""));
  return { field, input, fail };
}

/** By password. Gives {nodes, read, fail, focus}; read() gives what to send, or null after it has said what is missing. */
function byPassword(person) {
  const first = passwordField("new-password", "New password", `At least ${person.password_min_length} characters. Three or four words are easy to remember.`);
  const again = passwordField("password-again", "The same password again", "");
  const show = el("input", { id: "show-new-password", type: "checkbox" });
  show.addEventListener("change", () => {
    first.input.type = show.checked ? "text" : "password";
    again.field.hidden = show.checked; // what one sees need not be typed twice
    again.input.required = !show.checked;
  });
  const read = () => {
    if ([...first.input.value].length < person.password_min_length) {
      first.fail(first.input.value ? `This password is too short. Use at least ${person.password_min_length} characters.` : "Enter a new password.");
      return null;
    }
    if (!show.checked && first.input.value !== again.input.value) {
      again.fail("The two passwords are not the same. Type it again, or show the password to check it.");
      return null;
    }
    return { password: first.input.value };
  };
  const nodes = [first.field, el("p", { class: "show-password" }, show, el("label", { for: "show-new-password" }, "Show password")), again.field];
  return { nodes, read, fail: first.fail, focus: () => first.input.focus() };
}

function byPictures() {
  const pad = new PicturePad({ label: "Choose four pictures and remember them in this order", shown: true });
  const error = el("p", { id: "pictures-error", class: "field-error", role: "alert", hidden: true });
  const fail = (text) => {
    error.textContent = text;
    error.hidden = !text;
  };
  pad.onChange = () => fail("");
  const read = () => {
    if (pad.chosen.length === CHOSEN) return { pictures: pad.chosen };
    fail(`Choose ${CHOSEN - pad.chosen.length === 1 ? "one picture" : `${CHOSEN - pad.chosen.length} pictures`} more.`);
    return null;
  };
  return { nodes: [pad.node, error], read, fail: (text) => { fail(text); pad.clear(); }, focus: () => pad.buttons[0].focus() };
}

/**
 * Shows the step in `place`.
 * @param {HTMLElement} place
 * @param {{code?: string, link?: string}} secret
 * @param {object} person what POST /api/v1/activation/person gave
 * @param {(sentence: string) => void} onVoid the code or link is no good any more
 */
export function showSetStep(place, secret, person, onVoid) {
  const message = new Message();
  const fields = el("div", { class: "stack" });
  const button = el("button", { class: "button button-primary button-wide", type: "submit" }, "Save and sign in");
  const other = el("button", { class: "button button-quiet", type: "button" });
  const username = el("input", { class: "visually-hidden", name: "username", type: "text", autocomplete: "username", value: person.username, tabindex: "-1", readonly: true, "aria-hidden": "true" });
  let way;
  const take = (pictures, focus) => {
    way = pictures ? byPictures() : byPassword(person);
    fields.replaceChildren(...way.nodes);
    other.textContent = pictures ? "Use a password instead" : "Use pictures instead";
    other.onclick = () => take(!pictures, true);
    if (focus) way.focus();
  };
  const save = async (event) => {
    event.preventDefault();
    if (button.getAttribute("aria-disabled") === "true") return;
    message.say("info", "");
    const chosen = way.read();
    if (!chosen) return;
    button.setAttribute("aria-disabled", "true");
    button.textContent = "Saving…";
    try {
      const { home } = await request("POST", "/api/v1/activation", { body: { ...secret, ...chosen } });
      location.assign(safeNext(home) || "/");
      return;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.problem === "password") way.fail(error.message);
      else if (error.problem === "code") onVoid(error.message);
      else message.say(error.passing || error.status === 0 ? "warn" : "error", trouble(error));
    }
    button.removeAttribute("aria-disabled");
    button.textContent = "Save and sign in";
  };
  take(person.pictures, false);
  const form = el("form", { novalidate: true, on: { submit: save } }, username, fields, button, person.pictures ? other : null);
  place.replaceChildren(el("p", {}, "Your user name is ", el("strong", { class: "username" }, person.username), ". You need it every time you sign in."), message.node, form);
  const heading = document.getElementById("heading");
  heading.textContent = `Hello ${person.given_name} ${person.family_initial}.`;
  heading.tabIndex = -1;
  heading.focus();
  document.title = "Choose a password · Firstbell";
}

/** Whose a code or a link is. */
export function personOf(secret) {
  return request("POST", "/api/v1/activation/person", { body: secret });
}
