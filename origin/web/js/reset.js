// A forgotten password: asking for a mail where the district sends mails, and what the link in it leads to.
import { ApiError, get, request } from "./api.js";
import { el, icon } from "./dom.js";
import { Message, personOf, showSetStep, trouble } from "./set-password.js";

const step = document.getElementById("step");
const message = new Message();

function notice(kind, picture, text) {
  return el("p", { class: `notice notice-${kind}` }, icon(picture), el("span", {}, text));
}

const toCode = () => el("a", { class: "button button-wide", href: "/activate" }, "I have a code");

/** No relay: a person helps. */
function showAsk() {
  step.replaceChildren(el("p", {}, "Ask your teacher or the school office. They give you a code, and with it you choose a new password."), toCode());
}

function showSent() {
  step.replaceChildren(
    el("h2", { tabindex: "-1" }, "Look into your mail"),
    el("p", {}, "If we know this name or address, a mail with a link is on its way. It can take some minutes; look among the unwanted mails too."),
    el("p", {}, "No mail? Ask your teacher or the school office."),
    el("a", { class: "button button-wide", href: "/sign-in" }, "Back to sign-in"),
  );
  step.querySelector("h2").focus();
}

function showForm() {
  const input = el("input", { id: "who", name: "who", type: "text", required: true, maxlength: 254, autocomplete: "username", autocapitalize: "none", autocorrect: "off", spellcheck: "false" });
  const error = el("p", { id: "who-error", class: "field-error", hidden: true });
  const button = el("button", { class: "button button-primary button-wide", type: "submit" }, "Send me a link");
  const fail = (text) => {
    error.textContent = text;
    error.hidden = !text;
    for (const [name, value] of [["aria-invalid", "true"], ["aria-describedby", "who-error"]]) {
      if (text) input.setAttribute(name, value);
      else input.removeAttribute(name);
    }
    if (text) input.focus();
  };
  const send = async (event) => {
    event.preventDefault();
    message.say("info", "");
    if (!input.value.trim()) {
      fail("Enter your user name or your e-mail address.");
      return;
    }
    button.setAttribute("aria-disabled", "true");
    try {
      await request("POST", "/api/v1/reset-links", { body: { who: input.value.trim() } });
      showSent();
    } catch (problem) {
      if (!(problem instanceof ApiError)) throw problem;
      message.say(problem.status === 0 || problem.passing ? "warn" : "error", problem.status === 429 ? `You have asked several times. ${problem.message}` : trouble(problem));
    }
    button.removeAttribute("aria-disabled");
  };
  input.addEventListener("input", () => fail(""));
  step.replaceChildren(
    el("p", {}, "We send a link to the e-mail address that your school has of you."),
    message.node,
    el("form", { novalidate: true, on: { submit: send } }, el("div", { class: "field" }, el("label", { for: "who" }, "User name or e-mail address"), input, error), button),
    el("p", { class: "help" }, "No e-mail address? Ask your teacher or the school office for a code. ", el("a", { href: "/activate" }, "I have a code")),
  );
}

async function showStart(sentence) {
  document.getElementById("heading").textContent = "Forgotten your password?";
  document.title = "Forgotten password · Firstbell";
  try {
    const rules = await get("/api/v1/account-rules");
    if (rules.mail) showForm();
    else showAsk();
  } catch (problem) {
    if (!(problem instanceof ApiError)) throw problem;
    step.replaceChildren(notice("warn", "clock", trouble(problem)), toCode());
  }
  if (sentence) {
    step.prepend(message.node);
    message.say("error", sentence);
  }
}

async function start() {
  const link = location.hash.slice(1);
  if (!/^[\w-]{43}$/.test(link)) {
    await showStart("");
    return;
  }
  history.replaceState(null, "", location.pathname);
  try {
    showSetStep(step, { link }, await personOf({ link }), showStart);
  } catch (problem) {
    if (!(problem instanceof ApiError)) throw problem;
    await showStart(problem.problem === "code" ? problem.message : trouble(problem));
  }
}

start();
addEventListener("hashchange", start);
