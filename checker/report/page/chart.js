import { h, refill } from "./dom.js";

/** @import { Step, Story } from "./shape" */

/**
 * The sequence chart of a story: a row for each step, which one can choose.
 * @param {Story} story
 * @param {(step: number) => void} choose called with the number of the state after a step
 * @returns {{ element: HTMLElement, mark: (at: number) => void }}
 */
export function chartView(story, choose) {
  const rows = story.steps.map((step, i) => stepRow(story, step, i, choose));
  const list = h("ol", { class: "steps" }, ...rows);
  const heads = h("div", { class: "heads lanes" });
  refill(
    heads,
    ...story.columns.map((name) => {
      const begins = story.begins[name];
      return h("div", { class: "head" }, h("b", {}, name), begins && h("small", {}, begins));
    }),
  );
  const element = h("div", { class: "chart" }, heads, list);
  element.style.setProperty("--lanes", String(story.columns.length));
  return {
    element,
    mark(at) {
      rows.forEach((row, i) => {
        const button = row.firstElementChild;
        row.classList.toggle("later", i >= at);
        if (i === at - 1) {
          button?.setAttribute("aria-current", "step");
          near(element, row);
        } else button?.removeAttribute("aria-current");
      });
      if (at === 0) element.scrollTop = 0;
    },
  };
}

/**
 * Scroll a row into the part of the chart that is seen, and nothing else.
 * @param {HTMLElement} chart
 * @param {HTMLElement} row
 */
function near(chart, row) {
  const top = row.offsetTop - chart.clientHeight / 3;
  const seen =
    row.offsetTop > chart.scrollTop + 60 &&
    row.offsetTop + row.offsetHeight < chart.scrollTop + chart.clientHeight;
  if (!seen) chart.scrollTop = top;
}

/**
 * @param {Story} story
 * @param {Step} step
 * @param {number} i
 * @param {(step: number) => void} choose
 */
function stepRow(story, step, i, choose) {
  const me = story.columns.indexOf(step.run);
  const network = story.columns.indexOf("network");
  const parts = [];
  if (step.right !== null) {
    const [a, b] = [Math.min(me, network), Math.max(me, network)];
    const arrow = h(
      "span",
      { class: `arrow ${step.right ? "right" : "left"}` },
      h("span", {}, h("i", {}, i + 1), ` ${step.event}`),
    );
    arrow.style.gridColumn = `${2 * a + 2} / ${2 * b + 2}`;
    parts.push(arrow);
  } else {
    const local = h("span", { class: "local" }, h("i", {}, i + 1), ` ${step.event}`);
    local.style.gridColumn = `${2 * me + 1} / ${2 * me + 3}`;
    parts.push(local);
  }
  const state = h(
    "span",
    { class: step.alert ? "state refused" : "state" },
    step.alert && h("em", {}, `${step.alert} `),
    step.after,
  );
  state.style.gridColumn = `${2 * me + 1} / ${2 * me + 3}`;
  parts.push(state);
  if (step.forged || step.learned.length) {
    const said = h(
      "span",
      { class: "said" },
      step.forged && h("span", { class: "forged" }, step.forged),
      ...step.learned.map((x) => h("span", { class: "learned" }, `learns ${x}`)),
    );
    said.style.gridColumn = `${2 * network + 1} / ${2 * network + 3}`;
    parts.push(said);
  }
  if (step.sound) {
    const said = h("span", { class: "sound" }, `the sound ${roleOf(step.run)} ${step.sound.says}`);
    said.style.gridColumn = "1 / -1";
    parts.push(said);
  }
  return h(
    "li",
    { class: step.forged ? "forged" : null },
    h("button", { type: "button", class: "lanes", onclick: () => choose(i + 1) }, ...parts),
  );
}

/**
 * The role of a run, by the run's name.
 * @param {string} run
 */
export function roleOf(run) {
  return run.replace(/\d+$/, "");
}
