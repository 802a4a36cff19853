/* The parameters of a tab as fields; editing is `edits.js`. */
import { app } from "./app.js";
import { clashes, confirmEdit, edit, edits, means, problem } from "./edits.js";
import { h } from "./dom.js";
import { group, value, words } from "./format.js";
import { button, panel, term } from "./parts.js";
import { quoteOf } from "./tickers.js";

/* Which parameters belong to which tab; what none of the others takes stands on the Trader's. */
const HOME = [
  [/^(deviation_penalty|risk_aversion|variance)/, "valuation"],
  [/^target_balance\./, "state"],
  [/^(source_fee|target_fee)$/, "market"],
  [/^(btc_fee|fiat_exchange_cost|min_(coin|fiat)_transfer|min_payout)$/, "transits"],
  [/^min_gain$/, "optimized"],
];
const homeOf = (name) => HOME.find(([pattern]) => pattern.test(name))?.[1] ?? "trader";

const input = (name, p, shown, part) => {
  const current = edits.has(name) ? edits.get(name).value : p.value;
  const typed = (e) => {
    const parts = Array.isArray(p.value) ? [...current] : current;
    if (part === null) edit(name, e.target.value);
    else { parts[part] = e.target.value; edit(name, parts); }
  };
  return h("input", {
    key: part, value: shown, keep: (text) => means(text, shown), inputmode: "decimal", autocomplete: "off", spellcheck: "false", disabled: !app.mayAct || Boolean(app.lost), "aria-invalid": problem(name) ? "true" : null,
    "aria-label": part === null ? words(name) : `${words(name)}, ${part ? "proportional" : "fixed"}`, oninput: typed,
  });
};

const bound = (b, part) => (Array.isArray(b) ? b[part ?? 0] : b);
const allowed = (p) => {
  if (p.allowed) return p.allowed.replace(/^(a decimal number|\[fixed, proportional\]), /, "");
  const low = bound(p.min), high = bound(p.max, Array.isArray(p.value) ? 1 : 0);
  if (low == null && high == null) return "any";
  if (high == null) return Array.isArray(p.value) ? "from 0" : `from ${group(low)}`;
  return Array.isArray(p.value) ? `from 0, the second up to ${group(high)}` : `${low == null ? "" : group(low)} to ${group(high)}`;
};

/** A parameter's unit as the tickers have it; of a cost that of its fixed part. */
export const unitOf = (p) => {
  const { source_ticker: source, target_ticker: target, btc_ticker: base } = app.doc.data;
  const known = { base, numeraire: quoteOf(source), "source currency": quoteOf(source), "target currency": quoteOf(target), "numeraire/base": `${quoteOf(source)}/${base}`, "1/numeraire": `1/${quoteOf(source)}`, none: "" };
  const unit = p.unit.split(",")[0];
  return known[unit] ?? unit;
};

const row = ([name, p]) => {
  const edited = edits.get(name), wrong = problem(name);
  const now = edited?.value ?? p.value;
  const cls = edited ? `edited ${wrong ? "wrong" : clashes(name) ? "clash" : ""}` : "";
  const fields = Array.isArray(p.value) ? [input(name, p, now[0], 0), h("span", { class: "u" }, `${unitOf(p)} +`), input(name, p, now[1], 1), h("span", { class: "u" }, "× amount")] : [input(name, p, now, null)];
  const units = Array.isArray(p.value) ? null : h("span", { class: "u" }, unitOf(p));
  const note = wrong || (clashes(name) ? `now ${value(p.value)} by somebody else` : edited ? `was ${value(p.value)}` : "");
  return h("tr", { key: name },
    h("th", { scope: "row" }, term(words(name), p.help), h("code", {}, name)),
    h("td", {}, h("span", { class: `field ${Array.isArray(p.value) ? "pair" : ""} ${cls}` }, fields, units, note ? h("small", {}, note, wrong.includes("confirm") ? [" ", button("I mean it", () => confirmEdit(name), { key: "mean" })] : null) : null)),
    h("td", { class: "allowed" }, allowed(p)),
    h("td", { class: "origin", title: p.default === undefined ? null : `default ${value(p.default)}` }, p.origin));
};

/** The panel with the parameters of *tab*; nothing when it has none. */
export const parameterPanel = (tab, title, span) => {
  const mine = Object.entries(app.doc.trader.parameters).filter(([name]) => homeOf(name) === tab);
  if (!mine.length) return null;
  return panel(`${tab}-parameters`, title, span,
    h("table", { class: "params" }, h("caption", { class: "vh" }, title), h("thead", {}, h("tr", {}, ["Parameter", "Value", "Allowed", "Set by"].map((t) => h("th", { scope: "col" }, t)))), h("tbody", {}, mine.map(row))));
};

/** How many parameters of *tab* are edited. */
export const editedOn = (tab) => [...edits.keys()].filter((name) => homeOf(name) === tab).length;

