// Small helpers that build elements. Text is always set as text, never as markup, so that a course or a name cannot bring script along.

const SVG = "http://www.w3.org/2000/svg";

/**
 * Builds an element.
 * @param {string} tag
 * @param {Object<string, any>} [props] attributes; `class`, `on` ({event: handler}) and boolean values do what they say, null and false are left out
 * @param {...(Node|string|number|null|false|Array)} children
 * @returns {HTMLElement}
 */
export function el(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, handler] of Object.entries(value)) node.addEventListener(event, handler);
    } else {
      node.setAttribute(name, value === true ? "" : String(value));
    }
  }
  node.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** The icons, taken into the page once: what a page shows when the network is gone needs them most. */
async function takeIcons() {
  const answer = await fetch("/web/icons.svg");
  if (!answer.ok) return;
  const sprite = new DOMParser().parseFromString(await answer.text(), "image/svg+xml").documentElement;
  for (const symbol of sprite.querySelectorAll("symbol")) symbol.id = `icon-${symbol.id}`;
  sprite.setAttribute("hidden", "");
  sprite.setAttribute("aria-hidden", "true");
  document.body.append(sprite);
}

takeIcons().catch(() => {}); // without them the words still say all

/** An icon of icons.svg. It is decoration: the words beside it carry the meaning. */
export function icon(name, className = "") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", `icon ${className}`.trim());
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.append(use);
  return svg;
}

export function hiddenText(text) {
  return el("span", { class: "visually-hidden" }, text);
}

/** Says something to a screen reader without moving the focus. The pause lets it be heard when the same words come twice. */
export function announce(text) {
  const live = document.getElementById("live");
  if (!live) return;
  live.textContent = "";
  setTimeout(() => {
    live.textContent = text;
  }, 50);
}
