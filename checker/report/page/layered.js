/**
 * A layered drawing of a directed graph (Sugiyama): ranks from top to bottom, each edge through one
 * point of every rank that it crosses, few crossings, neighbours above each other.
 */

/** @typedef {{ x: number, y: number }} Point */
/** @typedef {{ width: number, height: number, at: Map<string, Point>, routes: Point[][] }} Layout */

const GAP_X = 18;
const GAP_Y = 34;
const THIN = 14;
const SWEEPS = 12;

/**
 * @param {{ name: string, width: number, height: number }[]} nodes the first one is the start
 * @param {[string, string][]} edges
 * @returns {Layout}
 */
export function layered(nodes, edges) {
  const size = new Map(nodes.map((n) => [n.name, n]));
  const forward = directed(
    nodes.map((n) => n.name),
    edges,
  );
  const rank = ranks(
    nodes.map((n) => n.name),
    forward,
  );
  /** @type {string[][]} */
  const layers = [];
  for (const n of nodes) layer(layers, rank.get(n.name) ?? 0).push(n.name);
  /** @type {[string, string][]} */
  const short = [];
  const chains = forward.map(([a, b], i) => {
    const chain = [a];
    for (let r = (rank.get(a) ?? 0) + 1; r < (rank.get(b) ?? 0); r++) {
      const name = `${i}/${r}`;
      layer(layers, r).push(name);
      chain.push(name);
    }
    chain.push(b);
    for (let k = 1; k < chain.length; k++) short.push([chain[k - 1] ?? a, chain[k] ?? b]);
    return chain;
  });
  const links = linked(short);
  const ordered = order(layers, links);
  /** @type {(name: string) => number} */
  const wide = (name) => size.get(name)?.width ?? THIN;
  const x = columns(ordered, links, wide);
  /** @type {Map<string, Point>} */
  const at = new Map();
  let y = 0;
  for (const names of ordered) {
    const high = Math.max(...names.map((n) => size.get(n)?.height ?? 0));
    for (const n of names) at.set(n, { x: x.get(n) ?? 0, y: y + high / 2 });
    y += high + GAP_Y;
  }
  const left = Math.min(...[...at].map(([n, p]) => p.x - wide(n) / 2));
  const right = Math.max(...[...at].map(([n, p]) => p.x + wide(n) / 2));
  for (const p of at.values()) p.x -= left;
  const routes = chains.map((chain, i) => {
    const points = chain.map((n) => at.get(n) ?? { x: 0, y: 0 });
    return edges[i]?.[0] === chain[0] ? points : points.reverse();
  });
  return { width: right - left, height: y - GAP_Y, at, routes };
}

/**
 * @param {string[][]} layers
 * @param {number} r
 */
function layer(layers, r) {
  while (layers.length <= r) layers.push([]);
  return layers[r] ?? [];
}

/**
 * The edges, those that close a cycle turned round.
 * @param {string[]} names
 * @param {[string, string][]} edges
 * @returns {[string, string][]}
 */
function directed(names, edges) {
  const out = linked(edges).below;
  /** @type {Map<string, "open" | "done">} */
  const seen = new Map();
  /** @type {Set<string>} */
  const back = new Set();
  /** @param {string} n */
  const visit = (n) => {
    seen.set(n, "open");
    for (const m of out.get(n) ?? []) {
      if (seen.get(m) === "open") back.add(`${n}>${m}`);
      else if (!seen.has(m)) visit(m);
    }
    seen.set(n, "done");
  };
  for (const n of names) if (!seen.has(n)) visit(n);
  return edges.map(([a, b]) => (back.has(`${a}>${b}`) ? [b, a] : [a, b]));
}

/**
 * By node: the length of the longest path to it.
 * @param {string[]} names
 * @param {[string, string][]} edges
 */
function ranks(names, edges) {
  const rank = new Map(names.map((n) => [n, 0]));
  for (let round = 0; round < names.length; round++) {
    let moved = false;
    for (const [a, b] of edges) {
      const least = (rank.get(a) ?? 0) + 1;
      if (a !== b && (rank.get(b) ?? 0) < least) {
        rank.set(b, least);
        moved = true;
      }
    }
    if (!moved) break;
  }
  return rank;
}

/**
 * The neighbours below and above each node.
 * @param {[string, string][]} edges
 */
function linked(edges) {
  /** @type {Map<string, string[]>} */
  const below = new Map();
  /** @type {Map<string, string[]>} */
  const above = new Map();
  for (const [a, b] of edges) {
    below.set(a, [...(below.get(a) ?? []), b]);
    above.set(b, [...(above.get(b) ?? []), a]);
  }
  return { below, above };
}

/** @typedef {ReturnType<typeof linked>} Links */

/**
 * The layers, each sorted by the average place of the neighbours, downwards and upwards in turn.
 * @param {string[][]} layers
 * @param {Links} links
 */
function order(layers, links) {
  const out = layers.map((l) => [...l]);
  let best = out.map((l) => [...l]);
  let least = crossings(out, links);
  for (let sweep = 0; sweep < SWEEPS && least; sweep++) {
    const down = sweep % 2 === 0;
    const neighbours = down ? links.above : links.below;
    const turn = down ? out.keys() : [...out.keys()].reverse();
    for (const r of turn) {
      const other = out[down ? r - 1 : r + 1];
      const here = out[r];
      if (!other || !here) continue;
      const place = new Map(other.map((n, i) => [n, i]));
      const middle = new Map(
        here.map((n, i) => {
          const near = (neighbours.get(n) ?? []).map((m) => place.get(m) ?? 0);
          return [n, near.length ? near.reduce((a, b) => a + b) / near.length : i];
        }),
      );
      here.sort((a, b) => (middle.get(a) ?? 0) - (middle.get(b) ?? 0));
    }
    const now = crossings(out, links);
    if (now < least) {
      least = now;
      best = out.map((l) => [...l]);
    }
  }
  return best;
}

/**
 * @param {string[][]} layers
 * @param {Links} links
 */
function crossings(layers, links) {
  let total = 0;
  for (let r = 1; r < layers.length; r++) {
    const place = new Map((layers[r] ?? []).map((n, i) => [n, i]));
    const ends = (layers[r - 1] ?? []).map((n) =>
      (links.below.get(n) ?? []).map((m) => place.get(m) ?? 0),
    );
    ends.forEach((a, i) => {
      for (const b of ends.slice(i + 1)) for (const p of a) for (const q of b) if (q < p) total++;
    });
  }
  return total;
}

/**
 * The x of each node: near the average of the neighbours, and never over another node.
 * @param {string[][]} layers
 * @param {Links} links
 * @param {(name: string) => number} wide
 */
function columns(layers, links, wide) {
  /** @type {Map<string, number>} */
  const x = new Map();
  for (const names of layers) {
    let at = 0;
    const total = names.reduce((sum, n) => sum + wide(n) + GAP_X, -GAP_X);
    for (const n of names) {
      x.set(n, at + wide(n) / 2 - total / 2);
      at += wide(n) + GAP_X;
    }
  }
  for (let sweep = 0; sweep < 2 * SWEEPS; sweep++) {
    const turn = sweep % 2 ? [...layers].reverse() : layers;
    for (const names of turn) {
      const wanted = names.map((n) => {
        const near = [...(links.above.get(n) ?? []), ...(links.below.get(n) ?? [])];
        const sum = near.reduce((total, m) => total + (x.get(m) ?? 0), 0);
        return near.length ? sum / near.length : (x.get(n) ?? 0);
      });
      const places = apart(names, wanted, wide);
      for (const [i, name] of names.entries()) x.set(name, places[i] ?? 0);
    }
  }
  return x;
}

/**
 * Places in this order, not over each other, as near to those wanted as blocks allow.
 * @param {string[]} names
 * @param {number[]} wanted
 * @param {(name: string) => number} wide
 */
function apart(names, wanted, wide) {
  /** @type {{ from: number, to: number, sum: number, at: number }[]} */
  const blocks = [];
  /** The distance of each node from the first one if all touch. */
  const offset = [0];
  for (let i = 1; i < names.length; i++) {
    const step = (wide(names[i - 1] ?? "") + wide(names[i] ?? "")) / 2 + GAP_X;
    offset.push((offset[i - 1] ?? 0) + step);
  }
  names.forEach((_, i) => {
    const first = (wanted[i] ?? 0) - (offset[i] ?? 0);
    let block = { from: i, to: i, sum: first, at: first };
    for (;;) {
      const before = blocks.at(-1);
      if (!before || before.at <= block.at) break;
      blocks.pop();
      const sum = before.sum + block.sum;
      block = { from: before.from, to: block.to, sum, at: sum / (block.to - before.from + 1) };
    }
    blocks.push(block);
  });
  return blocks.flatMap((b) =>
    names.slice(b.from, b.to + 1).map((_, k) => b.at + (offset[b.from + k] ?? 0)),
  );
}
