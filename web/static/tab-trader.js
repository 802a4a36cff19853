/* Trader: exposure, the quotes with one reason each, what needs a person, acts, fills, limits, parameters. */
import { app, canAct, redraw } from "./app.js";
import { allOrders, cancel, check, hedge, pause, testAlarms } from "./acts.js";
import { chart } from "./chart.js";
import { h, icon } from "./dom.js";
import { revert } from "./edits.js";
import { age, amount, between, computed, group, isNonZero, minus, percent, rounded, times, when, words } from "./format.js";
import { fillsInView, overTime, spans } from "./history.js";
import { known, loadOlder, older } from "./older.js";
import { bar, button, empty, list, panel, reason, table, term } from "./parts.js";
import { parameterPanel } from "./parameters.js";
import { allQuotes } from "./plan.js";
import { profitCard } from "./profit.js";
import { baseOf, places, quoteOf } from "./tickers.js";

const numeraire = () => quoteOf(app.doc.data.source_ticker);

const exposureOf = ([ticker, e]) => {
  const base = baseOf(ticker), share = e.limit ? percent(e.quantity, e.limit) : 0;
  const over = share > 100, open = isNonZero(e.quantity);
  return h("div", { key: ticker },
    h("div", { class: "big" },
      h("p", { class: `huge ${over ? "c-bad" : ""}` }, amount(e.quantity, base, { signed: true, flash: true })),
      h("p", { class: "sub2" }, amount(e.value, numeraire(), { signed: true }), open ? (e.quantity.startsWith("-") ? " · short" : " · long") : " · closed")),
    e.limit ? h("div", { class: "lim" }, bar(share, over ? "bad" : share > 50 ? "warn" : ""), h("p", {}, h("span", { class: over ? "c-bad" : "" }, over ? icon("bad") : null, `${share.toFixed(1)} % of limit`), h("span", {}, amount(e.limit, base)))) : null,
    open && e.reason ? h("p", { class: "why" }, e.reason) : null,
    open && e.since ? list([["Open since", [when(e.since, app.doc.time), ` · ${age(Math.max(0, between(e.since, app.doc.time)))}`]]]) : null);
};

const exposure = () => {
  const entries = Object.entries(app.doc.trader.exposure);
  const open = entries.some(([, e]) => isNonZero(e.quantity));
  return panel("p-exp", "Unhedged exposure", 3, entries.length ? [entries.map(exposureOf), h("div", { class: "row" }, button("Hedge now…", hedge, { disabled: !open || !canAct() }), open ? null : h("small", {}, "nothing to hedge"))]
    : empty("No fills yet. Every fill on the target shows here until the source has closed it."));
};

const edgeBand = (q) => {
  const p = app.doc.trader.parameters, low = Number(p.edge_to_leave?.value), high = Number(p.edge_to_drop?.value ?? p.edge_to_enter?.value), now = Number(q.edge);
  if (!q.resting || !Number.isFinite(low + high + now) || high <= low) return null;
  const x = Math.min(100, Math.max(0, ((now - low) / (high - low)) * 100));
  return [h("svg", { class: `edge ${q.side}`, role: "img", "aria-label": `edge ${q.edge} between ${p.edge_to_leave.value} and ${high}` },
    h("rect", { class: "et", width: "100%", height: "6", y: "5", rx: "3" }), h("rect", { class: "em", x: `${x.toFixed(1)}%`, y: "0", width: "4", height: "16", rx: "2" })),
    h("p", { class: "ends", key: "ends" }, h("span", {}, group(p.edge_to_leave.value), " leave"), h("span", {}, group(String(high)), " drop"))];
};

/* What a fill would bring against the middle of the source alone: the net edge has all that closing it costs taken off. */
const gross = (q) => {
  const [base, quote] = q.ticker.split("/"), { marks } = app.doc.state;
  const paid = q.price && times(q.price, marks[quote]), worth = marks[base];
  if (!q.resting || !paid || !worth) return null;
  return rounded(q.side === "bid" ? minus(worth, paid) : minus(paid, worth), 2);
};

const side = (q) => {
  const [base, quoteUnit] = [baseOf(q.ticker), quoteOf(q.ticker)], unit = `${numeraire()}/${base}`;
  const known = (v) => v !== null && v !== undefined;
  return h("div", { class: `side ${q.side}`, key: q.side },
    h("h4", {}, icon(q.side === "bid" ? "up" : "down"), q.side === "bid" ? "Bid " : "Ask ", h("small", {}, `pool ${q.side === "bid" ? "buys" : "sells"} ${base}`)),
    q.resting ? [h("p", { class: "px", key: "px" }, amount(q.price, quoteUnit, { flash: true })), h("p", { class: "sz", key: "sz" }, amount(q.size, base), " resting")]
      : [h("p", { class: "px off", key: "off" }, `No ${q.side}`), reason(app.doc.trader.state === "TRADING" ? "warn" : app.doc.trader.state === "HALTED" ? "bad" : "", q.reason ?? "no reason was given"),
        known(q.price) && app.doc.trader.state === "READY" ? h("p", { class: "then" }, "START would place ", amount(q.size, base), " at ", amount(q.price, quoteUnit), ".") : null],
    list([
      known(q.edge) ? ["Net edge", h("b", {}, amount(q.edge, unit, { flash: true })), "What is left per unit if this quote fills now and is closed on the source at once, after all fees."] : null,
      gross(q) ? ["Gross edge", amount(gross(q), unit), "The same against the middle of the source at its mark, before fees, spread and slippage."] : null,
      ["Reference", computed(q.reference, quoteUnit, { flash: true }), "The worse of hedge price and reservation price: at it a fill neither gains nor loses."],
      ["Reservation", computed(q.reservation, quoteUnit, { flash: true }), "At this price a fill leaves the pool's best value unchanged, with stock, transfers and risk counted in."],
      ["Hedge price", computed(q.hedge, quoteUnit, { flash: true }), "What closing the fill on the source comes to, in this currency, fees included."],
      q.band ? ["Allowed band", [computed(q.band[0], "", { significant: 7 }), " to ", computed(q.band[1], quoteUnit, { significant: 7 })], "A resting quote stays while its price is in here."] : null,
    ]), edgeBand(q));
};

const quotes = () => {
  const groups = Map.groupBy ? Map.groupBy(allQuotes(app.doc.trader.quotes), (q) => `${q.ticker} on ${q.venue}`) : new Map([["", allQuotes(app.doc.trader.quotes)]]);
  return panel("p-quotes", "Quotes", 6, groups.size ? [...groups].map(([name, pair]) => h("div", { key: name }, h("p", { class: "d" }, name), h("div", { class: "sides" }, pair.map(side)))) : empty("No quotes yet: prices appear when both books and the rate are fresh."));
};

const needs = () => {
  const mine = app.doc.needs_you ?? [];
  return panel("p-needs", ["Needs you ", mine.length ? h("span", { class: "count2" }, String(mine.length)) : null], 3,
    mine.length ? h("ul", { class: "todo" }, mine.map((n) => h("li", { key: n.text, class: n.level }, icon(n.level === "bad" ? "unknown" : "hand"), h("div", {}, h("p", {}, n.text)), n.tab ? h("a", { class: "btn small", href: `#${n.tab}` }, "Open") : null)))
      : empty("Nothing. What waits for a person appears here: proposed and uncertain transfers, unknown orders."));
};

/* Units of the limits, where the daemon gives only numbers. */
const UNITS = { exposure: "base", largest_order: "base", largest_coin_transfer: "base", turnover_per_day: "base", largest_fiat_transfer: "numeraire", loss_per_day: "numeraire", price_band: "fraction" };
const limitUnit = (name) => ({ base: app.doc.data.btc_ticker, numeraire: numeraire(), fraction: "of the reference" })[UNITS[name]] ?? "";

/* The price that the source implies against the target's book, with our quotes and fills on it. */
const priceOf = ({ venue, ticker }) => {
  const [base, unit] = [baseOf(ticker), quoteOf(ticker)], book = `${venue} ${ticker}`;
  const ofQuote = (side, part) => () => (s) => s.quotes[`${book} ${side}`]?.[part];
  const fills = fillsInView((f) => f.venue === venue && f.ticker === ticker);
  return overTime({
    id: `price-${book.replace(/\W/g, "-")}`, unit, height: 320, stamp: String(fills.length), markers: true,
    label: `The price of ${ticker} that the source implies, the best prices on ${venue}, our own quotes, their references and own fills over time; the table below has the figures.`,
    series: [
      { name: "best bid", help: "The best price in the target’s book, our own orders included.", cls: "book", loose: true, step: true, pick: () => (s) => s.books[book]?.[0] }, { name: "best ask", cls: "book", loose: true, step: true, pick: () => (s) => s.books[book]?.[1] },
      { name: "reference bid", help: "The worse of hedge price and reservation price: at it a fill neither gains nor loses.", cls: "ref", pick: ofQuote("bid", 1) }, { name: "reference ask", cls: "ref", pick: ofQuote("ask", 1) },
      { name: "source-implied bid", help: "What selling on the source comes to in this currency, at the rate, fees included.", cls: "s1", pick: ofQuote("bid", 2) }, { name: "source-implied ask", help: "What buying on the source comes to in this currency, at the rate, fees included.", cls: "s2", pick: ofQuote("ask", 2) },
      { name: "our bid", cls: "bid", step: true, pick: ofQuote("bid", 0) }, { name: "our ask", cls: "ask", step: true, pick: ofQuote("ask", 0) },
    ],
  }, () => ({ markers: fills.map((f) => ({ x: f.t, y: Number(f.price), up: f.side === "BUY", text: `${f.side === "BUY" ? "bought" : "sold"} ${group(f.quantity)} ${base} at ${group(f.price)}` })) }));
};
const prices = () => {
  const markets = [...new Map(allQuotes(app.doc.trader.quotes).map((q) => [`${q.ticker} on ${q.venue}`, q]))];
  if (!markets.length) return panel("p-price", "Price, quotes and fills", 12, empty("No quotes yet: the picture begins when both books and the rate are fresh."));
  return panel("p-price", "Price, quotes and fills", 12, [spans(), markets.map(([name, q]) => h("div", { key: name }, h("h4", {}, name), priceOf(q)))]);
};

const CHANNELS = [
  { name: "Channel", head: true, cell: (c) => c.name, raw: (c) => c.name },
  { name: "From", help: "The least severity that goes there.", cell: (c) => c.level, raw: (c) => c.level },
  { name: "Last try", cell: (c) => (c.at ? when(c.at, app.doc.time) : "none yet"), raw: (c) => c.at },
  { name: "Waiting", help: "Alarms that this channel has not taken yet; they are tried again.", right: true, cell: (c) => amount(String(c.waiting)), raw: (c) => c.waiting },
  { name: "How it went", wide: true, cell: (c) => (c.error ? h("span", { class: "tag warn" }, icon("warn"), c.error) : c.at ? [icon("ok"), "taken"] : "–"), raw: (c) => c.error },
];
const alarms = () => {
  const all = [...(app.doc.trader.alarms ?? [])].reverse(), told = app.doc.alarms;
  if (!all.length && !told) return null;
  return panel("p-alarms", "Alarms", 12, [
    (told?.active ?? []).map((a) => h("div", { key: `${a.kind}${a.message}` }, reason(a.severity === "critical" ? "bad" : a.severity === "warning" ? "warn" : "", h("b", {}, `${a.kind}: `), a.message))),
    all.length ? h("ul", { class: "latest", key: "latest" }, all.map((a, i) => h("li", { key: `${a.at}${a.kind}${i}` }, when(a.at, app.doc.time), h("p", {}, icon("warn"), h("b", {}, `${a.kind}: `), a.message)))) : told?.active?.length ? null : h("p", { class: "d", key: "none" }, "No alarm in this run."),
    told ? h("details", { key: "channels" }, h("summary", {}, told.channels.length ? `Told to ${told.channels.map((c) => c.name).join(", ")}` : "Nobody is told: [alarms] names no channel"),
      told.channels.length ? table("channels", "Who is told while nobody looks", CHANNELS, told.channels, { key: (c) => c.name }) : null,
      h("p", { class: "row acts2" }, button("Send a test…", testAlarms, { disabled: !canAct() || !told.channels.length, key: "test" }), h("small", {}, told.heartbeat.on ? `heartbeat: taken ${told.heartbeat.taken} times${told.heartbeat.error ? `, the last was not: ${told.heartbeat.error}` : ""}` : "no heartbeat"))) : null,
  ]);
};

/* Each part of the machine with whether it may act by itself. */
const PARTS = [["quotes", "Quotes", "Own orders that rest on the target."], ["hedges", "Hedging", "Orders on the source that close what a quote’s fill opened."], ["transfers", "Transfers", "What the plan moves between the venues, and payouts."], ["wind down", "Wind down", "Only what reduces exposure is sent: hedges and cancels."]];
const pauses = () => {
  const on = app.doc.trader.paused ?? [];
  return h("ul", { class: "pauses", key: "pauses" }, PARTS.map(([what, name, help]) => {
    const paused = on.includes(what), winding = what === "wind down";
    return h("li", { key: what }, h("span", { class: paused ? "c-bad" : "" }, icon(paused ? "warn" : winding ? "none" : "ok"), term(name, help), paused ? (winding ? ": winding down" : ": paused") : winding ? ": off" : ""),
      button(paused ? "Go on…" : winding ? "Wind down…" : "Pause…", () => pause(what, !paused), { disabled: !canAct(), key: `pause-${what}` }));
  }));
};

const control = () => {
  const { checks } = app.doc.trader;
  const failed = checks.filter((c) => !c.ok);
  const starting = !["TRADING", "STOPPING", "SHUTDOWN", "HALTED"].includes(app.doc.trader.state);
  const orders = allOrders();
  const venues = [...new Set(orders.map((o) => o.venue))];
  return panel("p-control", "Control", 3, [
    app.doc.trader.state === "TRADING" ? h("p", { class: "d" }, app.doc.trader.plan_reason ? `Plan: ${app.doc.trader.plan_reason}.` : "Plan: acted on as soon as it gains enough.") : null,
    starting && failed.length ? h("ul", { class: "checks" }, failed.map(check)) : null,
    starting && h("details", {}, h("summary", {}, `${checks.length - failed.length} of ${checks.length} conditions of START hold`), h("ul", { class: "checks" }, checks.filter((c) => c.ok).map(check))),
    pauses(),
    h("div", { class: "row acts2" }, venues.map((venue) => button(`Cancel all on ${venue}…`, () => cancel(venue, orders.filter((o) => o.venue === venue), { all: true }), { cls: "small danger", disabled: !canAct() })),
      venues.length ? null : h("small", {}, "no orders to cancel")),
  ]);
};

const COLUMNS = [
  { name: "Time", head: true, cell: (f) => when(f.at, app.doc.time), raw: (f) => f.at },
  { name: "What", cell: (f) => [h("b", { class: f.side === "BUY" ? "c-bid" : "c-ask" }, icon(f.side === "BUY" ? "up" : "down"), f.side === "BUY" ? "bought" : "sold"), f.purpose ? h("small", {}, ` ${f.purpose}`) : null], raw: (f) => `${f.side} ${f.purpose ?? ""}` },
  { name: "Where", cell: (f) => f.venue, raw: (f) => f.venue },
  { name: "Quantity", right: true, cell: (f) => amount(f.quantity, baseOf(f.ticker)), raw: (f) => f.quantity },
  { name: "Price", right: true, cell: (f) => amount(f.price, quoteOf(f.ticker)), raw: (f) => f.price },
  { name: "Fees", right: true, cell: (f) => Object.entries(f.fees ?? {}).map(([c, a]) => amount(a, c)), raw: (f) => Object.entries(f.fees ?? {}).map(([c, a]) => `${a} ${c}`).join(" ") },
];

const fills = () => panel("p-last", "Fills", 6, table("fills", "Own fills, latest first", COLUMNS, app.doc.trader.fills, { key: (f) => `${f.at}${f.venue}${f.price}${f.quantity}`, first: 8, none: "No fills yet. They appear here at once, and what closed them beside." }));

/* A closed fill may be older than those that the page has; then neither is known. */
const filled = (x) => app.doc.trader.fills.find((f) => f.key === x.fill_key);
const took = (x) => (filled(x) ? between(filled(x).at, x.at).toFixed(3) : null);
const raced = (x) => (filled(x)?.raced ? rounded(filled(x).raced, 3) : null);
const seconds = (text) => (text === null ? h("span", { class: "none" }, "–") : amount(text, "s"));
const HEDGES = [
  { name: "Time", head: true, cell: (x) => when(x.at, app.doc.time), raw: (x) => x.at },
  { name: "Fill", help: "Venue, number and quantity of the fill on the target.", cell: (x) => h("code", {}, x.fill_key), raw: (x) => x.fill_key },
  { name: "Closed by", help: "The fill on the source that closed it, the opposite fill that it was netted with, or the plan that kept it.", cell: (x) => h("code", {}, x.closed_by), raw: (x) => x.closed_by },
  { name: "Quantity", help: "How much of the fill this closed.", right: true, cell: (x) => amount(x.quantity), raw: (x) => x.quantity },
  { name: "After", help: "How long after the fill, by the venues’ clocks.", right: true, cell: (x) => seconds(took(x)), raw: took },
  { name: "Edge", help: "Gain per unit against the source’s book when the fill happened, all fees deducted.", right: true, cell: (x) => amount(rounded(x.edge, places(numeraire())), "", { signed: true }), raw: (x) => x.edge },
  { name: "Outran us by", help: "Where a fill was faster than our cancel: for how long the source’s worse book had been known. Its edge may lie below the least one.", right: true, cell: (x) => seconds(raced(x)), raw: raced },
  { name: "Slippage", help: "How much worse than that book the hedge was; negative when better.", right: true, cell: (x) => amount(rounded(x.slippage, places(numeraire())), "", { signed: true }), raw: (x) => x.slippage },
];
const hedges = () => panel("p-hedges", ["What closed the fills ", h("small", {}, `edge and slippage in ${numeraire()} per ${app.doc.data.btc_ticker}`)], 12, table("hedges", "Each fill on the target with what closed it", HEDGES, app.doc.trader.hedges, { key: (x) => `${x.fill_key}${x.closed_by}${x.at}`, first: 8, none: "Nothing has been hedged yet." }));

const limits = () => panel("p-limits", "Limits of the gate", 5, Object.keys(app.doc.data.limits).length ? list(Object.entries(app.doc.data.limits).map(([name, v]) => [words(name), v && typeof v === "object" ? amount(v.value, v.unit) : amount(v === null ? null : String(v), limitUnit(name)), app.doc.data.help?.[name]])) : empty("No limits are known yet."));

/* An edit's line names the parameter; a cost is written `[fixed, proportional]`. */
const oldValue = (x) => {
  if (!app.doc.trader.parameters[x.what]) return null;
  const pair = /^\[(.*),(.*)\]$/.exec(x.before);
  return pair ? [pair[1].trim(), pair[2].trim()] : x.before || null;
};
const ACTS = [
  { name: "Time", head: true, cell: (x) => when(x.at, app.doc.time), raw: (x) => x.at },
  { name: "By", cell: (x) => x.by, raw: (x) => x.by },
  { name: "What", cell: (x) => (app.doc.trader.parameters[x.what] ? words(x.what) : [h("b", {}, x.what), x.about ? ` ${x.about}` : ""]), raw: (x) => `${x.what} ${x.about}`.trim() },
  { name: "Before", cell: (x) => x.before || "–", raw: (x) => x.before },
  { name: "After", cell: (x) => x.after || "–", raw: (x) => x.after },
  { name: "Why", wide: true, cell: (x) => x.why, raw: (x) => x.why },
  { name: "Acts", cell: (x) => (oldValue(x) === null ? "" : button([icon("back"), "revert"], () => revert(x.what, oldValue(x)), { cls: "small ghost", key: "revert", disabled: !canAct(), title: "Applies the old value again, at once" })) },
];
const actKey = (x) => `${x.at}${x.what}${x.about}${x.after}`;
const audit = () => {
  if (!app.doc.audit) return null;
  const lines = known(app.doc.audit);
  return panel("p-audit", "Who did what", 12, [
    table("audit", "Acts and edits, latest first", ACTS, lines, { key: actKey, first: 12, none: "Nobody has done anything yet." }),
    lines.length && older.more ? h("p", { class: "row acts2", key: "older" }, button(older.busy ? "Loading…" : "Load older", () => { app.all.audit = true; loadOlder(lines); }, { key: "older", disabled: older.busy }), older.problem ? h("span", { class: "none", role: "status" }, older.problem) : null) : null,
  ]);
};

const ms = (seconds) => amount(String(Number((seconds * 1000).toPrecision(3))), "ms");
/* How often something took how long: a bar for each stretch of time, of the latency that is picked. */
const spreadOf = (all) => {
  const one = all.find((s) => s.name === app.speed) ?? all[0];
  if (!one) return null;
  const upTo = (i) => (i < one.bounds.length ? `≤ ${Number((one.bounds[i] * 1000).toPrecision(3))} ms` : `> ${one.bounds.at(-1) * 1000} ms`);
  return [
    h("div", { class: "spans", role: "group", "aria-label": "Latency that the picture shows", key: "which" }, "Show ", all.map((s) => h("button", { type: "button", class: "btn small", key: s.name, title: s.help, "aria-pressed": s === one ? "true" : "false", onclick: () => { app.speed = s.name; redraw(); } }, words(s.name.replace(/^ilp_|_seconds$/g, ""))))),
    chart({ id: "speeds", bars: true, height: 200, stamp: `${one.name} ${one.counts}`, label: `${one.help} How many took how long.`, series: [{ name: "how many", cls: "s1" }] },
      () => ({ unit: "", names: one.counts.map((_, i) => upTo(i)), series: [{ name: "how many", cls: "s1", values: one.counts.map((n) => [n, String(n)]) }] })),
  ];
};
const SPEEDS = [
  { name: "What", head: true, cell: (s) => h("span", { class: "term", "data-help": s.name, tabindex: "0" }, s.help), raw: (s) => s.name },
  { name: "Half within", help: "The median of the newest 2000.", right: true, cell: (s) => ms(s.p50), raw: (s) => s.p50 },
  { name: "90 % within", right: true, cell: (s) => ms(s.p90), raw: (s) => s.p90 },
  { name: "99 % within", right: true, cell: (s) => ms(s.p99), raw: (s) => s.p99 },
  { name: "Worst", help: "Since the daemon was started.", right: true, cell: (s) => ms(s.worst), raw: (s) => s.worst },
  { name: "Count", right: true, cell: (s) => amount(String(s.count)), raw: (s) => s.count },
];
const speeds = () => (app.doc.speeds ? panel("p-speeds", "How fast it reacts", 12, [table("speeds", "Latencies of this daemon, in milliseconds", SPEEDS, app.doc.speeds, { key: (s) => s.name, none: "Nothing was measured yet." }), spreadOf(app.doc.speeds)]) : null);

/** The tab. */
export const trader = () => [exposure(), quotes(), needs(), prices(), control(), profitCard(), fills(), parameterPanel("trader", "Parameters of the trader", 7), limits(), alarms(), hedges(), speeds(), audit()];
