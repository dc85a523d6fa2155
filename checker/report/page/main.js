import { h, refill } from "./dom.js";
import { exploreView, liveGraphView } from "./explore.js";
import { graphView } from "./graph.js";
import { tableView } from "./table.js";
import { traceView } from "./trace.js";

/** @import { Page } from "./shape" */

/** @typedef {{ element: HTMLElement, show?: (step: number) => void, key?: (e: KeyboardEvent) => void }} View */

/**
 * The data of the page.
 * @returns {Promise<Page>}
 */
async function unpacked() {
  const text = document.getElementById("data")?.textContent ?? "";
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  const [parts, data] = await new Response(stream).json();
  for (let i = 0; i < parts.length; i++) {
    parts[i] = whole(parts[i], parts);
  }
  return whole(data, parts);
}

/**
 * The data with each reference, {"=": n}, replaced by the shared part number n.
 *
 * @param {any} data
 * @param {any[]} parts
 * @returns {any}
 */
function whole(data, parts) {
  if (typeof data !== "object" || data === null) {
    return data;
  }
  if (Array.isArray(data)) {
    return data.map((d) => whole(d, parts));
  }
  if ("=" in data) {
    return parts[data["="]];
  }
  return Object.fromEntries(Object.entries(data).map(([k, d]) => [k, whole(d, parts)]));
}

/** A button that goes through the colours of the system, dark and light. */
function themeButton() {
  const names = ["auto", "dark", "light"];
  let at = 0;
  const button = h("button", {
    type: "button",
    class: "theme",
    onclick: () => {
      at = (at + 1) % names.length;
      apply();
    },
  });
  function apply() {
    const name = names[at] ?? "auto";
    document.documentElement.dataset.theme = name;
    refill(button, `${{ auto: "◐", dark: "☾", light: "☀" }[name]} ${name}`);
    button.setAttribute("aria-label", `colours: ${name}`);
  }
  apply();
  return button;
}

/**
 * The page: what the address names of it, after `#`: `table`, `trace/STORY/STEP` or
 * `graph/GRAPH/STORY/STEP`.
 * @param {Page} page
 */
function start(page) {
  document.title = page.title;
  const main = h("main", { id: "main", tabindex: "-1" });
  const tabs = h("nav", { "aria-label": "parts of the page" });
  const app = document.getElementById("app");
  if (!app) return;
  refill(
    app,
    h("header", { class: "top" }, h("h1", {}, page.title), tabs, themeButton()),
    h("div", { class: "saids" }, ...page.said.map((x) => h("p", {}, x))),
    main,
  );
  let shown = "";
  /** @type {View} */
  let view = { element: main };
  /** @type {View | null} */
  let walk = null;

  function route() {
    if (page.live) {
      const part = location.hash.startsWith("#graph") ? "graph" : "explore";
      if (part === shown) return;
      shown = part;
      walk ??= exploreView(page, page.live);
      view = part === "graph" ? liveGraphView(page) : walk;
      refill(main, view.element);
      document.body.dataset.view = part;
      refill(
        tabs,
        h("a", { href: "#explore", "aria-current": part === "explore" ? "page" : null }, "explore"),
        h("a", { href: "#graph", "aria-current": part === "graph" ? "page" : null }, "graph"),
      );
      return;
    }
    const [what = "", ...rest] = location.hash.slice(1).split("/");
    const numbers = rest.map((x) => (x === "" ? null : Number(x)));
    const story = page.stories[what === "graph" ? (numbers[1] ?? -1) : (numbers[0] ?? -1)];
    const graph = page.graphs[numbers[0] ?? 0];
    const step = numbers[what === "graph" ? 2 : 1] ?? 0;
    const part =
      what === "trace" && story
        ? `trace/${numbers[0]}`
        : what === "graph" && graph
          ? `graph/${numbers[0]}/${numbers[1] ?? ""}`
          : "table";
    if (part !== shown) {
      shown = part;
      view = viewOf(part);
      refill(main, view.element);
      document.body.dataset.view = part.split("/")[0];
      refill(tabs, ...tabsOf(part));
      scrollTo(0, 0);
    }
    view.show?.(step);
  }

  /**
   * Show another step at once: the event of a changed address comes after the next key.
   * @param {string} place
   */
  function at(place) {
    history.replaceState(null, "", place);
    route();
  }

  /**
   * @param {string} part
   * @returns {View}
   */
  function viewOf(part) {
    const [what, a, b] = part.split("/");
    const story = page.stories[Number(a)];
    if (what === "trace" && story) {
      const graph = page.graphs.findIndex((g) => g.scenario === story.scenario);
      return traceView(page, story, {
        go: (step) => {
          at(`#trace/${a}/${step}`);
        },
        ...(graph >= 0 && { graph: `#graph/${graph}/${a}/0` }),
      });
    }
    const graph = page.graphs[Number(a)];
    if (what === "graph" && graph) {
      return graphView(page, graph, {
        story: b ? (page.stories[Number(b)] ?? null) : null,
        link: (g, x) => `#graph/${g}/${x ?? ""}/0`,
        go: (step) => {
          at(`#graph/${a}/${b}/${step}`);
        },
      });
    }
    const tables = page.tables.map((t) => tableView(page, t, (trace) => `#trace/${trace}/0`));
    return { element: h("div", {}, ...tables) };
  }

  /** @param {string} part */
  function tabsOf(part) {
    const [what, a, b] = part.split("/");
    const story = (what === "trace" ? a : b) || "0";
    const scenario = page.stories[Number(story)]?.scenario;
    const graph = Math.max(
      0,
      page.graphs.findIndex((g) => g.scenario === scenario),
    );
    /** @type {(name: string, to: string, here: boolean) => HTMLElement} */
    const tab = (name, to, here) =>
      h("a", { href: to, "aria-current": here ? "page" : null }, name);
    return [
      tab(page.tables[0]?.name ?? "table", "#table", what === "table"),
      page.stories.length > 0 && tab("trace", `#trace/${story}/0`, what === "trace"),
      page.graphs.length > 0 &&
        tab("graph", `#graph/${graph}/${scenario ? story : ""}/0`, what === "graph"),
    ];
  }

  addEventListener("hashchange", route);
  addEventListener("keydown", (e) => {
    const inside =
      e.target instanceof Element ? e.target.closest("input, select, textarea, svg") : null;
    if (inside || e.altKey || e.ctrlKey || e.metaKey) return;
    view.key?.(e);
  });
  route();
}

start(await unpacked());
