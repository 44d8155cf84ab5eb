// How the state of an item is shown: always an icon and words, never colour alone.
import { el, hiddenText, icon } from "./dom.js";
import { percent } from "./format.js";

export const KINDS = { video: "Video", reading: "Reading", quiz: "Quiz", assignment: "Assignment" };
const LOOK = { completed: ["check", "Completed"], in_progress: ["half", "In progress"], not_started: ["circle", "Not started"] };

/** The status of an item in words, with the part done or the score where that says more. */
export function statusWords(item) {
  if (item.locked) return "Locked";
  if (item.status === "completed") return item.score === null || item.score === undefined ? "Completed" : `Completed, score ${percent(item.score)}`;
  if (item.status === "in_progress") {
    if (item.score !== null && item.score !== undefined) return `Tried, score ${percent(item.score)}`;
    return item.percent > 0 ? `In progress, ${percent(item.percent)}` : "In progress";
  }
  return "Not started";
}

export function statusChip(item) {
  if (item.locked) return el("span", { class: "status status-locked" }, icon("lock"), "Locked");
  const [picture] = LOOK[item.status] || LOOK.not_started;
  return el("span", { class: `status status-${item.status}` }, icon(picture), statusWords(item));
}

/** A table cell's content: short for eyes, whole for ears. */
export function statusCell(item) {
  const [picture] = LOOK[item.status] || LOOK.not_started;
  const scored = item.score !== null && item.score !== undefined;
  const short = scored ? percent(item.score) : item.status === "in_progress" ? percent(item.percent) : "";
  return el("span", { class: `status status-${item.status}` }, icon(picture), el("span", { "aria-hidden": "true" }, short), hiddenText(statusWords(item)));
}

/** Why an item is locked, as one sentence. */
export function lockedReason(item) {
  const parts = (item.missing || []).map((need) => {
    if (need.need_score === null || need.need_score === undefined) return `complete “${need.title}”`;
    const have = need.have_score === null || need.have_score === undefined ? "" : ` (your best so far is ${percent(need.have_score)})`;
    return `score at least ${percent(need.need_score)} in “${need.title}”${have}`;
  });
  if (!parts.length) return "This opens later.";
  return `Opens when you ${parts.length === 1 ? parts[0] : `${parts.slice(0, -1).join(", ")} and ${parts.at(-1)}`}.`;
}

/** Part done, as a bar with its words. */
export function meter(value, label, words) {
  return el(
    "div",
    { class: "meter" },
    el("div", { class: "meter-text" }, el("span", {}, words), el("span", { "aria-hidden": "true" }, percent(value))),
    el("progress", { max: 100, value: value || 0, "aria-label": label }),
  );
}
