// Slips of paper with a code: shown once, to be printed and cut. The address stands there in letters and as a QR code; the code is behind the #, so
// that no server and no log sees it.
import qrcode from "/web/vendor/qrcode.mjs";
import { el, icon } from "./dom.js";
import { day } from "./format.js";

const SVG = "http://www.w3.org/2000/svg";
const QUIET = 4; // modules of white around, which scanners ask for

function qr(text, label) {
  const code = qrcode(0, "M");
  code.addData(text);
  code.make();
  const n = code.getModuleCount();
  let path = "";
  for (let y = 0; y < n; y++) {
    for (let x = 0; x < n; x++) {
      if (code.isDark(y, x)) path += `M${x + QUIET} ${y + QUIET}h1v1h-1z`;
    }
  }
  const size = n + 2 * QUIET;
  const svg = document.createElementNS(SVG, "svg");
  for (const [name, value] of [["viewBox", `0 0 ${size} ${size}`], ["class", "qr"], ["role", "img"], ["aria-label", label], ["shape-rendering", "crispEdges"]]) svg.setAttribute(name, value);
  const draw = (tag, attributes) => {
    const node = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    svg.append(node);
  };
  draw("rect", { width: size, height: size, fill: "#fff" });
  draw("path", { d: path, fill: "#000" });
  return svg;
}

function slip(one, until) {
  const address = `${location.origin}/activate`;
  const name = `${one.given_name} ${one.family_name}`;
  return el(
    "li",
    { class: "slip", "data-user": one.id },
    el("div", { class: "slip-text" }, el("h3", { class: "slip-name" }, name), el("dl", {}, el("dt", {}, "Open"), el("dd", { class: "slip-address" }, location.host, el("wbr"), "/activate"), el("dt", {}, "Your code"), el("dd", { class: "slip-code" }, one.code), el("dt", {}, "Your user name"), el("dd", {}, one.username)), el("p", { class: "slip-until" }, `Works once, until ${day(until)}. Keep it to yourself.`)),
    qr(`${address}#${one.code}`, `QR code for ${name}: opens ${address} with this code`),
  );
}

/**
 * The section with slips. They are gone when the page is left.
 * @param {string} title
 * @param {object[]} codes each {id, given_name, family_name, username, code}
 * @param {string} until
 */
export function slips(title, codes, until) {
  const print = el("button", { class: "button button-primary", type: "button", on: { click: () => window.print() } }, "Print");
  return el(
    "section",
    { class: "section slips-section", "aria-labelledby": "slips-title" },
    el("div", { class: "section-head no-print" }, el("h2", { id: "slips-title", tabindex: "-1" }, title), print),
    el("p", { class: "notice notice-warn no-print" }, icon("warning"), el("span", {}, "These codes are shown only now. Print them or write them down before you leave this page; whoever holds one can set that person’s password.")),
    el("ul", { class: "slips" }, codes.map((one) => slip(one, until))),
  );
}

/** Asks before something that cannot be taken back. Gives true when it is wanted. */
export function confirm(title, sentence, yes) {
  return new Promise((resolve) => {
    const dialog = el(
      "dialog",
      { class: "dialog", "aria-labelledby": "dialog-title", on: { close: () => { resolve(dialog.returnValue === "yes"); dialog.remove(); } } },
      el("form", { method: "dialog" }, el("h2", { id: "dialog-title" }, title), el("p", {}, sentence), el("p", { class: "button-row" }, el("button", { class: "button button-primary", value: "yes" }, yes), el("button", { class: "button", value: "no" }, "Cancel"))),
    );
    document.body.append(dialog);
    dialog.showModal();
  });
}
