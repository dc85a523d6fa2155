import { h, refill, s, stepTo } from "./dom.js";
import { drawing, heads, round } from "./drawing.js";

/** @import { Graph, Page, Story } from "./shape" */

const BOX_WIDE = 168;
const BOX_HIGH = 36;
const APART_X = 206;
const APART_Y = 70;

/**
 * The product graph: the first end's state chooses the column, the other's the row, so a step goes
 * either across or down.
 * @param {Page} page
 * @param {Graph} graph
 * @param {{ story: Story | null, link: (graph: number, story: number | null) => string,
 *   go: (step: number) => void }} more the address of a graph with a story drawn into it, and what is
 *   called with the step that is to be shown
 */
export function graphView(page, graph, { story, link, go }) {
  const first = Math.max(1, graph.runs.filter((r) => r.startsWith("client")).length);
  const place = h("div", { class: "graph" });
  const closed = h("input", { type: "checkbox", onchange: () => draw() });
  const told = h("p", { class: "quiet", "aria-live": "polite" });
  const traces = page.stories.flatMap((x, i) => (x.scenario === graph.scenario ? [i] : []));
  const mine = page.graphs.indexOf(graph);
  const scenarios = h(
    "select",
    {
      "aria-label": "scenario",
      onchange: () => {
        location.hash = link(Number(scenarios.value), null);
      },
    },
    ...page.graphs.map((g, i) => h("option", { value: i, selected: g === graph }, g.scenario)),
  );
  const choose = h(
    "select",
    {
      "aria-label": "trace",
      onchange: () => {
        location.hash = link(mine, choose.value === "" ? null : Number(choose.value));
      },
    },
    h("option", { value: "" }, "no trace"),
    ...traces.map((i) => {
      const x = page.stories[i];
      return h("option", { value: i, selected: x === story }, `${x?.property} ${x?.title}`);
    }),
  );
  /** @type {((x: number, y: number) => void) | null} */
  let show = null;
  /** @type {{ x: number, y: number }[]} */
  let path = [];
  let mark = s("g");
  let at = 0;

  function draw() {
    const walked = story ? pairs(graph, story) : [];
    const onPath = new Set(walked);
    const kept = graph.nodes.flatMap((node, i) => {
      const names = graph.runs.map((_, k) => graph.states[k]?.[node[k] ?? 0] ?? "");
      const open = !names.some((n) => n === "CLOSED" || n.startsWith("ANSWER"));
      return closed.checked || open || onPath.has(i) ? [{ i, node, names }] : [];
    });
    const columns = axis(kept.map(({ node }) => node.slice(0, first)));
    const rows = axis(kept.map(({ node }) => node.slice(first, -1)));
    /** @type {Map<number, { x: number, y: number }>} */
    const places = new Map();
    for (const { i, node } of kept) {
      places.set(i, {
        x: (columns.get(node.slice(0, first).join()) ?? 0) * APART_X + BOX_WIDE / 2,
        y: (rows.get(node.slice(first, -1).join()) ?? 0) * APART_Y + BOX_HIGH / 2,
      });
    }
    const high = Math.max(BOX_HIGH, 10 + 13 * graph.runs.length);
    const lines = graph.edges.flatMap(([a, b, moves]) => {
      const p = places.get(a);
      const q = places.get(b);
      if (!p || !q) return [];
      const said = moves.map(([r, kind, event]) => `${graph.runs[r]} ${mood(kind)}${event}`);
      return s(
        "path",
        {
          class: `move run${(moves[0]?.[0] ?? 0) % 4}`,
          "data-ends": `${a} ${b}`,
          d: bow(p, q, high),
          "marker-end": "url(#graph-plain)",
        },
        s("title", {}, said.join("\n")),
      );
    });
    const boxes = kept.map(({ i, node, names }) => {
      const p = places.get(i) ?? { x: 0, y: 0 };
      const box = s(
        "g",
        {
          class: `pair${node.at(-1) === 0 ? " start" : ""}${onPath.has(i) ? " walked" : ""}`,
          onpointerenter: () => near(i),
          onpointerleave: () => near(null),
        },
        s("rect", {
          x: p.x - BOX_WIDE / 2,
          y: p.y - high / 2,
          width: BOX_WIDE,
          height: high,
          rx: 5,
        }),
        ...names.map((n, k) =>
          s("text", { x: p.x, y: p.y + 13 * (k - (names.length - 1) / 2) + 4 }, n),
        ),
      );
      return box;
    });
    path = walked.map((i) => places.get(i) ?? { x: 0, y: 0 });
    const steps = path.slice(1).map((q, k) => {
      const p = path[k] ?? q;
      const forged = story?.steps[k]?.forged ? "forged" : "taken";
      if (p === q) return null;
      return s("path", {
        class: forged,
        d: bow(p, q, high),
        "marker-end": `url(#graph-${forged})`,
      });
    });
    mark = s("g", { class: "lit" });
    const svg = s(
      "svg",
      { class: "product" },
      heads("graph", ["plain", "taken", "forged"]),
      ...lines,
      ...boxes,
      s("g", { class: "path" }, ...steps),
      mark,
    );
    /** @param {number | null} node */
    function near(node) {
      for (const line of lines) {
        const ends = (line.getAttribute("data-ends") ?? "").split(" ").map(Number);
        line.classList.toggle("near", node !== null && ends.includes(node));
      }
      svg.classList.toggle("some", node !== null);
    }
    const view = drawing(svg, {
      width: columns.size * APART_X - APART_X + BOX_WIDE,
      height: rows.size * APART_Y - APART_Y + BOX_HIGH,
      title: `The product graph of ${graph.scenario}`,
      wheel: true,
    });
    show = view.show;
    refill(place, view.element);
    const left = graph.nodes.length - kept.length;
    refill(
      told,
      `${kept.length} pairs of local states`,
      left > 0 && `; ${left} with a closing or closed end are not drawn`,
      graph.complete
        ? ""
        : `; the search ended after ${graph.most.toLocaleString("en")} states, so there are more`,
      ". All other variables are left out, so not each path can be taken.",
    );
  }
  draw();
  return {
    element: h(
      "section",
      { class: "graphs" },
      h("h2", {}, `The product graph of ${graph.scenario}`),
      h(
        "div",
        { class: "filters" },
        page.graphs.length > 1 && scenarios,
        choose,
        h("label", {}, closed, " closed ends, too"),
        h(
          "span",
          { class: "legend" },
          ...graph.runs.map((r, i) => h("span", { class: `run${i % 4}` }, r)),
          story && [
            h("span", { class: "taken" }, "the trace"),
            h("span", { class: "forged" }, "forged"),
          ],
        ),
      ),
      told,
      place,
    ),
    /** @param {KeyboardEvent} e */
    key(e) {
      const to = stepTo(e.key, at, path.length - 1);
      if (to === null) return;
      e.preventDefault();
      go(to);
    },
    /** @param {number} step */
    show(step) {
      at = step;
      const p = path[step];
      mark.replaceChildren();
      if (!p) return;
      mark.append(
        s("rect", {
          x: p.x - BOX_WIDE / 2 - 4,
          y: p.y - BOX_HIGH / 2 - 4,
          width: BOX_WIDE + 8,
          height: BOX_HIGH + 8,
          rx: 8,
        }),
      );
      show?.(p.x, p.y);
    },
  };
}

/** @param {string} kind */
function mood(kind) {
  return { receive: "?", send: "!" }[kind] ?? "";
}

/**
 * The places of the values on an axis, in the order of the tables.
 * @param {number[][]} values
 */
function axis(values) {
  const sorted = [...values].sort((a, b) => {
    const k = a.findIndex((v, i) => v !== b[i]);
    return k < 0 ? 0 : (a[k] ?? 0) - (b[k] ?? 0);
  });
  /** @type {Map<string, number>} */
  const out = new Map();
  for (const v of sorted) if (!out.has(v.join())) out.set(v.join(), out.size);
  return out;
}

/**
 * The numbers of the nodes that a story passes, one for each of its states.
 * @param {Graph} graph
 * @param {Story} story
 */
export function pairs(graph, story) {
  const number = new Map(graph.nodes.map((n, i) => [n.slice(0, -1).join(), i]));
  const now = { ...story.begins };
  /** @type {() => number} */
  const here = () =>
    number.get(graph.runs.map((r, k) => graph.states[k]?.indexOf(now[r] ?? "") ?? -1).join()) ?? -1;
  return [
    here(),
    ...story.steps.map((step) => {
      now[step.run] = step.after;
      return here();
    }),
  ];
}

/**
 * A line from box to box, which bows round the boxes between them.
 * @param {{ x: number, y: number }} p
 * @param {{ x: number, y: number }} q
 * @param {number} high
 */
function bow(p, q, high) {
  const dx = q.x - p.x;
  const dy = q.y - p.y;
  if (dy === 0) {
    const cells = Math.abs(dx) / APART_X;
    const side = (Math.sign(dx) * BOX_WIDE) / 2;
    if (cells <= 1) return `M${p.x + side} ${p.y}H${q.x - side}`;
    const top = p.y - high / 2;
    const lift = Math.min(10 + 3 * cells, APART_Y - high - 6);
    const lean = Math.sign(dx) * 30;
    return `M${p.x + lean} ${top}C${p.x + 2 * lean} ${top - lift} ${q.x - 2 * lean} ${top - lift} ${q.x - lean} ${top}`;
  }
  if (dx === 0) {
    const cells = Math.abs(dy) / APART_Y;
    const side = (Math.sign(dy) * high) / 2;
    if (cells <= 1) return `M${p.x} ${p.y + side}V${q.y - side}`;
    const right = p.x + BOX_WIDE / 2;
    const lift = Math.min(8 + 4 * cells, APART_X - BOX_WIDE - 6);
    return `M${right} ${p.y + 6}C${right + lift} ${p.y + 16} ${right + lift} ${q.y - 16} ${right} ${q.y - 6}`;
  }
  return `M${p.x} ${p.y}C${round(p.x + dx / 2)} ${p.y} ${round(p.x + dx / 2)} ${q.y} ${q.x} ${q.y}`;
}
