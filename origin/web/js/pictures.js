// Four of sixteen pictures in order, in place of a password. Buttons with words: for fingers, keyboards and screen readers alike.
import { announce, el } from "./dom.js";

const SVG = "http://www.w3.org/2000/svg";
export const CHOSEN = 4;
const NAMES = ["cat", "dog", "fish", "bird", "sun", "moon", "star", "tree", "boat", "house", "ball", "kite", "apple", "cloud", "key", "flower"];

function picture(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 48 48");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `/web/pictures.svg#${name}`);
  svg.append(use);
  return svg;
}

/** A pad. `shown`: what was chosen is to be seen (when it is chosen anew); otherwise only how many. pad.node, pad.chosen, pad.clear(), pad.onChange. */
export class PicturePad {
  constructor({ label, shown }) {
    this.shown = shown;
    this.chosen = [];
    this.onChange = () => {};
    this.slots = el("ol", { class: "picture-slots", "aria-label": "Your pictures so far" });
    this.buttons = NAMES.map((name) => el("button", { class: "picture", type: "button", "data-picture": name, on: { click: () => this.add(name) } }, picture(name), el("span", {}, name)));
    const undo = el("button", { class: "button button-quiet", type: "button", on: { click: () => this.undo() } }, "Take the last one back");
    this.node = el("fieldset", { class: "picture-pad", on: { keydown: (event) => this.move(event) } }, el("legend", {}, label), this.slots, el("div", { class: "pictures" }, this.buttons), undo);
    this.show();
  }

  add(name) {
    if (this.chosen.length === CHOSEN) {
      announce("You have four pictures already. Take the last one back to change it.");
      return;
    }
    this.chosen.push(name);
    this.show();
    announce(this.shown ? `${name}, ${this.chosen.length} of ${CHOSEN}.` : `${this.chosen.length} of ${CHOSEN} pictures.`);
    this.onChange();
  }

  undo() {
    if (this.chosen.pop() === undefined) return;
    this.show();
    announce(`${this.chosen.length} of ${CHOSEN} pictures.`);
    this.onChange();
  }

  clear() {
    this.chosen = [];
    this.show();
  }

  show() {
    this.slots.replaceChildren(
      ...Array.from({ length: CHOSEN }, (_, i) => {
        const name = this.chosen[i];
        if (!name) return el("li", { class: "picture-slot" }, el("span", { class: "visually-hidden" }, "empty"));
        if (this.shown) return el("li", { class: "picture-slot", "data-full": true }, picture(name), el("span", { class: "visually-hidden" }, name));
        return el("li", { class: "picture-slot", "data-full": true }, el("span", { class: "picture-dot", "aria-hidden": "true" }), el("span", { class: "visually-hidden" }, "chosen"));
      }),
    );
  }

  /** Arrow keys go from picture to picture; Tab does as well. */
  move(event) {
    const at = this.buttons.indexOf(document.activeElement);
    const columns = this.buttons.filter((button) => button.offsetTop === this.buttons[0].offsetTop).length;
    const forward = document.documentElement.dir === "rtl" ? -1 : 1;
    const step = { ArrowRight: forward, ArrowLeft: -forward, ArrowDown: columns, ArrowUp: -columns }[event.key];
    if (at < 0 || !step || !this.buttons[at + step]) return;
    event.preventDefault();
    this.buttons[at + step].focus();
  }
}
