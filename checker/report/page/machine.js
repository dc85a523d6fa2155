import { s } from "./dom.js";
import { curve, drawing, heads } from "./drawing.js";
import { layered } from "./layered.js";

/** @import { Machine } from "./shape" */

/**
 * What of a machine is lit: the present state, and the row that led there from another one.
 * @typedef {{ state: string, from?: string, row?: string, event?: string, refused?: boolean,
 *   forged?: boolean }} Lit
 */

const HIGH = 26;
let drawn = 0;

/**
 * A machine as a drawing: states, and lines where a row leads from one to another. Rows that nearly
 * every state has, and those that close the run, are drawn when they are taken.
 * @param {Machine} machine
 */
export function machineView(machine) {
  const id = `machine${drawn++}`;
  const many = machine.states.length / 2;
  const nodes = machine.states.map(({ name }) => ({
    name,
    width: 18 + 7.1 * name.length,
    height: HIGH,
  }));
  /** @type {Map<string, { ends: [string, string], rows: string[] }>} */
  const lines = new Map();
  for (const row of machine.rows) {
    if (row.sources.length > many || row.target === machine.closed || row.target === "=") continue;
    for (const source of row.sources) {
      if (source === row.target) continue;
      const key = `${source}>${row.target}`;
      const line = lines.get(key) ?? { ends: [source, row.target], rows: [] };
      line.rows.push(`${{ receive: "?", send: "!" }[row.kind] ?? ""}${row.event}`);
      lines.set(key, line);
    }
  }
  const edges = [...lines.values()].map((l) => l.ends);
  const layout = layered(nodes, [...edges, ...last(machine, edges)]);
  /** @type {(name: string) => { x: number, y: number }} */
  const at = (name) => layout.at.get(name) ?? { x: 0, y: 0 };
  const above = s("g", { class: "lit" });
  const patched = new Set(
    machine.rows
      .filter((r) => r.patched)
      .flatMap((r) => r.sources.map((a) => `${a}>${r.target === "=" ? a : r.target}`)),
  );
  const svg = s(
    "svg",
    { class: "machine" },
    heads(id, ["plain", "taken", "forged"]),
    ...[...lines].map(([key, line], i) =>
      s(
        "path",
        {
          class: patched.has(key) ? "line patched" : "line",
          d: curve(ended(layout.routes[i] ?? [])),
          "marker-end": `url(#${id}-plain)`,
        },
        s("title", {}, `${line.ends.join(" to ")}: ${[...new Set(line.rows)].join(", ")}`),
      ),
    ),
    ...nodes.map((n, i) =>
      s(
        "g",
        { class: `state ${machine.states[i]?.kind ?? ""}`, "data-state": n.name },
        s("rect", {
          x: at(n.name).x - n.width / 2,
          y: at(n.name).y - HIGH / 2,
          width: n.width,
          height: HIGH,
          rx: 6,
        }),
        s("text", { x: at(n.name).x, y: at(n.name).y + 4 }, n.name),
      ),
    ),
    above,
  );
  const { element, show } = drawing(svg, {
    width: layout.width,
    height: layout.height,
    title: `The machine of ${machine.name}`,
    tall: true,
  });
  return {
    element,
    /** @param {Lit} lit */
    mark(lit) {
      for (const g of svg.querySelectorAll("g.state")) {
        g.classList.toggle("here", g.getAttribute("data-state") === lit.state);
        g.classList.toggle("refused", !!lit.refused && g.getAttribute("data-state") === lit.state);
      }
      above.replaceChildren();
      if (lit.from && layout.at.has(lit.from) && layout.at.has(lit.state)) {
        const kind = lit.forged ? "forged" : "taken";
        const i = [...lines.keys()].indexOf(`${lit.from}>${lit.state}`);
        const route = layout.routes[i];
        const a = at(lit.from);
        const b = at(lit.state);
        const d =
          lit.from === lit.state
            ? loop(a, nodes.find((n) => n.name === lit.from)?.width ?? 60)
            : curve(ended(i >= 0 && route ? route : bowed(a, b)));
        above.append(s("path", { class: kind, d, "marker-end": `url(#${id}-${kind})` }));
        const label = s("text", { class: kind, x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 + 4 });
        if (lit.from === lit.state) label.setAttribute("y", String(a.y - HIGH / 2 - 22));
        label.append(lit.event ?? "");
        above.append(label);
      }
      const here = at(lit.state);
      svg.setAttribute("aria-label", `The machine of ${machine.name}, in ${lit.state}`);
      show(here.x, here.y);
    },
  };
}

/**
 * Lines that put the last state below all others.
 * @param {Machine} machine
 * @param {[string, string][]} edges
 * @returns {[string, string][]}
 */
function last(machine, edges) {
  const goesOn = new Set(edges.map(([a]) => a));
  const names = machine.states.map((x) => x.name).filter((n) => n !== machine.closed);
  if (names.length === machine.states.length) return [];
  const ends = names.filter((n) => !goesOn.has(n));
  return (ends.length ? ends : names.slice(-1)).map((n) => [n, machine.closed]);
}

/**
 * A route from the lower to the upper border of the boxes.
 * @param {{ x: number, y: number }[]} points
 */
function ended(points) {
  const out = points.map((p) => ({ ...p }));
  const first = out[0];
  const end = out.at(-1);
  if (!first || !end) return out;
  const sign = end.y >= first.y ? 1 : -1;
  first.y += (sign * HIGH) / 2;
  end.y -= (sign * HIGH) / 2;
  return out;
}

/**
 * A route that passes beside the others.
 * @param {{ x: number, y: number }} a
 * @param {{ x: number, y: number }} b
 */
function bowed(a, b) {
  const out = Math.min(90, 30 + Math.abs(b.y - a.y) / 6);
  return [a, { x: Math.max(a.x, b.x) + out, y: (a.y + b.y) / 2 }, b];
}

/**
 * @param {{ x: number, y: number }} p
 * @param {number} width
 */
function loop(p, width) {
  const x = p.x + width / 4;
  const y = p.y - HIGH / 2;
  return `M${x - 20} ${y}C${x - 24} ${y - 26} ${x + 12} ${y - 26} ${x} ${y}`;
}
