import { h, panel, refill, shown } from "./dom.js";
import { graphView } from "./graph.js";
import { traceView } from "./trace.js";

/** @import { Graph, Live, Move, Page, Story, Value, WhyNot } from "./shape" */

/**
 * Ask the server from which the page comes.
 * @param {Record<string, unknown>} what
 * @returns {Promise<any>}
 */
async function ask(what) {
  const reply = await fetch("ask", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(what),
  });
  if (!reply.ok) throw new Error(`the server answers ${reply.status}`);
  const said = await reply.json();
  if (said.error) throw new Error(said.error);
  return said;
}

/**
 * A walk: a trace that grows by what one chooses.
 * @param {Page} page
 * @param {Live} live
 */
export function exploreView(page, live) {
  /** @type {Story} */
  let story;
  let at = 0;
  const told = h("p", { class: "told", role: "status" });
  const next = h("section", { class: "panel next" });
  const asks = h("section", { class: "panel asks" });
  const place = h("div");
  /** @type {ReturnType<typeof traceView> | null} */
  let view = null;

  /**
   * Do what may fail, and say so.
   * @param {() => Promise<void>} work
   */
  async function doing(work) {
    refill(told, "...");
    try {
      await work();
      if (told.textContent === "...") refill(told);
    } catch (e) {
      refill(told, e instanceof Error ? e.message : String(e));
    }
  }
  /** @param {{ story: Story, said?: string }} said */
  async function walked(said) {
    story = said.story;
    view = traceView(page, story, { go, beside: h("div", { class: "walk" }, next, asks) });
    refill(place, view.element);
    await show(story.steps.length);
    if (said.said) refill(told, said.said);
  }
  /** @param {number} step */
  function go(step) {
    doing(() => show(step));
  }
  /** @param {number} step */
  async function show(step) {
    at = step;
    view?.show(step);
    const { moves } = await ask({ op: "moves", at });
    if (at === step) refill(next, ...movesView(moves, take, story.steps.length - at, undo));
  }
  /** @param {number} number */
  const take = (number) => doing(async () => walked(await ask({ op: "take", at, number })));
  const undo = () => go(Math.max(0, at - 1));

  refill(asks, ...asksView(live, doing, walked, () => at));
  const element = h(
    "div",
    { class: "explore" },
    h("p", { class: "quiet" }, h("code", {}, live.command)),
    told,
    place,
  );
  doing(async () => {
    const word = location.hash.startsWith("#walk/") ? location.hash.slice(6) : "";
    await walked(await ask(word ? { op: "read", word } : { op: "story" }));
  });
  return {
    element,
    /** @param {KeyboardEvent} e */
    key: (e) => view?.key(e),
  };
}

/**
 * What can happen next: what the ends do on their own, then what can be delivered, by message.
 * @param {Move[]} moves
 * @param {(number: number) => void} take
 * @param {number} left how many steps of the walk come after this state
 * @param {() => void} undo
 */
function movesView(moves, take, left, undo) {
  const accepted = moves.filter((m) => m.alert === null);
  const own = accepted.filter((m) => m.kind !== "receive");
  /** @type {Map<string, Move[]>} */
  const groups = new Map();
  for (const m of accepted.filter((x) => x.kind === "receive")) {
    const key = `${m.run} receives ${m.event}`;
    groups.set(key, [...(groups.get(key) ?? []), m]);
  }
  const refused = moves.filter((m) => m.alert !== null);
  return [
    h("h3", {}, "What can happen next"),
    left > 0 && h("p", { class: "quiet" }, `A step from here replaces the ${left} that follow.`),
    h("button", { type: "button", class: "undo", onclick: undo }, "undo"),
    own.length > 0 && [
      h("h4", {}, "on their own"),
      ...own.map((m) =>
        moveView(m, `${m.run} ${m.kind === "send" ? "sends" : "does"} ${m.event}`, take),
      ),
    ],
    groups.size > 0 && [
      h("h4", {}, "what the network can deliver"),
      ...[...groups].map(([name, several]) => groupView(name, several, take)),
    ],
    refused.length > 0 &&
      h(
        "details",
        {},
        h("summary", {}, `${refused.length} that would be refused`),
        ...refused.map((m) => moveView(m, `${m.run} receives ${m.event}`, take)),
      ),
  ];
}

/**
 * @param {Move} move
 * @param {string} name
 * @param {(number: number) => void} take
 */
function moveView(move, name, take) {
  return h(
    "button",
    {
      type: "button",
      class: move.source === "forged" ? "move forged" : "move",
      title: move.row,
      onclick: () => take(move.number),
    },
    name,
    h("span", { class: "quiet" }, ` → ${move.alert ? `refuses: ${move.alert}` : move.after}`),
  );
}

/**
 * Messages of one kind: the fields in which they differ are chosen, then one is taken.
 * @param {string} name
 * @param {Move[]} moves
 * @param {(number: number) => void} take
 */
function groupView(name, moves, take) {
  const [only] = moves;
  if (moves.length === 1 && only) return moveView(only, `${name}, ${only.source}`, take);
  /** @type {(m: Move) => [string, Value][]} */
  const valuesOf = (m) => [["source", m.source], ["to", m.after], ...m.fields];
  const names = [...new Set(moves.flatMap((m) => valuesOf(m).map(([n]) => n)))].filter(
    (n) => new Set(moves.map((m) => String(value(valuesOf(m), n)))).size > 1,
  );
  const list = h("div");
  const selects = names.map((n) => {
    const found = [...new Set(moves.map((m) => String(value(valuesOf(m), n))))];
    const select = h(
      "select",
      { onchange: () => fill() },
      h("option", { value: "" }, "any"),
      ...found.map((v) => h("option", { value: v }, shown(v))),
    );
    return { n, select };
  });
  function fill() {
    const fit = moves.filter((m) =>
      selects.every(
        ({ n, select }) => !select.value || String(value(valuesOf(m), n)) === select.value,
      ),
    );
    refill(
      list,
      ...fit.slice(0, MOST).map((m) => {
        const said = valuesOf(m).filter(
          ([n, v]) => names.includes(n) && n !== "to" && v !== "none",
        );
        return moveView(m, said.map(([n, v]) => `${n}=${shown(v)}`).join(", "), take);
      }),
      fit.length > MOST && h("p", { class: "quiet" }, `${fit.length - MOST} more: choose fields`),
      fit.length === 0 && h("p", { class: "quiet" }, "There is no such message."),
    );
  }
  fill();
  return h(
    "details",
    { class: "group" },
    h("summary", {}, name, h("span", { class: "quiet" }, ` ${moves.length} ways`)),
    h(
      "div",
      { class: "fields" },
      ...selects.map(({ n, select }) => h("label", {}, h("span", {}, n), select)),
    ),
    list,
  );
}

/** The most messages of one kind that are listed. */
const MOST = 12;

/**
 * @param {[string, Value][]} values
 * @param {string} name
 */
function value(values, name) {
  return values.find(([n]) => n === name)?.[1] ?? null;
}

/**
 * What one can ask: how something comes about, why a row is not taken; and how a walk is kept.
 * @param {Live} live
 * @param {(work: () => Promise<void>) => void} doing
 * @param {(said: { story: Story, said?: string }) => Promise<void>} walked
 * @param {() => number} at
 */
function asksView(live, doing, walked, at) {
  const runs = Object.keys(live.rows);
  const says = h("input", {
    type: "text",
    "aria-label": "condition",
    placeholder: `${runs[0]}.verified & ~${runs.at(-1)}.verified`,
  });
  const reach = h(
    "form",
    {
      onsubmit: (/** @type {Event} */ e) => {
        e.preventDefault();
        doing(async () => walked(await ask({ op: "reach", says: says.value })));
      },
    },
    says,
    h("button", {}, "search"),
  );
  const because = h("div", { "aria-live": "polite" });
  const row = h(
    "select",
    { "aria-label": "row" },
    ...runs.map((run) =>
      h(
        "optgroup",
        { label: run },
        ...(live.rows[run] ?? []).map((r) => h("option", { value: `${run}/${r.name}` }, r.name)),
      ),
    ),
  );
  const why = h(
    "form",
    {
      onsubmit: (/** @type {Event} */ e) => {
        e.preventDefault();
        const [run, name] = row.value.split("/");
        doing(async () =>
          refill(because, whyView(await ask({ op: "why", at: at(), run, row: name }))),
        );
      },
    },
    row,
    h("button", {}, "why?"),
  );
  const free = Object.entries(live.free).map(([name, values]) => {
    const select = h(
      "select",
      {
        onchange: () =>
          doing(async () => walked(await ask({ op: "choose", name, value: select.value }))),
      },
      ...values.map((v) => h("option", {}, v)),
    );
    return h("label", {}, h("span", {}, name), select);
  });
  /** @type {(name: string, of: "trace" | "test" | "word", file: string) => HTMLElement} */
  const save = (name, of, file) =>
    h(
      "button",
      {
        type: "button",
        onclick: () =>
          doing(async () => {
            const kept = await ask({ op: "saved" });
            if (of === "word") {
              location.hash = `#walk/${kept.word}`;
              await navigator.clipboard?.writeText(`${live.command} --walk ${kept.word}`);
            } else {
              const text = of === "test" ? kept.test : JSON.stringify(kept.trace, null, 1);
              download(file, text);
            }
          }),
      },
      name,
    );
  return [
    h("h3", {}, "How can this come about?"),
    reach,
    h("h3", {}, "Why is this row not taken?"),
    why,
    because,
    h("h3", {}, "Keep the walk"),
    h(
      "p",
      { class: "saves" },
      save("as a trace", "trace", "walk.json"),
      save("as a test", "test", "test_walk.py"),
      save("as a link", "word", ""),
    ),
    free.length > 0 &&
      h("details", {}, h("summary", {}, "the start"), h("div", { class: "fields" }, ...free)),
  ];
}

/**
 * @param {string} file
 * @param {string} text
 */
function download(file, text) {
  const link = h("a", { href: URL.createObjectURL(new Blob([text])), download: file });
  link.click();
  URL.revokeObjectURL(link.href);
}

/** @param {WhyNot} found */
function whyView(found) {
  if (found.enabled) return h("p", { class: "yes" }, "✓ It can be taken.");
  return h(
    "div",
    {},
    ...found.fails.map((f) =>
      h(
        "div",
        { class: "reason" },
        h("span", { class: "no" }, "✗ "),
        h("b", {}, f.name),
        " ",
        h("code", {}, f.says),
        h(
          "span",
          { class: "values" },
          ...f.values.map(([n, v]) => h("span", {}, h("i", {}, n), " = ", h("b", {}, shown(v)))),
        ),
      ),
    ),
    found.fails.length === 0 && h("p", {}, "No message that can be delivered satisfies all of it."),
    found.needs.length > 0 && [
      h("h4", {}, "the message must satisfy"),
      h("ul", { class: "code" }, ...found.needs.map((x) => h("li", {}, x))),
    ],
  );
}

/**
 * The graph of the scenario, which the server makes when it is asked for.
 * @param {Page} page
 */
export function liveGraphView(page) {
  const element = h("div", {}, h("p", { role: "status" }, "The graph is being made ..."));
  ask({ op: "graph" })
    .then((/** @type {Graph} */ graph) => {
      page.graphs = [graph];
      const view = graphView(page, graph, { story: null, link: () => "#graph", go: () => {} });
      refill(element, view.element);
    })
    .catch((e) => refill(element, panel("No graph", String(e))));
  return { element };
}
