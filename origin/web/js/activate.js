// Coming in with a code: typed, or behind the # of the address that a QR code leads to (which no server sees).
import { ApiError } from "./api.js";
import { Message, personOf, showSetStep, trouble } from "./set-password.js";

const form = document.getElementById("code-form");
const step = document.getElementById("step");
const input = form.elements.code;
const error = document.getElementById("code-error");
const button = form.querySelector("button[type=submit]");
const message = new Message();
form.before(message.node);

function fail(text) {
  error.textContent = text;
  error.hidden = !text;
  if (text) {
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-describedby", "code-hint code-error");
    input.focus();
  } else {
    input.removeAttribute("aria-invalid");
    input.setAttribute("aria-describedby", "code-hint");
  }
}

function startAgain(sentence) {
  location.replace("/activate");
  sessionStorage.setItem("bell-code-void", sentence);
}

async function check(event) {
  event?.preventDefault();
  if (button.getAttribute("aria-disabled") === "true") return;
  message.say("info", "");
  const code = input.value.trim();
  if (!code) {
    fail("Enter the code from your paper.");
    return;
  }
  button.setAttribute("aria-disabled", "true");
  try {
    showSetStep(step, { code }, await personOf({ code }), startAgain);
  } catch (problem) {
    if (!(problem instanceof ApiError)) throw problem;
    if (problem.problem === "code") fail(`This code is not right, has been used, or is too old. ${problem.message}`);
    else message.say(problem.status === 0 || problem.passing ? "warn" : "error", trouble(problem));
  }
  button.removeAttribute("aria-disabled");
}

form.noValidate = true;
form.addEventListener("submit", check);
input.addEventListener("input", () => fail(""));

const before = sessionStorage.getItem("bell-code-void");
sessionStorage.removeItem("bell-code-void");
if (before) fail(before);

function takeFromAddress() {
  const code = decodeURIComponent(location.hash.slice(1)).slice(0, 40);
  if (!code) return false;
  history.replaceState(null, "", location.pathname); // it must not stay in the history of a shared computer
  input.value = code;
  check();
  return true;
}

if (!takeFromAddress() && document.activeElement === document.body) input.focus();
addEventListener("hashchange", takeFromAddress);
