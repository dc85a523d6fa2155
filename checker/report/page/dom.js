/** @typedef {Node | string | number | null | undefined | false | Child[]} Child */

const SVG = "http://www.w3.org/2000/svg";

/**
 * An element with attributes and children; an attribute `on...` is a listener.
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, unknown>} attributes
 * @param {Child[]} children
 * @returns {HTMLElementTagNameMap[T]}
 */
export function h(tag, attributes = {}, ...children) {
  return /** @type {HTMLElementTagNameMap[T]} */ (
    filled(document.createElement(tag), attributes, children)
  );
}

/**
 * An element of a drawing.
 * @template {keyof SVGElementTagNameMap} T
 * @param {T} tag
 * @param {Record<string, unknown>} attributes
 * @param {Child[]} children
 * @returns {SVGElementTagNameMap[T]}
 */
export function s(tag, attributes = {}, ...children) {
  return /** @type {SVGElementTagNameMap[T]} */ (
    filled(document.createElementNS(SVG, tag), attributes, children)
  );
}

/**
 * @param {Element} element
 * @param {Record<string, unknown>} attributes
 * @param {Child[]} children
 */
function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") {
      element.addEventListener(name.slice(2), /** @type {EventListener} */ (value));
    } else {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  put(element, children);
  return element;
}

/**
 * Add children to an element.
 * @param {Element} element
 * @param {Child[]} children
 */
function put(element, children) {
  for (const child of children) {
    if (child instanceof Node) element.append(child);
    else if (Array.isArray(child)) put(element, child);
    else if (child !== null && child !== undefined && child !== false) {
      element.append(String(child));
    }
  }
}

/**
 * Replace what is in an element.
 * @param {Element} element
 * @param {Child[]} children
 */
export function refill(element, ...children) {
  element.replaceChildren();
  put(element, children);
}

/**
 * A part of the page with a heading.
 * @param {string} title
 * @param {Child[]} children
 */
export function panel(title, ...children) {
  return h("section", { class: "panel" }, h("h3", {}, title), ...children);
}

/**
 * A value as text.
 * @param {import("./shape").Value} value
 */
export function shown(value) {
  if (value === true) return "yes";
  if (value === false) return "no";
  return String(value);
}

/**
 * The number of things in words.
 * @param {number} n
 * @param {string} one
 * @param {string} [many]
 */
export function count(n, one, many = `${one}s`) {
  return `${n.toLocaleString("en")} ${n === 1 ? one : many}`;
}

/**
 * The step that a key leads to; null if to none.
 * @param {string} key
 * @param {number} at
 * @param {number} last
 */
export function stepTo(key, at, last) {
  const to = {
    ArrowRight: at + 1,
    ArrowDown: at + 1,
    ArrowLeft: at - 1,
    ArrowUp: at - 1,
    Home: 0,
    End: last,
  }[key];
  return to === undefined || to < 0 || to > last ? null : to;
}
