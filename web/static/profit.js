/* Profit and loss: where it came from, today, over the week and since the ledger was opened; and its days as a table. */
import { app } from "./app.js";
import { chart } from "./chart.js";
import { h, icon } from "./dom.js";
import { amount, percent, when } from "./format.js";
import { enough, points } from "./history.js";
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
  return panel("p-pnl", "Profit and loss", 3, body, { asof: app.doc.time });
};

const overTime = () => (enough() ? chart({
  id: "pnl", unit: app.doc.pnl.numeraire, height: 220, label: "Parts of today's profit and loss over time; the table above has the figures.",
  series: [...TRADING, "trading"].map((name, i) => ({ name, cls: name === "trading" ? "hold" : `s${i + 1}`, step: true, points: points((s) => s.profit?.[name]) })), markers: [],
}) : empty("The picture begins with the first samples, a few seconds from now."));

/** The panels of the tab Valuation. */
export const profitPanels = () => {
  const { pnl } = app.doc;
  if (!pnl) return [];
  if (pnl.opened === null) return [panel("v-pnl", "Profit and loss", 12, empty(`No ledger yet: ${pnl.reason}.`))];
  return [
    panel("v-pnl", "Profit and loss, and where it came from", 7, [
      pnl.identity ? reason("bad", "The ledger does not add up: ", pnl.identity) : null,
      split(pnl),
      pnl.differences.map((d) => h("div", { key: `${d.venue}${d.asset}` }, reason("warn", `${d.venue} says that it holds `, amount(d.told, d.asset), ", the ledger has ", amount(d.ledger, d.asset), ": something moved that nobody has explained yet."))),
    ], { asof: app.doc.time }),
    panel("v-pnltime", "Today's parts over time", 5, overTime(), { asof: app.doc.time }),
    panel("v-days", "Profit and loss by day", 12, table("pnl-days", `Each day's parts in ${pnl.numeraire}`, DAYS, [...pnl.days].reverse(), { key: (d) => d.day, first: 7, none: "No day is over yet." })),
  ];
};
