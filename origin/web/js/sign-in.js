// The sign-in form works as plain HTML; this adds errors beside the fields and keeps the page when something is wrong.
import { ApiError, request, safeNext } from "./api.js";
import { CHOSEN, PicturePad } from "./pictures.js";

const form = document.getElementById("sign-in-form");
const button = form.querySelector("button[type=submit]");
const message = document.getElementById("message");
const passwordPart = document.getElementById("password-part");
const picturesPart = document.getElementById("pictures-part");
const otherWay = document.getElementById("other-way");
const WRONG = { password: "The user name or the password is not right. Check both and try again.", pictures: "The user name or the pictures are not right. Check both and try again." };
let pad = null; // while one signs in with pictures
const EMPTY = { username: "Enter your user name.", password: "Enter your password." };

function fieldError(name, text) {
  const input = document.getElementById(name);
  const error = document.getElementById(`${name}-error`);
  error.textContent = text;
  error.hidden = !text;
  if (text) {
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-describedby", error.id);
  } else {
    input.removeAttribute("aria-invalid");
    input.removeAttribute("aria-describedby");
  }
}

function say(kind, text) {
  message.className = `notice notice-${kind}`;
  message.textContent = text;
  message.hidden = !text;
}

/** The messages of the plain form (#wrong, #busy, #signed-out) step back when ours speak. */
function dropPlainMessage() {
  if (location.hash) history.replaceState(null, "", location.pathname + location.search);
  document.querySelectorAll(".target-only").forEach((node) => node.remove());
}

function valid() {
  let first = null;
  for (const name of pad ? ["username"] : ["username", "password"]) {
    const empty = form.elements[name].value.trim() === "";
    fieldError(name, empty ? EMPTY[name] : "");
    if (empty && !first) first = form.elements[name];
  }
  if (!first && pad && pad.chosen.length < CHOSEN) {
    say("error", "Choose your four pictures.");
    first = pad.buttons[0];
  }
  first?.focus();
  return first === null;
}

/** Everybody is offered both ways: which of them an account has is nobody's business before it has signed in. */
function switchWay() {
  pad = pad ? null : new PicturePad({ label: "Your four pictures, in order", shown: false });
  passwordPart.hidden = pad !== null;
  form.elements.password.disabled = pad !== null;
  picturesPart.hidden = pad === null;
  picturesPart.replaceChildren(...(pad ? [pad.node] : []));
  otherWay.textContent = pad ? "Sign in with a password" : "Sign in with pictures";
  say("info", "");
  (form.elements.username.value === "" ? form.elements.username : pad ? pad.buttons[0] : form.elements.password).focus();
}

function explain(error) {
  if (error.status === 401) {
    say("error", pad ? WRONG.pictures : WRONG.password);
    if (pad) {
      pad.clear();
      pad.buttons[0].focus();
      return;
    }
    form.elements.password.setAttribute("aria-invalid", "true");
    form.elements.password.setAttribute("aria-describedby", "message");
    form.elements.password.select();
    form.elements.password.focus();
  } else if (error.status === 0) {
    say("warn", navigator.onLine === false ? "You are offline. Check your connection and try again." : "Firstbell could not be reached. Please try again in a moment.");
  } else if (error.status === 429) {
    say("warn", `There were too many wrong tries. ${error.problem === "too-many-tries" ? error.message : ""} If you have forgotten your password, ask your teacher.`);
  } else if (error.passing) {
    say("warn", `Many people are signing in just now. Please try again in ${error.retryAfterS || 5} seconds.`);
  } else {
    say("error", error.message);
  }
}

async function signIn(event) {
  event.preventDefault();
  if (button.getAttribute("aria-disabled") === "true") return;
  dropPlainMessage();
  say("info", "");
  if (!valid()) return;
  button.setAttribute("aria-disabled", "true");
  button.textContent = "Signing in…";
  try {
    const username = form.elements.username.value.trim();
    const body = pad ? { username, pictures: pad.chosen } : { username, password: form.elements.password.value };
    const session = await request("POST", "/api/v1/sessions", { body });
    const next = safeNext(new URLSearchParams(location.search).get("next"));
    location.assign(next || safeNext(session.home) || "/");
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    explain(error);
    button.removeAttribute("aria-disabled");
    button.textContent = "Sign in";
  }
}

form.noValidate = true;
otherWay.addEventListener("click", switchWay);
form.addEventListener("submit", signIn);
form.addEventListener("input", (event) => {
  if (event.target.name) fieldError(event.target.name, "");
});
document.getElementById("show-password").addEventListener("change", (event) => {
  form.elements.password.type = event.target.checked ? "text" : "password";
});
// A page kept by the browser (back button) would otherwise still say "Signing in…".
addEventListener("pageshow", () => {
  button.removeAttribute("aria-disabled");
  button.textContent = "Sign in";
});
if (location.hash === "" && document.activeElement === document.body) form.elements.username.focus();
