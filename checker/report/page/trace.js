import { chartView, roleOf } from "./chart.js";
import { h, panel, refill, shown, stepTo } from "./dom.js";
import { machineView } from "./machine.js";

/** @import { Broken, Page, Reason, RowOfTable, Step, Story } from "./shape" */

/**
 * A story that one steps through.
 * @param {Page} page
 * @param {Story} story
 * @param {{ go: (step: number) => void, beside?: HTMLElement, graph?: string }} more `go` is called
 *   with the number of the state that is to be shown; `beside` is put above the details
 */
export function traceView(page, story, { go, beside, graph }) {
  let at = 0;
  const last = story.steps.length;
  const chart = chartView(story, go);
  const machines = story.machines.flatMap((n) => {
    const machine = page.machines[n];
    return machine ? [{ machine, view: machineView(machine) }] : [];
  });
  const said = h("h2", { class: "now", "aria-live": "polite" });
  const details = h("div", { class: "details" });
  const slider = h("input", {
    type: "range",
    min: 0,
    max: last,
    value: 0,
    "aria-label": "step",
    oninput: () => go(Number(slider.value)),
  });
  /** @type {(label: string, does: string, to: () => number) => HTMLButtonElement} */
  const button = (label, does, to) =>
    h(
      "button",
      { type: "button", title: does, "aria-label": does, onclick: () => go(to()) },
      label,
    );
  const place = h("output", {});
  const controls = h(
    "div",
    { class: "controls", role: "group", "aria-label": "steps" },
    button("«", "start (Home)", () => 0),
    button("‹", "step back (left arrow)", () => Math.max(0, at - 1)),
    button("›", "next step (right arrow)", () => Math.min(last, at + 1)),
    button("»", "end (End)", () => last),
    slider,
    place,
    graph && h("a", { href: graph }, "in the graph"),
  );
  const element = h(
    "section",
    { class: "trace" },
    h(
      "header",
      {},
      h("p", { class: "of" }, `${story.property} ${story.title} `, h("i", {}, story.scenario)),
      controls,
    ),
    h("div", { class: "left" }, chart.element),
    h(
      "div",
      { class: "right" },
      said,
      h(
        "div",
        { class: "machines" },
        ...machines.map(({ machine, view }) =>
          h("figure", {}, h("figcaption", {}, machine.name), view.element),
        ),
      ),
      beside,
      details,
    ),
  );

  /** @param {number} step */
  function show(step) {
    at = Math.min(Math.max(0, step), last);
    slider.value = String(at);
    refill(place, `${at} of ${last}`);
    chart.mark(at);
    const now = story.steps[at - 1];
    for (const { machine, view } of machines) {
      const mine = story.steps.slice(0, at).filter((x) => x.run === machine.name);
      const state = mine.at(-1)?.after ?? story.begins[machine.name] ?? "";
      view.mark(
        now?.run === machine.name
          ? {
              state,
              from: now.before,
              event: now.event,
              refused: now.alert !== null,
              forged: now.forged !== "",
            }
          : { state },
      );
    }
    refill(said, now ? sentence(now, at) : "The start");
    refill(
      details,
      at === last && story.broken.map((b) => brokenView(story, b)),
      at === last && story.loop !== null && loopView(story),
      now?.sound && soundView(now),
      ...(now ? stepView(now) : [startView(story)]),
      knownView(story, at),
    );
  }
  return {
    element,
    show,
    /** @param {KeyboardEvent} e */
    key(e) {
      const to = stepTo(e.key, at, last);
      if (to === null) return;
      e.preventDefault();
      go(to);
    },
  };
}

/**
 * @param {Step} step
 * @param {number} at
 */
function sentence(step, at) {
  const what = { receive: "receives", send: "sends", step: "does" }[step.row.kind] ?? step.row.kind;
  return [
    h("span", { class: "number" }, `${at}`),
    ` ${step.run} ${what} ${step.event}`,
    step.under && ` ${step.under}`,
    step.forged && h("span", { class: "forged" }, `, ${step.forged}`),
    step.alert && h("span", { class: "forged" }, `, and refuses it: ${step.alert}`),
  ];
}

/** @param {Step} step */
function stepView(step) {
  const quiet = ["none", "null", false];
  const telling = step.fields.filter(([, v]) => !quiet.includes(/** @type {string} */ (v)));
  const rest = step.fields.length - telling.length;
  const own = step.changed.filter(([, , , set]) => set);
  const noted = step.changed.filter(([, , , set]) => !set);
  return [
    panel(
      `${step.event}: who made each field`,
      telling.length
        ? h(
            "table",
            { class: "values" },
            ...telling.map(([name, value, maker]) =>
              h(
                "tr",
                {},
                h("th", { scope: "row" }, name),
                h("td", {}, shown(value)),
                h("td", { class: maker === "adversary" ? "forged" : "maker" }, maker),
              ),
            ),
          )
        : h("p", { class: "quiet" }, "It has no field that says something."),
      rest > 0 && telling.length > 0 && h("p", { class: "quiet" }, `${rest} more: none, or no`),
    ),
    panel("The row", rowView(step.row)),
    panel(
      "What changed",
      step.before === step.after
        ? null
        : h("p", {}, h("code", {}, step.before), " → ", h("code", {}, step.after)),
      changesView(own),
      noted.length > 0 &&
        h(
          "details",
          {},
          h("summary", {}, `${noted.length} recorded for the properties`),
          changesView(noted),
        ),
    ),
  ];
}

/** @param {Step["changed"]} changes */
function changesView(changes) {
  return (
    changes.length > 0 &&
    h(
      "table",
      { class: "values" },
      ...changes.map(([name, before, after]) =>
        h(
          "tr",
          {},
          h("th", { scope: "row" }, name),
          h("td", { class: "old" }, shown(before)),
          h("td", {}, "→ ", shown(after)),
        ),
      ),
    )
  );
}

/**
 * A row in the words of its table.
 * @param {RowOfTable} row
 */
export function rowView(row) {
  if (!row.name) return h("p", { class: "quiet" }, "The row is not named.");
  return [
    h(
      "p",
      {},
      h("code", { class: "name" }, row.name),
      h("span", { class: "quiet" }, ` RFC ${row.rfc}`),
    ),
    row.refuses.length > 0 &&
      h("p", {}, "It refuses what ", h("code", {}, row.refuses[0]), ` demands: ${row.refuses[1]}.`),
    row.when.length > 0 && [
      h("h4", {}, "when"),
      h("ul", { class: "code" }, ...row.when.map((x) => h("li", {}, x))),
    ],
    row.checks.length > 0 && [
      h("h4", {}, "checks"),
      h(
        "ul",
        { class: "code" },
        ...row.checks.map((c) =>
          h(
            "li",
            {},
            h("b", {}, c.name),
            ` ${c.says} `,
            h("span", { class: "quiet" }, `else ${c.alert}`),
          ),
        ),
      ),
    ],
    row.when.length + row.checks.length === 0 && h("p", { class: "quiet" }, "without a condition"),
    row.alert && h("p", {}, "answers with ", h("b", {}, row.alert)),
  ];
}

/** @param {Step} step */
function soundView(step) {
  const other = step.sound;
  if (!other) return null;
  return h(
    "section",
    { class: "panel sound" },
    h("h3", {}, `The sound ${roleOf(step.run)} ${other.says}`),
    other.why && reasonView(other.why),
    other.row && h("details", {}, h("summary", {}, "its row"), rowView(other.row)),
    h("p", { class: "quiet" }, "From here on, only the flawed machine goes on."),
  );
}

/** @param {Story} story */
function startView(story) {
  return panel(
    "The configuration",
    story.start.length
      ? h(
          "table",
          { class: "values" },
          ...story.start.map(([n, v]) =>
            h("tr", {}, h("th", { scope: "row" }, n), h("td", {}, shown(v))),
          ),
        )
      : h("p", { class: "quiet" }, "The scenario leaves nothing open."),
  );
}

/**
 * @param {Story} story
 * @param {number} at
 */
function knownView(story, at) {
  /** @type {[string, number][]} */
  const known = [
    ...story.known.map((x) => /** @type {[string, number]} */ ([x, 0])),
    ...story.steps
      .slice(0, at)
      .flatMap((step, i) => step.learned.map((x) => /** @type {[string, number]} */ ([x, i + 1]))),
  ];
  return panel(
    "The adversary knows",
    known.length
      ? h(
          "ul",
          {},
          ...known.map(([what, since]) =>
            h(
              "li",
              { class: since === at && at > 0 ? "forged" : null },
              what,
              h("span", { class: "quiet" }, since ? ` since step ${since}` : " from the start"),
            ),
          ),
        )
      : h("p", { class: "quiet" }, "no secret of an honest end; all that was sent in the clear"),
  );
}

/**
 * @param {Story} story
 * @param {Broken} broken
 */
function brokenView(story, broken) {
  return h(
    "section",
    { class: "panel broken" },
    h("h3", {}, `${story.property} is broken: ${story.title}`),
    broken.case && h("p", {}, "the case ", h("code", {}, broken.case)),
    h("h4", {}, "this is so"),
    reasonView(broken.given),
    h("h4", {}, "and this should be, but is not"),
    reasonView(broken.holds),
    broken.place && h("p", { class: "quiet" }, broken.place),
  );
}

/** @param {Story} story */
function loopView(story) {
  const n = story.loop ?? 0;
  const says =
    n < story.steps.length
      ? `Steps ${n + 1} to ${story.steps.length} repeat for ever.`
      : "Nothing follows, for ever.";
  return h("section", { class: "panel broken" }, h("h3", {}, story.title), h("p", {}, says));
}

/**
 * Why an expression is true or false, with the values on both sides.
 * @param {Reason} reason
 * @returns {HTMLElement}
 */
export function reasonView(reason) {
  const mark = h(
    "span",
    { class: reason.holds ? "yes" : "no", title: reason.holds ? "holds" : "does not hold" },
    reason.holds ? "✓ " : "✗ ",
  );
  if (!reason.op) {
    return h(
      "div",
      { class: "reason" },
      mark,
      h("code", {}, reason.says),
      h(
        "span",
        { class: "values" },
        ...reason.values.map(([n, v]) => h("span", {}, h("i", {}, n), " = ", h("b", {}, shown(v)))),
      ),
    );
  }
  const word = reason.op === "and" ? "all of" : "one of";
  return h(
    "div",
    { class: "reason" },
    mark,
    h("span", { class: "quiet" }, word),
    h("ul", {}, ...reason.parts.map((p) => h("li", {}, reasonView(p)))),
  );
}
