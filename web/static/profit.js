/* Profit and loss: where it came from, today, over the week and since the ledger was opened; and its days as a table. */
import { app } from "./app.js";
import { chart } from "./chart.js";
import { h, icon } from "./dom.js";
import { amount, group, percent, when } from "./format.js";
import { changes, overTime } from "./history.js";
import { bar, empty, panel, reason, table, term } from "./parts.js";

const PERIODS = [["today", "Today"], ["week", "Seven days"], ["since", "Since opened"]];
const HELP = {
  spread: "Fills of our quotes against the middle of the source at that moment.",
  "hedge slippage": "Fills of hedges against the middle of the source.",
  "plan slippage": "Fills of the plan's own trades against the middle of the source.",
  "trade fees": "What the venues charged for trades.",
  "transfer costs": "Charges of transfers, and what a conversion lost against the mark.",
  "base revaluation": "All base held, times the change of its mark.",
  "fiat revaluation": "All other currencies held, times the change of their marks.",
  "interest and funding": "What venues paid or charged for holding.",
  "external flows": "Opening balances, deposits, withdrawals and payouts: no profit.",
};
const TERMS = Object.keys(HELP);
const TRADING = TERMS.slice(0, 5);
const PER_DAY = [...TRADING, "base revaluation", "fiat revaluation", "interest and funding"];
const signed = (text) => amount(text, "", { signed: true });

const split = (pnl) => h("table", { class: "three", key: "split" }, h("caption", {}, `in ${pnl.numeraire}; days are days of UTC`),
  h("thead", {}, h("tr", {}, h("th", { scope: "col" }, "Part"), PERIODS.map(([id, name]) => h("th", { scope: "col", class: "r", key: id }, name)))),
  h("tbody", {},
    TERMS.map((name) => h("tr", { key: name }, h("th", { scope: "row" }, term(name, HELP[name])), PERIODS.map(([id]) => h("td", { class: "r", key: id }, signed(pnl[id][name]))))),
    [["trading", "Spread, slippage, fees, transfers and the revaluation of what was exposed: what trading itself earned."], ["equity change", "All of the above together."]].map(([name, help]) =>
      h("tr", { key: name, class: "eq" }, h("th", { scope: "row" }, term(name, help)), PERIODS.map(([id]) => h("td", { class: "r", key: id }, signed(pnl[id][name])))))));

const DAYS = [{ name: "Day", head: true, cell: (d) => d.day, raw: (d) => d.day },
  ...[...TERMS, "trading", "equity change"].map((name) => ({ name, help: HELP[name], right: true, cell: (d) => signed(d[name]), raw: (d) => d[name] }))];

const LOSS = (loss) => {
  const share = percent(loss.today, loss.limit), over = share > 100;
  return h("div", { class: "lim", key: "loss" }, bar(share, over ? "bad" : share > 50 ? "warn" : ""), h("p", {}, h("span", { class: over ? "c-bad" : "" }, over ? icon("bad") : null, "loss of the day ", amount(loss.today)), h("span", {}, "halts at ", amount(loss.limit))));
};

/** The card of the tab Trader: what trading earned, and what the gate would halt at. */
export const profitCard = () => {
  const { pnl } = app.doc;
  if (!pnl) return null;
  const body = pnl.opened === null ? empty(`No ledger yet: ${pnl.reason}.`) : [
    h("div", { class: "big", key: "big" }, h("p", { class: "huge" }, amount(pnl.today.trading, pnl.numeraire, { signed: true, flash: true })), h("p", { class: "sub2" }, "earned by trading today")),
    LOSS(pnl.loss),
    h("p", { class: "d", key: "equity" }, "Equity ", amount(pnl.equity, pnl.numeraire), " · since ", when(pnl.opened, app.doc.time), ": ", signed(pnl.since.trading)),
    h("p", { class: "row acts2", key: "more" }, h("a", { class: "btn small", href: "#valuation" }, "Where it came from")),
  ];
  return panel("p-pnl", "Profit and loss", 3, body);
};

const look = (name) => (name === "trading" ? "hold" : `s${TERMS.indexOf(name) + 1}`);
/** Its parts over time, each from the left edge on. */
export const profitInTime = () => {
  if (!app.doc.pnl?.opened) return null;
  return h("div", { key: "pnl", class: "all" }, h("h4", {}, "Profit and loss since the left edge"), overTime({
    id: "pnl", unit: app.doc.pnl.numeraire, height: 240, label: "Profit and loss in its parts over time, each as its change since the left edge.",
    series: [...TRADING, "base revaluation", "fiat revaluation", "trading"].map((name) => ({ name, help: HELP[name], cls: look(name), step: true, pick: () => changes((s) => s.profit?.[name]) })),
  }));
};

/* Each day's parts one upon the other, what cost below the line. */
const dayBars = (days) => {
  const rows = days.slice(-60);
  return chart({ id: "days", bars: true, unit: app.doc.pnl.numeraire, height: 260, stamp: JSON.stringify(rows), label: "Profit and loss by day, its parts stacked, what cost below the line.", series: PER_DAY.map((name) => ({ name, help: HELP[name], cls: look(name) })) },
    () => ({ unit: app.doc.pnl.numeraire, names: rows.map((d) => d.day), notes: rows.length < 15 ? rows.map((d) => group(d.trading, true)) : [], series: PER_DAY.map((name) => ({ name, cls: look(name), values: rows.map((d) => [Number(d[name] ?? 0), d[name]]) })) }));
};

/* A fill reaches a venue's balance and our ledger at different moments: only what lasts is a difference. */
const LASTS = 10000; // ms
const seen = new Map();
const lasting = (differences) => {
  const now = performance.now(), keys = new Set(differences.map((d) => `${d.venue} ${d.asset}`));
  for (const key of seen.keys()) if (!keys.has(key)) seen.delete(key);
  for (const key of keys) if (!seen.has(key)) seen.set(key, now);
  return differences.filter((d) => now - seen.get(`${d.venue} ${d.asset}`) >= LASTS);
};

/** Where it came from, in three periods. */
export const profitPanel = () => {
  const { pnl } = app.doc;
  if (!pnl) return null;
  if (pnl.opened === null) return panel("v-pnl", "Profit and loss", 7, empty(`No ledger yet: ${pnl.reason}.`));
  return panel("v-pnl", "Profit and loss, and where it came from", 7, [
    pnl.identity ? reason("bad", "The ledger does not add up: ", pnl.identity) : null,
    split(pnl),
    pnl.identity ? null : h("p", { class: "d", key: "adds" }, icon("ok"), "The ledger adds up: its parts are the change of equity."),
    h("p", { class: "row acts2", key: "csv" }, [["pnl", "Every booking as CSV"], ["pairs", "Fills and hedges as CSV"]].map(([name, text]) => h("a", { class: "btn small", key: name, href: `/api/${name}.csv`, download: `${name}.csv` }, icon("csv"), text))),
    lasting(pnl.differences).map((d) => h("div", { key: `${d.venue}${d.asset}` }, reason("warn", `${d.venue} says that it holds `, amount(d.told, d.asset), ", the ledger has ", amount(d.ledger, d.asset), ": something moved that nobody has explained yet."))),
  ]);
};

/** Its days, as picture and table. */
export const profitDays = () => {
  const { pnl } = app.doc;
  if (!pnl || pnl.opened === null) return null;
  return panel("v-days", "Profit and loss by day", 12, [pnl.days.length ? dayBars(pnl.days) : null, table("pnl-days", `Each day's parts in ${pnl.numeraire}`, DAYS, [...pnl.days].reverse(), { key: (d) => d.day, first: 7, none: "No day is over yet." })]);
};
