// What a page shows when there is nothing to show yet, nothing at all, or something went wrong.
import { el, icon } from "./dom.js";

export function skeleton(blocks = 3) {
  return el("div", { class: "needs-script" }, el("p", { class: "visually-hidden" }, "Loading…"), Array.from({ length: blocks }, () => el("div", { class: "skeleton" })));
}

export function emptyState(title, sentence, picture = "info") {
  return el("div", { class: "state", "data-state": "empty" }, icon(picture, "state-icon"), el("h2", {}, title), el("p", {}, sentence));
}

/** For teachers: what they see of a course is not theirs to do. */
export function previewNotice() {
  return el("p", { class: "notice notice-info" }, icon("info"), el("span", {}, "You see this as a teacher: everything is open, and nothing is saved."));
}

const HOME = ["Go to the start page", "/"];

function view(error) {
  if (error.status === 0) {
    return navigator.onLine === false
      ? ["offline", "You are offline", "Check your connection. This page comes back by itself when you are online again.", null]
      : ["offline", "Firstbell could not be reached", "This may be the network of the school or Firstbell itself. Please try again in a moment.", null];
  }
  if (error.status === 403) return ["lock", "This page is not open to you", "It is for other people of your school. If you think you should see it, ask your school office.", HOME];
  if (error.status === 404) return ["info", "There is nothing here", "It may have been moved or taken away, or it belongs to somebody else.", HOME];
  if (error.status === 409) return ["lock", "This is not open yet", error.message, null];
  if (error.passing) return ["clock", "Firstbell is busy just now", "Nothing that was saved is lost. Please wait a little, then try again.", null];
  return ["warning", "Something went wrong", "The fault is ours. Please try again; if it happens again, tell your school office.", HOME];
}

/**
 * @param {import("./api.js").ApiError} error
 * @param {() => void} again what the button does
 */
export function errorState(error, again) {
  const [picture, title, sentence, link] = view(error);
  return el(
    "div",
    { class: "state", "data-state": "error", "data-status": error.status ?? -1 },
    icon(picture, "state-icon"),
    el("h2", { tabindex: "-1" }, title),
    el("p", {}, sentence),
    el(
      "p",
      { class: "button-row" },
      link ? el("a", { class: "button button-primary", href: link[1] }, link[0]) : el("button", { class: "button button-primary", type: "button", on: { click: again } }, "Try again"),
    ),
    error.requestId ? el("p", { class: "muted" }, "If you ask for help, give this number: ", el("code", {}, error.requestId)) : null,
  );
}

/** Shown while the server asks us to wait. */
export function waitingState(error, seconds) {
  const why = error.status === 0 ? "Firstbell cannot be reached." : "Firstbell is busy just now.";
  return el("p", { class: "notice notice-warn", "data-state": "waiting" }, icon("clock"), el("span", {}, `${why} Trying again in ${Math.max(1, Math.round(seconds))} s; you need not do anything.`));
}
