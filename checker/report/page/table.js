import { count, h, refill } from "./dom.js";

/** @import { Page, Row, Table } from "./shape" */

/**
 * A table of which one sees the rows that one asks for.
 * @param {Page} page
 * @param {Table} table
 * @param {(trace: number) => string} link the address of a trace
 */
export function tableView(page, table, link) {
  const words = h("input", {
    type: "search",
    placeholder: "words, an id, a section ...",
    "aria-label": "rows with these words",
    oninput: () => fill(),
  });
  const choices = table.columns.flatMap((column, i) =>
    column.choose ? [{ i, select: chooser(table, i, () => fill()) }] : [],
  );
  const odd = h("input", { type: "checkbox", onchange: () => fill() });
  const anyOdd = table.rows.some((r) => r.odd);
  const told = h("output", { "aria-live": "polite" });
  const body = h("tbody");
  const texts = new Map(table.rows.map((r) => [r, searched(page, r)]));

  function fill() {
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rows = table.rows.filter(
      (r) =>
        wanted.every((w) => (texts.get(r) ?? "").includes(w)) &&
        choices.every(
          ({ i, select }) => !select.value || values(r.cells[i] ?? "").includes(select.value),
        ) &&
        (!odd.checked || r.odd),
    );
    refill(
      told,
      rows.length === table.rows.length
        ? count(rows.length, "row")
        : `${rows.length.toLocaleString("en")} of ${count(table.rows.length, "row")}`,
    );
    refill(body, ...rows.flatMap((r) => tableRow(page, table, r, link)));
  }
  fill();
  return h(
    "section",
    { class: "table" },
    h("h2", {}, table.name),
    h(
      "form",
      {
        class: "filters",
        role: "search",
        onsubmit: (/** @type {Event} */ e) => e.preventDefault(),
      },
      words,
      ...choices.map((c) => c.select),
      anyOdd && h("label", {}, odd, " not as declared"),
      told,
    ),
    h(
      "div",
      { class: "scroll" },
      h(
        "table",
        {},
        h("thead", {}, h("tr", {}, ...table.columns.map((c) => h("th", { scope: "col" }, c.name)))),
        body,
      ),
    ),
  );
}

/**
 * @param {Table} table
 * @param {number} column
 * @param {() => void} changed
 */
function chooser(table, column, changed) {
  const name = table.columns[column]?.name ?? "";
  const found = [...new Set(table.rows.flatMap((r) => values(r.cells[column] ?? "")))];
  found.sort((a, b) => a.localeCompare(b, "en", { numeric: true }));
  return h(
    "select",
    { "aria-label": name, onchange: changed },
    h("option", { value: "" }, `any ${name}`),
    ...found.map((v) => h("option", { value: v }, v)),
  );
}

/** @param {string} cell */
function values(cell) {
  return cell.split("; ").filter(Boolean);
}

/**
 * The text in which words are looked for.
 * @param {Page} page
 * @param {Row} row
 */
function searched(page, row) {
  const titles = row.notes.map((n) => page.notes[n]?.title ?? "");
  return [...row.cells, ...titles].join(" ").toLowerCase();
}

/**
 * A row, and below it, once it is opened, its notes.
 * @param {Page} page
 * @param {Table} table
 * @param {Row} row
 * @param {(trace: number) => string} link
 */
function tableRow(page, table, row, link) {
  const more = h("tr", { class: "notes", hidden: true });
  const [first, ...rest] = row.cells;
  const opener = h(
    "button",
    {
      type: "button",
      class: "opener",
      "aria-expanded": "false",
      onclick: () => {
        if (!more.hasChildNodes()) more.append(notesView(page, table, row));
        more.hidden = !more.hidden;
        opener.setAttribute("aria-expanded", String(!more.hidden));
      },
    },
    first,
  );
  const trace = row.trace;
  const verdict = table.columns.findIndex((c) => c.name === "verdict");
  const cells = rest.map((cell, i) =>
    h(
      "td",
      i + 1 === verdict
        ? { class: "verdict", "data-verdict": cell.split(" ")[0] }
        : { class: table.columns[i + 1]?.name === "says" ? "says" : null },
      cell,
      i + 1 === (verdict > 0 ? verdict : rest.length) &&
        trace !== null && [" ", h("a", { href: link(trace) }, "trace")],
    ),
  );
  return [
    h(
      "tr",
      { class: row.odd ? "odd" : null },
      h(
        "th",
        { scope: "row" },
        row.odd && h("span", { class: "mark", title: "not as declared" }, "!"),
        row.notes.length ? opener : first,
      ),
      ...cells,
    ),
    more,
  ];
}

/**
 * @param {Page} page
 * @param {Table} table
 * @param {Row} row
 */
function notesView(page, table, row) {
  return h("td", { colspan: table.columns.length }, ...row.notes.map((n) => noteView(page, n)));
}

/**
 * @param {Page} page
 * @param {number} number
 */
function noteView(page, number) {
  const note = page.notes[number];
  if (!note) return null;
  const lines = note.lines.map((n) => page.lines[n] ?? "");
  return h(
    "div",
    { class: "note" },
    h("h4", {}, note.title, lines.length > 8 && ` (${lines.length})`),
    note.code
      ? [
          h("p", {}, lines[0]),
          h("pre", {}, lines.slice(1, -1).join("\n")),
          h("p", { class: "quiet" }, lines.at(-1)),
        ]
      : h("ul", {}, ...lines.map((line) => h("li", {}, line))),
  );
}
