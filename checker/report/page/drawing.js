import { h, s } from "./dom.js";

/**
 * A drawing that one can move and enlarge: by dragging, by buttons, with + and -, and with the
 * wheel (and Ctrl, unless `wheel`).
 * @param {SVGSVGElement} svg
 * @param {{ width: number, height: number, title: string, wheel?: boolean, most?: number, tall?: boolean }} of
 *   `tall`: as wide as it fits, though it is not all seen
 * @returns {{ element: HTMLElement, show: (x: number, y: number) => void }}
 */
export function drawing(svg, { width, height, title, wheel = false, most = 1.1, tall = false }) {
  const pad = 16;
  const view = { x: -pad, y: -pad, w: width + 2 * pad, h: height + 2 * pad };
  svg.setAttribute("role", "img");
  svg.setAttribute("tabindex", "0");
  svg.setAttribute("aria-label", title);
  const apply = () => svg.setAttribute("viewBox", `${view.x} ${view.y} ${view.w} ${view.h}`);
  const ratio = () => (svg.clientHeight || 3) / (svg.clientWidth || 4);

  /** Show all of it, or as much as can be read, from the top. */
  function fit() {
    const shape = ratio();
    const least = Math.max(width + 2 * pad, (svg.clientWidth || 400) / most);
    const w = tall ? least : Math.max(least, (height + 2 * pad) / shape);
    Object.assign(view, { w, h: w * shape });
    Object.assign(view, { x: width / 2 - w / 2, y: Math.max(-pad, height / 2 - view.h / 2) });
    if (!tall || height < view.h) view.y = height / 2 - view.h / 2;
    apply();
  }
  /**
   * @param {number} factor
   * @param {number} [px] where it stays, as a part of the width
   * @param {number} [py]
   */
  function zoom(factor, px = 0.5, py = 0.5) {
    const w = Math.min(Math.max(view.w * factor, 120), 4 * (width + height + 2 * pad));
    const high = w * ratio();
    view.x += (view.w - w) * px;
    view.y += (view.h - high) * py;
    view.w = w;
    view.h = high;
    apply();
  }
  /** @type {{ x: number, y: number } | null} */
  let held = null;
  svg.addEventListener("pointerdown", (e) => {
    held = { x: e.clientX, y: e.clientY };
  });
  svg.addEventListener("pointermove", (e) => {
    if (!held || e.buttons === 0) return;
    if (!svg.hasPointerCapture(e.pointerId)) svg.setPointerCapture(e.pointerId);
    const scale = view.w / (svg.clientWidth || 1);
    view.x -= (e.clientX - held.x) * scale;
    view.y -= (e.clientY - held.y) * scale;
    held = { x: e.clientX, y: e.clientY };
    apply();
  });
  svg.addEventListener("pointerup", () => {
    held = null;
  });
  svg.addEventListener(
    "wheel",
    (e) => {
      if (!wheel && !e.ctrlKey && !e.metaKey) return;
      e.preventDefault();
      const box = svg.getBoundingClientRect();
      const factor = Math.exp(Math.max(-60, Math.min(60, e.deltaY)) * 0.004);
      zoom(factor, (e.clientX - box.left) / box.width, (e.clientY - box.top) / box.height);
    },
    { passive: false },
  );
  svg.addEventListener("keydown", (e) => {
    const by = { "+": 0.8, "=": 0.8, "-": 1.25 }[e.key];
    if (by) zoom(by);
    else if (e.key === "0") fit();
    else return;
    e.preventDefault();
  });
  /** @type {(label: string, does: string, act: () => void) => HTMLButtonElement} */
  const button = (label, does, act) =>
    h("button", { type: "button", title: does, "aria-label": does, onclick: act }, label);
  const element = h(
    "div",
    { class: "drawing" },
    svg,
    h(
      "div",
      { class: "zoom" },
      button("+", "larger", () => zoom(0.8)),
      button("−", "smaller", () => zoom(1.25)),
      button("⤢", "all of it", fit),
    ),
  );
  new ResizeObserver(() => {
    view.h = view.w * ratio();
    apply();
  }).observe(svg);
  requestAnimationFrame(() => {
    fit();
    if (place) show(place.x, place.y);
  });
  /** @type {{ x: number, y: number } | null} */
  let place = null;
  /**
   * Move so that a place is seen.
   * @param {number} x
   * @param {number} y
   */
  function show(x, y) {
    place = { x, y };
    const inside =
      x > view.x + view.w * 0.1 &&
      x < view.x + view.w * 0.9 &&
      y > view.y + view.h * 0.2 &&
      y < view.y + view.h * 0.8;
    if (inside) return;
    if (width + 2 * pad > view.w) view.x = x - view.w / 2;
    if (height + 2 * pad > view.h) {
      view.y = Math.max(-pad, Math.min(y - view.h / 2, height + pad - view.h));
    }
    apply();
  }
  return { element, show };
}

/**
 * A smooth line through points.
 * @param {{ x: number, y: number }[]} points
 */
export function curve(points) {
  const [first, ...rest] = points;
  if (!first) return "";
  let out = `M${round(first.x)} ${round(first.y)}`;
  let before = first;
  for (const p of rest) {
    const middle = (before.y + p.y) / 2;
    out += `C${round(before.x)} ${round(middle)} ${round(p.x)} ${round(middle)} ${round(p.x)} ${round(p.y)}`;
    before = p;
  }
  return out;
}

/** @param {number} x */
export function round(x) {
  return Math.round(x * 10) / 10;
}

/**
 * The arrow heads of a drawing, one for each kind of line.
 * @param {string} id
 * @param {string[]} kinds
 */
export function heads(id, kinds) {
  return s(
    "defs",
    {},
    ...kinds.map((kind) =>
      s(
        "marker",
        {
          id: `${id}-${kind}`,
          class: `tip ${kind}`,
          viewBox: "0 0 10 10",
          refX: 9,
          refY: 5,
          markerWidth: 8,
          markerHeight: 8,
          markerUnits: "userSpaceOnUse",
          orient: "auto-start-reverse",
        },
        s("path", { d: "M0 1L10 5L0 9z" }),
      ),
    ),
  );
}
