/* Optimized and Valuation: the three columns side by side, every holding and every move, and what the terms mean. */
import { app } from "./app.js";
import { chart } from "./chart.js";
import { h, hiddenText, icon } from "./dom.js";
import { age, amount, computed, group, isNonZero, minus, rounded, when } from "./format.js";
import { bar, empty, list, panel, table, term } from "./parts.js";
import { parameterPanel } from "./parameters.js";
import { overTime, spans } from "./history.js";
import { insight } from "./insight.js";
import { moveKey, moveName } from "./plan.js";
import { profitDays, profitInTime, profitPanel } from "./profit.js";
import { quoteOf } from "./tickers.js";

const NAMES = [["base", "Now", "the pool as it stands"], ["optimized", "Optimized", "the optimum, exact"], ["rounded", "Rounded", "what would be done"]];
const TERMS = [
  ["value", "The whole: cash less costs, risk and deviation."],
  ["cash", "All holdings at their marks, before the plan."],
  ["costs", "Slippage, half spread, fees and charges of the plan."],
  ["risk", "What the variance of the holdings is charged with."],
  ["deviation", "What being away from the targets is charged with."],
];
const SUBTRACTED = ["costs", "risk", "deviation"]; // value = cash less these
const numeraire = () => quoteOf(app.doc.data.source_ticker);
const columns = () => NAMES.map(([id, name, help]) => ({ id, name, help, column: app.doc.valuation[id] }));
const noPlan = () => empty("No plan yet: it needs both books, a rate, the balances and the variances. It appears by itself.");

const heads = () => h("tr", {}, h("th", { scope: "col" }, hiddenText("What")), columns().map((c) => h("th", { scope: "col", class: "r", key: c.id, title: c.help }, c.name)));
const line = (key, name, cells, cls = "") => h("tr", { key, class: cls }, h("th", { scope: "row" }, name), cells.map((c, i) => h("td", { class: "r", key: i }, c)));

const three = () => {
  const all = columns();
  const moves = new Map(all.flatMap(({ column }) => (column?.moves ?? []).map((m) => [moveKey(m), m])));
  const holdings = all.find(({ column }) => column)?.column.holdings ?? [];
  const inColumn = (column, key) => column?.moves.find((m) => moveKey(m) === key);
  const total = (column, x) => column?.holdings.find((y) => y.venue === x.venue && y.asset === x.asset)?.total;
  const group = (text) => h("tr", { key: text, class: "grp" }, h("th", { scope: "rowgroup", colspan: "4" }, text));
  return h("table", { class: "three" }, h("caption", {}, `Amounts in ${numeraire()} unless another unit is given`), h("thead", {}, heads()),
    h("tbody", {}, group("Value"),
      TERMS.map(([name, help]) => line(name, term(name, help), all.map(({ column }) => [SUBTRACTED.includes(name) && isNonZero(column?.[name]) ? "−" : "", amount(column?.[name])]), name === "value" ? "eq" : "")),
      line("gain", "gain", all.map(({ column }) => (column && app.doc.valuation.base ? amount(minus(column.value, app.doc.valuation.base.value), "", { signed: true }) : amount(null)))),
      group("Moves"), moves.size ? null : line("none", "none", ["", "", ""]),
      [...moves].map(([key, m]) => line(key, moveName(m), all.map(({ column }) => (inColumn(column, key) ? amount(inColumn(column, key).amount, m.asset) : h("span", { class: "none" }, "–"))))),
      group("Holdings after it"),
      holdings.map((x) => line(`${x.venue}${x.asset}`, `${x.venue} ${x.asset}`, all.map(({ column }) => amount(total(column, x), x.asset))))));
};

const proof = () => {
  const { bound, optimized, exhausted, branches, solve_ms: ms, time } = app.doc.valuation;
  const gap = bound && optimized ? minus(rounded(bound, 2), rounded(optimized.value, 2)) : null;
  return list([
    ["Proven bound", amount(rounded(bound, 2), numeraire()), "No plan at all can be worth more than this."],
    ["Gap", [amount(gap, numeraire()), exhausted ? [" ", h("span", { class: "tag warn" }, icon("warn"), "budget used up")] : null], "How much better any other plan could be at most."],
    exhausted ? ["Search", `ended after ${group(String(branches))} branches: a better plan may exist`, "The optimizer tries so many branches and no more; the bound holds all the same."] : null,
    ["Solved in", ms === null ? "–" : `${ms} ms`, "How long the optimizer took to find the plan. The prices of quotes are found apart, when quotes ask for them."], ["Pool of", when(time, app.doc.time), "The moment whose books, balances and rate were computed with."],
  ]);
};

const why = () => {
  const { rounded: plan, base } = app.doc.valuation;
  if (!plan || !base) return noPlan();
  const gain = minus(plan.value, base.value);
  if (plan.moves.length) return h("p", {}, "Doing the rounded plan raises the value by ", h("b", {}, amount(gain, numeraire(), { signed: true })), ", its costs of ", amount(plan.costs, numeraire()), " already taken off.");
  if (plan.withheld) return h("p", {}, "Why not move: ", plan.withheld);
  return h("p", {}, "Why not move: no plan gains at least ", amount(app.doc.trader.parameters.min_gain?.value ?? null, numeraire()), " after its costs, minima and rounding.");
};

/** The tab Optimized. */
export const optimized = () => [
  panel("z-cols", "Now, optimized, rounded", 8, app.doc.valuation.base ? three() : noPlan(), { asof: app.doc.valuation.time }),
  panel("z-why", "What it means", 4, [why(), app.doc.trader.plan_reason ? h("p", { class: "d" }, `Last decision: ${app.doc.trader.plan_reason}.`) : null, app.doc.valuation.base ? [proof(), h("p", { class: "row acts2" }, h("a", { class: "btn small", href: "/api/pool", download: "pool.json" }, icon("csv"), "Pool as JSON"), h("small", {}, "what ilp.py solve reads"))] : null], { asof: app.doc.valuation.time }),
  insight(),
  parameterPanel("optimized", "Parameters of the plan", 12),
];

const terms = () => {
  const { base, rounded: plan } = app.doc.valuation;
  if (!base) return noPlan();
  const largest = Math.max(...["costs", "risk", "deviation"].flatMap((t) => [base[t], plan?.[t] ?? 0].map((v) => Math.abs(Number(v)))), 1e-9);
  const row = (t) => h("tr", { key: t }, h("th", { scope: "row" }, term(t, TERMS.find(([n]) => n === t)[1])),
    h("td", { class: "barc" }, h("span", { class: "barpair" }, bar((Math.abs(Number(base[t])) / largest) * 100), plan ? bar((Math.abs(Number(plan[t])) / largest) * 100, "then") : null)),
    h("td", { class: "r", "data-l": "Now" }, h("span", {}, isNonZero(base[t]) ? "−" : "", amount(base[t]))), h("td", { class: "r", "data-l": "After the plan" }, h("span", {}, plan ? [isNonZero(plan[t]) ? "−" : "", amount(plan[t])] : amount(null))));
  const whole = (t) => h("tr", { key: t, class: t === "value" ? "eq" : "" }, h("th", { scope: "row" }, t), h("td", { class: "barc" }), h("td", { class: "r", "data-l": "Now" }, amount(base[t])), h("td", { class: "r", "data-l": "After the plan" }, amount(plan?.[t])));
  return h("table", { class: "vt" }, h("caption", {}, `in ${numeraire()}; the upper bar is now, the lower one after the plan`), h("thead", {}, h("tr", {}, ["Term", "Share", "Now", "After the plan"].map((t, i) => h("th", { scope: "col", class: i > 1 ? "r" : "" }, t)))), h("tbody", {}, whole("cash"), ["costs", "risk", "deviation"].map(row), whole("value")));
};

const marks = () => table("marks", `Value of one unit in ${numeraire()}, from mid prices`, [
  { name: "Asset", head: true, cell: ([a]) => a, raw: ([a]) => a }, { name: "Mark", help: "Value of one unit, from the middle of the books and the rate.", right: true, cell: ([, m]) => amount(m, numeraire()), raw: ([, m]) => m },
], Object.entries(app.doc.state.marks), { key: ([a]) => a, none: "No marks yet: they come from the books and the rate." });

const variances = () => table("variances", "Variance of one period's change, in the numeraire squared", [
  { name: "Pair", head: true, cell: ([p]) => p, raw: ([p]) => p }, { name: "Variance", help: "How strongly the price moves in a period; with risk aversion it makes the term risk.", right: true, cell: ([, v]) => computed(v.value, "", { significant: 5 }), raw: ([, v]) => v.value },
  { name: "Together", help: "How far the price moves together with that of what is traded: 1 always, 0 not at all, −1 always against it. What moves together is a larger risk.", right: true, cell: ([, v]) => computed(v.correlation, "", { significant: 2 }), raw: ([, v]) => v.correlation },
  { name: "Age", help: "Since the last closing price that it rests on. Each is estimated anew once a period.", right: true, cell: ([, v]) => age(v.age), raw: ([, v]) => v.age },
  { name: "From", wide: true, cell: ([, v]) => v.origin, raw: ([, v]) => v.origin },
], Object.entries(app.doc.state.variances), { key: ([p]) => p, none: "No variances yet: histories are still being loaded." });

/* Now, optimized and rounded side by side: all have the same cash, so what differs is what is taken off it. */
const takenOff = () => {
  const all = columns().filter(({ column }) => column);
  if (!all.length) return noPlan();
  const series = [["deviation", "s2"], ["risk", "s3"], ["costs", "s5"]].map(([name, cls]) => ({ name, help: TERMS.find(([n]) => n === name)[1], cls, values: all.map(({ column }) => [Number(column[name]), column[name]]) }));
  return [
    chart({ id: "columns", bars: true, unit: numeraire(), height: 260, stamp: JSON.stringify(all.map(({ column }) => [column.value, column.deviation, column.risk, column.costs])), label: "What is taken off the cash now, by the exact optimum and by the rounded plan: deviation, risk and costs, stacked.", series },
      () => ({ unit: numeraire(), names: all.map((c) => c.name), notes: all.map(({ column }) => `value ${group(column.value)}`), series })),
    h("p", { class: "d", key: "cash" }, "The value is the cash, ", amount(all[0].column.cash, numeraire()), " in every column, less the bar."),
  ];
};

/* What the pool is worth and what is taken off its cash, one upon the other, and what trading brought. */
const timeline = () => [spans(), h("div", { class: "multi", key: "each" },
  h("div", { key: "value" }, h("h4", {}, "Value and cash"), overTime({
    id: "value", unit: numeraire(), height: 240, label: "Value of the pool as it stands, and its cash, over time.",
    series: [{ name: "cash", cls: "other", step: true, pick: () => (s) => s.terms?.cash }, { name: "value", cls: "hold", step: true, pick: () => (s) => s.value }],
  })),
  h("div", { key: "terms" }, h("h4", {}, "What it is charged with"), overTime({
    id: "terms", unit: numeraire(), height: 240, label: "Deviation and risk of the pool as it stands, stacked, over time.",
    series: [["deviation", "s2", "--s2"], ["risk", "s3", "--s3"]].map(([name, cls, stack]) => ({ name, cls, stack, step: true, pick: () => (s) => s.terms?.[name] })),
  })),
  profitInTime())];

/** The tab Valuation. */
export const valuation = () => [
  panel("v-terms", "What the value is made of", 7, terms(), { asof: app.doc.valuation.time }),
  panel("v-columns", "Now, optimized and rounded", 5, takenOff(), { asof: app.doc.valuation.time }),
  profitPanel(),
  panel("v-marks", "Marks and variances", 5, [marks(), variances()].map((t, i) => h("div", { key: i }, t))),
  panel("v-time", "Over time", 12, timeline()),
  profitDays(),
  parameterPanel("valuation", "How it is valued", 12),
];
