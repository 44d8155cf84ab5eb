// The frame of every page behind sign-in: who am I, navigation, language, and the way from loading to content or to a sentence that says what is wrong.
import { ApiError, get, signInAgain } from "./api.js";
import { announce, el } from "./dom.js";
import { sendLeftOvers } from "./leftovers.js";
import { errorState, skeleton, waitingState } from "./states.js";

const NAV = {
  student: [["My courses", "/courses"]],
  teacher: [["My classes", "/classes"], ["Courses", "/courses"]],
  operator: [["District", "/district"], ["People", "/people"]],
};
const PAGE_LANGUAGES = ["en"]; // languages the words of these pages exist in
const RIGHT_TO_LEFT = ["ar", "fa", "he", "ps", "ur", "yi"];

const base = (locale) => locale.split(/[-_]/)[0].toLowerCase();

/** Whose progress is kept. Everybody else looks at courses as a preview: all is open, nothing is saved. */
export const learns = (me) => me.role === "student";

/** Language and direction of what the district wrote itself (titles, readings): put on the elements that show it. */
export function contentLanguage(me) {
  const locale = (me.tenant.locale || "en").replace("_", "-");
  return { lang: locale, dir: RIGHT_TO_LEFT.includes(base(locale)) ? "rtl" : "ltr" };
}

function applyLanguage(me) {
  const { lang, dir } = contentLanguage(me);
  if (!PAGE_LANGUAGES.includes(base(lang))) return; // a page must not claim a language that its words are not in
  document.documentElement.lang = lang;
  document.documentElement.dir = dir;
}

function showNav(me) {
  const nav = document.getElementById("nav");
  const links = NAV[me.role] || [];
  nav.replaceChildren(
    el(
      "ul",
      {},
      links.map(([text, href]) => el("li", {}, el("a", { href, "aria-current": location.pathname === href ? "page" : null }, text))),
    ),
  );
  nav.hidden = links.length === 0;
}

function showMe(me) {
  applyLanguage(me);
  showNav(me);
  document.getElementById("account").textContent = `${me.given_name} ${me.family_name}`;
  document.getElementById("district-name").textContent = me.tenant.title;
}

export function setTitle(title) {
  document.title = `${title} · Firstbell`;
  document.getElementById("heading").textContent = title;
}

/** Breadcrumb above the heading: [[text, href], …]; the heading itself is the last step. */
export function setCrumbs(steps) {
  const list = el("ol", {}, steps.map(([text, href]) => el("li", {}, href ? el("a", { href }, text) : el("span", { class: "muted" }, text))));
  document.getElementById("crumbs").replaceChildren(el("nav", { class: "crumbs", "aria-label": "Breadcrumb" }, list));
}

/** The number at the end of the address: /courses/12 → 12. */
export function idFromAddress() {
  const found = /\/(\d+)\/?$/.exec(location.pathname);
  if (!found) throw new ApiError(404, {}, null);
  return Number(found[1]);
}

/**
 * Runs a page.
 * @param {(me: object, get: (path: string) => Promise<any>) => Promise<Node|Node[]>} show loads what the page needs and builds its content
 */
export async function page(show) {
  const content = document.getElementById("content");
  const run = async () => {
    content.setAttribute("aria-busy", "true");
    content.replaceChildren(skeleton());
    let waited = false;
    const patient = (path) =>
      get(path, {
        onWait: (error, seconds) => {
          content.replaceChildren(waitingState(error, seconds));
          if (!waited) announce("Firstbell is busy. The page loads by itself in a moment.");
          waited = true;
        },
      });
    try {
      const me = await patient("/api/v1/me");
      showMe(me);
      await sendLeftOvers(me.id);
      const nodes = await show(me, patient);
      content.replaceChildren(...[nodes].flat());
      content.dispatchEvent(new CustomEvent("shown"));
    } catch (error) {
      fail(error);
    }
    content.removeAttribute("aria-busy");
  };
  const fail = (error) => {
    if (error.status === 401) {
      signInAgain();
      return;
    }
    if (!(error instanceof ApiError)) console.error(error);
    content.replaceChildren(errorState(error, run));
    const title = content.querySelector("h2");
    document.title = `${title.textContent} · Firstbell`;
    announce(title.textContent);
    if (error.status === 0) addEventListener("online", run, { once: true });
  };
  await run();
}
