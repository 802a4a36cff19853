/* The parts that every tab is made of: panels, lists of names and values, tables, bars, reasons. */
import { app, redraw } from "./app.js";
import { h, icon } from "./dom.js";
import { csvCell, when } from "./format.js";

/** A card with a heading; `span` columns of twelve on a wide screen; says as of when, which is the document's time unless told. */
export const panel = (id, title, span, body, { asof = app.doc.time, extra, cls = "" } = {}) =>
  h("section", { class: `panel s${span} ${cls}`, id, key: id, "aria-labelledby": `${id}-h` },
    h("header", { class: "ph" }, h("h3", { id: `${id}-h` }, title), h("p", { class: "asof" }, asof ? ["as of ", when(asof, app.doc.time)] : "nothing yet"), extra ?? null),
    h("div", { class: "pb" }, body));

/** What stands where there is nothing yet: says what will appear and when. */
export const empty = (text) => h("div", { class: "empty" }, icon("none"), h("p", {}, text));

/** A term with its one-line help. */
export const term = (name, help) => (help ? h("span", { class: "term", "data-help": help, "aria-description": help, tabindex: "0" }, name) : name);

/** Names and values. */
export const list = (rows, cls = "kv") =>
  h("dl", { class: cls }, rows.filter(Boolean).map(([name, value, help]) => h("div", {}, h("dt", {}, term(name, help)), h("dd", {}, value))));

/** A sentence in a box. */
export const reason = (level, ...text) =>
  h("p", { class: `reason ${level}` }, icon({ bad: "bad", warn: "warn", ok: "ok" }[level] ?? "none"), h("span", {}, text));

/** A share as a bar, with words beside it elsewhere. */
export const bar = (share, level = "") =>
  h("svg", { class: `meter ${level}`, "aria-hidden": "true" },
    h("rect", { class: "mt", width: "100%", height: "6", rx: "3" }),
    h("rect", { class: "mv", width: `${Math.min(100, Math.max(share > 0 ? 1 : 0, share))}%`, height: "6", rx: "3" }));

/** A button; `act` is called on a click, nothing while there is no news. */
export const button = (label, act, { cls = "small", disabled = false, title = null, key } = {}) =>
  h("button", { type: "button", class: `btn ${cls}`, key: key ?? label, disabled: disabled || Boolean(app.lost), title, onclick: act }, label);

const FEW = 6; // rows that the eye finds without help

const compare = (a, b) => {
  const x = Number(a), y = Number(b); // only for the order of rows, never shown
  if (a !== "" && b !== "" && Number.isFinite(x) && Number.isFinite(y)) return x - y;
  return String(a).localeCompare(String(b));
};

const header = (id, column) => {
  const sort = app.sort[id];
  const on = sort?.column === column.name;
  const turn = () => { app.sort[id] = { column: column.name, down: on ? !sort.down : false }; redraw(); };
  return h("th", { scope: "col", key: column.name, class: column.right ? "r" : "", "aria-sort": on ? (sort.down ? "descending" : "ascending") : null },
    column.raw ? h("button", { type: "button", class: `sort ${column.help ? "term" : ""}`, "data-help": column.help ?? null, "aria-description": column.help ?? null, onclick: turn }, column.name, on ? [" ", icon(sort.down ? "down" : "up")] : null) : column.name);
};

const csv = (id, columns, rows) => {
  const used = columns.filter((c) => c.raw);
  const lines = [used.map((c) => c.name), ...rows.map((row) => used.map((c) => String(c.raw(row) ?? "")))].map((line) => line.map(csvCell).join(","));
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([`${lines.join("\r\n")}\r\n`], { type: "text/csv" }));
  link.download = `ilp-${id}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
};

/** A table that sorts, filters and exports. A column: `{name, cell(row), raw(row), right, head, wide, help}`; `raw` is what is
    sorted, searched and exported. `key(row)` tells rows apart; the `first` rows are
    shown until more is asked for. */
export const table = (id, caption, columns, rows, { key, none, cls = "", mark, first = 25 } = {}) => {
  const text = (app.filter[id] ?? "").toLowerCase();
  const found = text ? rows.filter((row) => columns.some((c) => c.raw && String(c.raw(row) ?? "").toLowerCase().includes(text))) : [...rows];
  const sort = app.sort[id];
  const by = sort && columns.find((c) => c.name === sort.column)?.raw;
  if (by) found.sort((a, b) => compare(by(a) ?? "", by(b) ?? "") * (sort.down ? -1 : 1));
  const cell = (column, row) =>
    h(column.head ? "th" : "td", { key: column.name, scope: column.head ? "row" : null, class: `${column.right ? "r " : ""}${column.wide ? "w" : ""}`, "data-l": column.head ? null : column.name },
      h("span", { class: "c" }, column.cell(row)));
  return [
    rows.length ? h("div", { class: `filters ${rows.length > FEW || text ? "" : "few"}`, key: `${id}-tools` },
      rows.length > FEW || text ? h("label", { class: "grow" }, "Find ", h("input", { type: "search", value: app.filter[id] ?? "", oninput: (e) => { app.filter[id] = e.target.value; redraw(); } })) : null,
      button([icon("csv"), "CSV"], () => csv(id, columns, found), { key: "csv", title: `Download this table: ${caption}` })) : null,
    h("table", { class: `stack ${cls}`, key: `${id}-table` }, h("caption", {}, caption),
      h("thead", {}, h("tr", {}, columns.map((c) => header(id, c)))),
      h("tbody", {}, found.slice(0, app.all[id] ? undefined : first).map((row, i) => h("tr", { key: key ? key(row) : i, class: mark?.(row) ?? "" }, columns.map((c) => cell(c, row)))))),
    found.length > first ? h("p", { class: "row acts2", key: `${id}-more` }, button(app.all[id] ? `Show the first ${first} only` : `Show all ${found.length}`, () => { app.all[id] = !app.all[id]; redraw(); }, { key: "more" })) : null,
    found.length ? null : h("p", { class: "empty", key: `${id}-none` }, icon("none"), text ? "Nothing matches." : none ?? "Nothing here yet."),
  ];
};
