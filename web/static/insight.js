/* What would change the plan: asked for while the tab is in view, once a minute at most, as it is some tens of optimisations. */
import { app, redraw } from "./app.js";
import { h } from "./dom.js";
import { chart } from "./chart.js";
import { amount, computed, group, isNonZero, when } from "./format.js";
import { button, empty, panel, reason, table } from "./parts.js";
import { quoteOf } from "./tickers.js";

let found = null, problem = "", asking = false, asked = -Infinity;

const ask = async () => {
  asking = true;
  asked = performance.now();
  redraw();
  try {
    const answer = await fetch("/api/insight", { signal: AbortSignal.timeout(30000) });
    const document = await answer.json();
    problem = answer.ok ? "" : (document.reasons ?? ["the daemon did not answer"]).join("; ");
    if (answer.ok) found = document;
  } catch {
    problem = "the daemon did not answer in time";
  }
  asking = false;
  redraw();
};

const number = () => quoteOf(app.doc.data.source_ticker);
/* A move of the plan that would be: its amount, and the one that it has now where that differs. */
const moved = (m) => {
  const [then, now] = [m.amount, m.before].map((x) => computed(x, "", { significant: 6 }));
  return h("li", { key: m.label }, `${m.label}: `, isNonZero(m.amount) ? then : "off", m.amount === m.before ? null : [", now ", isNonZero(m.before) ? now : "off"]);
};
const SENSITIVITIES = [
  { name: "Parameter", head: true, cell: (s) => h("span", { title: s.parameter }, s.label), raw: (s) => s.label },
  { name: "Now", right: true, cell: (s) => computed(s.before, "", { significant: 6 }), raw: (s) => s.before },
  { name: "Tried", help: "The value with which the pool was solved again.", right: true, cell: (s) => computed(s.after, "", { significant: 6 }), raw: (s) => s.after },
  { name: "Value", help: "By how much the best plan would be worth more or less.", right: true, cell: (s) => amount(s.value, "", { signed: true }), raw: (s) => s.value },
  { name: "The plan then", wide: true, cell: (s) => [s.changed ? h("span", { class: "tag warn" }, "other moves") : h("span", { class: "none" }, "the same moves"), s.moves.length ? h("ul", {}, s.moves.map(moved)) : null], raw: (s) => [s.changed ? "other moves" : "the same moves", ...s.moves.map((m) => `${m.label}: ${m.amount}, now ${m.before}`)].join("; ") },
];
const PRICES = [
  { name: "Holding", head: true, cell: (p) => `${p.venue} ${p.asset}`, raw: (p) => `${p.venue} ${p.asset}` },
  { name: "One more", help: "What one unit more here is worth to the whole pool.", right: true, cell: (p) => computed(p.more, number()), raw: (p) => p.more },
  { name: "One less", help: "What one unit less here costs the whole pool.", right: true, cell: (p) => computed(p.less, number()), raw: (p) => p.less },
  { name: "Mark", help: "What one unit counts in the valuation.", right: true, cell: (p) => computed(p.mark, number()), raw: (p) => p.mark },
];
const OFF = [
  { name: "Move", head: true, cell: (m) => m.label, raw: (m) => m.label },
  { name: "Would cost", help: "Slippage, fees and charges at its best amount.", right: true, cell: (m) => amount(m.cost), raw: (m) => m.cost },
  { name: "Would gain", help: "What it would bring before its costs, which are more: that is why it is off.", right: true, cell: (m) => amount(m.gain), raw: (m) => m.gain },
  { name: "Amount", help: "At which it would be least bad.", right: true, cell: (m) => computed(m.amount, "", { significant: 6 }), raw: (m) => m.amount },
  { name: "Why it is off", wide: true, cell: (m) => m.reason, raw: (m) => m.reason },
];

/* What each move costs by its amount, and where the plan stands on it. */
const curve = (c) => {
  const chosen = Number(c.chosen), at = c.points.reduce((best, p) => (Math.abs(Number(p[0]) - chosen) < Math.abs(Number(best[0]) - chosen) ? p : best), c.points[0]);
  const label = `Cost of ${c.label} by its amount; chosen: ${group(c.chosen)} ${c.asset}`;
  return h("div", { key: `${c.move}.${c.direction}` }, h("h4", {}, c.label), h("p", { class: "d" }, chosen > 0 ? `The plan takes ${group(c.chosen)} ${c.asset}.` : "The plan leaves it out."), chart(
    { id: `cost-${c.move}-${c.direction}`, unit: number(), height: 180, stamp: found.time, label, series: [{ name: "cost", cls: "s1" }] },
    () => ({ unit: number(), across: c.asset, series: [{ name: "cost", cls: "s1", points: c.points.map(([x, y]) => [Number(x), Number(y), y]) }], markers: chosen > 0 ? [{ x: chosen, y: Number(at[1]), up: true, text: `chosen: ${group(c.chosen)} ${c.asset}` }] : [] })));
};

/* The parameters that matter most, by how much the best plan would be worth more or less. */
const MOST = 12;
const weights = () => {
  const most = [...found.sensitivities].filter((s) => Number(s.value)).sort((a, b) => Math.abs(Number(b.value)) - Math.abs(Number(a.value))).slice(0, MOST);
  if (!most.length) return null;
  return chart({ id: "weights", bars: true, unit: number(), height: 60 + 24 * most.length, stamp: found.time, label: `Change of the best plan's value when each parameter is moved a little, the ${most.length} that matter most.`, series: [{ name: "change of value", cls: "s1" }] },
    () => ({ unit: number(), across: "bars", names: most.map((s) => s.label), series: [{ name: "change of value", cls: "s1", colours: most.map((s) => (Number(s.value) < 0 ? "--ask" : "--bid")), values: most.map((s) => [Number(s.value), s.value]) }] }));
};

/** The panels of the tab Optimized. */
export const insight = () => {
  const stale = !found || found.time !== app.doc.valuation.time;
  if (!asking && !app.lost && stale && performance.now() - asked > 60000 && app.doc.valuation.base) setTimeout(ask, 0);
  const again = button(asking ? "Computing…" : "Compute again", ask, { disabled: asking, key: "again" });
  if (!found) return [panel("z-insight", "What would change the plan", 12, problem ? reason("warn", problem) : empty("Computed when there is a plan: every parameter is moved a little and the pool solved again."))];
  const at = h("p", { class: "d", key: "at" }, "For the plan of ", when(found.time, app.doc.time), ". ", problem ? `The newest could not be computed: ${problem}. ` : "", again);
  return [
    panel("z-insight", "What would change the plan", 12, [at, weights(), table("sensitivities", `Each parameter moved a little, the pool solved again; value in ${number()}`, SENSITIVITIES, found.sensitivities, { key: (s) => s.parameter, first: 12, none: "No parameter matters now." })]),
    found.curves.length ? panel("z-curves", "What each move costs by its amount", 12, h("div", { class: "multi" }, found.curves.map(curve))) : null,
    panel("z-prices", "What one unit more is worth where", 6, table("shadow-prices", "Shadow prices beside the marks", PRICES, found.shadow_prices, { key: (p) => `${p.venue}${p.asset}` })),
    panel("z-off", "Why a move is off", 6, table("why-off", `Moves that the best plan leaves out, in ${number()}`, OFF, found.why_off, { key: (m) => `${m.move}.${m.direction}`, none: "Every move is on." })),
  ];
};
