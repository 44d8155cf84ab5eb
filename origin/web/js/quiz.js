// A quiz: native radio buttons and check boxes in fieldsets. What is right is known by the server only and comes back with an attempt.
import { request } from "./api.js";
import { announce, el, icon } from "./dom.js";
import { percent } from "./format.js";

function choice(item, question, one) {
  const type = question.kind === "multiple" ? "checkbox" : "radio";
  return el("label", { class: "choice" }, el("input", { type, name: `item-${item.id}-${question.id}`, value: one.id }), el("span", {}, one.text));
}

function questionField(item, question, index) {
  const hint = question.kind === "multiple" ? el("span", { class: "hint" }, " Choose all that are right.") : null;
  return el(
    "fieldset",
    { class: "question", "data-question": question.id },
    el("legend", {}, `${index + 1}. ${question.prompt}`, hint),
    question.choices.map((one) => choice(item, question, one)),
    el("div", { class: "feedback", id: `feedback-${item.id}-${question.id}` }),
  );
}

function answersOf(form) {
  const answers = {};
  for (const field of form.querySelectorAll("fieldset")) {
    answers[field.dataset.question] = [...field.querySelectorAll("input:checked")].map((input) => input.value);
  }
  return answers;
}

function firstUnanswered(form) {
  return [...form.querySelectorAll("fieldset")].find((field) => !field.querySelector("input:checked"));
}

function showFeedback(form, item, questions) {
  for (const field of form.querySelectorAll("fieldset")) {
    const verdict = questions.find((one) => one.id === field.dataset.question);
    const box = field.querySelector(".feedback");
    box.replaceChildren();
    if (!verdict) continue;
    field.dataset.correct = verdict.correct;
    const words = verdict.correct ? "Right." : "Not right yet.";
    const text = el("span", {}, el("strong", {}, words), verdict.explanation ? ` ${verdict.explanation}` : "");
    box.append(el("p", { class: `notice ${verdict.correct ? "notice-info" : "notice-warn"}`, "data-correct": verdict.correct }, icon(verdict.correct ? "check" : "info"), text));
  }
}

function resultWords(result, passScore) {
  if (result.passed) return result.score >= 100 ? "Everything is right. Well done!" : "You have passed.";
  return passScore ? `You need ${percent(passScore)} to pass. Read the notes below and try again.` : "Read the notes below and try again.";
}

function showResult(node, result, passScore) {
  node.replaceChildren(
    el("p", { class: `notice ${result.passed ? "notice-info" : "notice-warn"}` }, icon(result.passed ? "check" : "info"), el("span", {}, el("strong", {}, `Your score: ${percent(result.score)}. `), resultWords(result, passScore))),
  );
  node.hidden = false;
  node.focus();
}

/** @param {((result: object) => void)|null} onAttempt called with the server's answer; null: a preview */
export function quiz(item, onAttempt) {
  const passScore = item.content.pass_score;
  const result = el("div", { class: "result", tabindex: "-1", role: "group", "aria-label": "Result", hidden: true });
  const state = el("span", { class: "save-state", role: "status" });
  const button = el("button", { class: "button button-primary", type: "submit" }, item.score === null || item.score === undefined ? "Check my answers" : "Try again");
  const form = el("form", { class: "quiz", novalidate: true }, item.content.questions.map((question, index) => questionField(item, question, index)), onAttempt ? el("div", { class: "item-foot" }, button, state) : null);
  const submit = async () => {
    const missing = firstUnanswered(form);
    if (missing) {
      state.textContent = "Answer every question first.";
      state.dataset.saveState = "failed";
      missing.querySelector("input").focus();
      return;
    }
    button.setAttribute("aria-disabled", "true");
    state.dataset.saveState = "saving";
    state.textContent = "Checking…";
    try {
      const answer = await request("POST", `/api/v1/items/${item.id}/attempts`, { body: { answers: answersOf(form) } });
      state.dataset.saveState = "saved";
      state.textContent = "Saved";
      showFeedback(form, item, answer.questions);
      showResult(result, answer, passScore);
      announce(`Saved. Your score: ${percent(answer.score)}. ${resultWords(answer, passScore)}`);
      button.textContent = "Check again";
      onAttempt(answer);
    } catch (error) {
      state.dataset.saveState = "failed";
      state.textContent = error.passing ? "Not sent: Firstbell cannot be reached just now. Your answers are still here; please try again." : `Not sent. ${error.message}`;
    }
    button.removeAttribute("aria-disabled");
  };
  form.addEventListener("change", (event) => delete event.target.closest("fieldset").dataset.correct);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (onAttempt && button.getAttribute("aria-disabled") !== "true") submit();
  });
  const intro = passScore ? el("p", { class: "muted" }, `You pass with ${percent(passScore)}. You may try as often as you like; the best score counts.`) : null;
  return [intro, result, form].filter(Boolean);
}
