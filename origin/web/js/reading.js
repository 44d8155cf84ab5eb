// Readings and assignments: blocks of text and pictures, and the button that says "I have done this".
import { request } from "./api.js";
import { announce, el, icon } from "./dom.js";
import { day } from "./format.js";

const BLOCKS = {
  heading: (block) => el("h3", {}, block.text),
  paragraph: (block) => el("p", {}, block.text),
  list: (block) => el("ul", {}, (block.items || []).map((item) => el("li", {}, item))),
  image: (block, media) =>
    el(
      "figure",
      {},
      media.retry(el("img", { src: media.address(block.src), alt: block.alt || "", loading: "lazy", width: block.width || null, height: block.height || null })),
      block.caption ? el("figcaption", {}, block.caption) : null,
    ),
};

function blocks({ content, links }) {
  return el("div", { class: "prose" }, (content.blocks || []).map((block) => (BLOCKS[block.type] ? BLOCKS[block.type](block, links) : null)));
}

function doneButton(item, words, onDone) {
  if (!onDone) return null;
  const state = el("span", { class: "save-state" });
  if (item.status === "completed") return el("div", { class: "item-foot" }, el("p", { class: "status status-completed" }, icon("check"), words.done));
  const button = el("button", { class: "button button-primary", type: "button" }, words.mark);
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    state.textContent = "Saving…";
    state.dataset.saveState = "saving";
    try {
      const answer = await request("PUT", `/api/v1/items/${item.id}/progress`, { body: { completed: true } });
      state.textContent = "Saved";
      state.dataset.saveState = "saved";
      announce(`Saved. ${item.title}: completed.`);
      onDone({ ...answer, status: "completed" });
    } catch (error) {
      button.removeAttribute("aria-disabled");
      state.dataset.saveState = "failed";
      state.textContent = error.passing ? "Not saved: Firstbell cannot be reached just now. Please try again." : `Not saved. ${error.message}`;
      announce(state.textContent);
    }
  });
  return el("div", { class: "item-foot" }, button, state);
}

/** @param {((progress: object) => void)|null} onDone called when the server has it; null: a preview */
export function reading(item, onDone) {
  return [blocks(item), doneButton(item, { mark: "Mark as read", done: "You have read this" }, onDone)].filter(Boolean);
}

export function assignment(item, onDone) {
  const due = item.content.due_on ? el("p", { class: "notice notice-info" }, icon("clock"), el("span", {}, `Due on ${day(item.content.due_on)}`)) : null;
  const text = blocks(item);
  if (due) text.prepend(due);
  return [text, doneButton(item, { mark: "Mark as done", done: "You have done this" }, onDone)].filter(Boolean);
}
