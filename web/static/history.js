/* The samples behind the pictures: the daemon's latest, then the page's own at the same pace; or those of hours and days,
   further apart, as the daemon has kept them. */
import { app, redraw } from "./app.js";
import { chart } from "./chart.js";
import { h } from "./dom.js";
import { group, minus } from "./format.js";
import { empty } from "./parts.js";

const SPANS = [["latest", 0], ["6 h", 21600], ["1 day", 86400], ["7 days", 604800], ["30 days", 2592000], ["1 year", 31536000]];
const AGAIN = 60000; // ms after which kept samples are asked for anew
const PARTS = ["spread", "hedge slippage", "plan slippage", "trade fees", "transfer costs", "base revaluation", "fiat revaluation", "interest and funding", "trading"];
const CAP = 900;

let span = 0, every = 2, taken = -Infinity, asked = -Infinity, askedFor = -1, version = 0;
const kept = { latest: [], past: [], fills: [] };

/** The same as `web/history.py`. */
const sample = (doc) => ({
  at: doc.time,
  quotes: Object.fromEntries(Object.entries(doc.trader.quotes).flatMap(([venue, tickers]) => Object.entries(tickers).flatMap(([ticker, sides]) => Object.entries(sides).map(([side, q]) => [`${venue} ${ticker} ${side}`, [q.resting ? q.price : null, q.reference, q.hedge]])))),
  books: Object.fromEntries(Object.entries(doc.state.books).flatMap(([venue, books]) => Object.entries(books).map(([ticker, b]) => [`${venue} ${ticker}`, [b.bid, b.ask]]))),
  holdings: Object.fromEntries(doc.state.holdings.map((x) => [`${x.venue} ${x.asset}`, [x.total, x.target]])),
  exposure: Object.values(doc.trader.exposure)[0]?.quantity ?? null,
  value: doc.valuation.base?.value ?? null,
  terms: doc.valuation.base ? Object.fromEntries(["cash", "costs", "risk", "deviation"].map((name) => [name, doc.valuation.base[name]])) : null,
  profit: doc.pnl?.opened ? Object.fromEntries(PARTS.map((name) => [name, doc.pnl.since[name]])) : null,
});

const timed = (s) => ({ ...s, t: Date.parse(s.at) });

const load = async () => {
  const wanted = span;
  asked = performance.now();
  askedFor = wanted;
  try {
    const answer = await fetch(wanted ? `/api/history?span=${wanted}` : "/api/history", { signal: AbortSignal.timeout(10000) });
    if (!answer.ok || wanted !== span) return;
    const found = await answer.json();
    kept[wanted ? "past" : "latest"] = found.samples.map(timed);
    kept.fills = found.fills;
    if (!wanted) every = found.every;
    version += 1;
    redraw();
  } catch { /* the pictures begin now, then */ }
};

/** Called with every new document. */
export const remember = () => {
  const now = performance.now(), since = now - asked;
  const late = span ? since > AGAIN : now - taken > 5 * every * 1000 && since > 10000; // first news, or news after a pause
  if (late || (askedFor !== span && since > 1000)) load();
  if (now - taken < every * 1000) return;
  taken = now;
  const s = timed(sample(app.doc)), before = kept.latest.at(-1);
  if (before && before.t >= s.t) return; // the daemon's own sample of this moment, or a world that does not move
  kept.latest.push(s);
  if (kept.latest.length > CAP) kept.latest.shift();
  if (!span) version += 1;
};

const samples = () => (span ? kept.past : kept.latest);
const enough = () => samples().length > 2;

/** Changes when there is something new to draw. */
export const stamp = () => `${span} ${version}`;

/** Points of one figure: `pick(sample)` gives a text or null. */
const points = (pick) => samples().map((s) => {
  const text = pick(s) ?? null;
  return [s.t, text === null ? null : Number(text), text];
});

/** The same, as its change since the first moment in the picture. */
export const changes = (pick) => {
  const first = samples().map(pick).find((text) => text !== null && text !== undefined) ?? null;
  return (s) => { const text = pick(s) ?? null; return text === null || first === null ? null : minus(text, first); };
};

/** Own fills between the first and the last moment of the picture: as many as the daemon has at hand. */
export const fillsInView = (wanted) => {
  const all = new Map([...kept.fills, ...app.doc.trader.fills].filter(wanted).map((f) => [f.key ?? `${f.at}${f.price}${f.quantity}`, f]));
  const [from, to] = [samples()[0]?.t, samples().at(-1)?.t];
  return [...all.values()].map((f) => ({ ...f, t: Date.parse(f.at) })).filter((f) => f.t >= from && f.t <= to);
};

/** Which time the pictures show. */
export const spans = () => h("div", { class: "spans", role: "group", "aria-label": "Time that the pictures show", key: "spans" }, "Show ", SPANS.map(([name, seconds]) =>
  h("button", { type: "button", class: "btn small", key: name, "aria-pressed": span === seconds ? "true" : "false", onclick: () => { span = seconds; asked = -Infinity; version += 1; load(); redraw(); } }, name)),
  h("small", {}, samples().length ? `${group(String(samples().length))} moments` : ""));

/** A picture over time. `about` as for `chart`, its series with `pick(sample)` → text or null; `rest()` gives markers. */
export const overTime = (about, rest = () => ({})) => {
  if (!enough()) return empty(span ? "Nothing is kept of so long ago yet: one moment of each minute is, from the daemon's start on." : "The picture begins with the first samples, a few seconds from now.");
  return chart({ ...about, stamp: `${stamp()} ${about.stamp ?? ""}` }, () => {
    const { markers = [] } = rest();
    return { unit: about.unit, across: "", markers, series: about.series.map((s) => ({ ...s, points: points(s.pick()) })) };
  });
};
