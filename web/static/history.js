/* The samples behind the pictures: the daemon's of the last half hour, then the page's own, at the same pace. */
import { app } from "./app.js";

let samples = [], every = 2, last = -Infinity, asked = -Infinity;

/** The same as `web/history.py`. */
const sample = (doc) => ({
  at: doc.time,
  quotes: Object.fromEntries(Object.entries(doc.trader.quotes).flatMap(([venue, tickers]) => Object.entries(tickers).flatMap(([ticker, sides]) => Object.entries(sides).map(([side, q]) => [`${venue} ${ticker} ${side}`, [q.resting ? q.price : null, q.reference]])))),
  books: Object.fromEntries(Object.entries(doc.state.books).flatMap(([venue, books]) => Object.entries(books).map(([ticker, b]) => [`${venue} ${ticker}`, [b.bid, b.ask]]))),
  holdings: Object.fromEntries(doc.state.holdings.map((x) => [`${x.venue} ${x.asset}`, [x.total, x.target]])),
  exposure: Object.values(doc.trader.exposure)[0]?.quantity ?? null,
  value: doc.valuation.base?.value ?? null,
  terms: doc.valuation.base ? Object.fromEntries(["cash", "costs", "risk", "deviation"].map((name) => [name, doc.valuation.base[name]])) : null,
  profit: doc.pnl?.opened ? Object.fromEntries(["spread", "hedge slippage", "plan slippage", "trade fees", "transfer costs", "trading"].map((name) => [name, doc.pnl.today[name]])) : null,
});

const load = async () => {
  asked = performance.now();
  try {
    const answer = await fetch("/api/history", { signal: AbortSignal.timeout(10000) });
    if (answer.ok) ({ samples, every } = await answer.json());
  } catch { /* the pictures begin now, then */ }
};

/** Called with every new document. */
export const remember = () => {
  const now = performance.now();
  if (now - last > 5 * every * 1000 && now - asked > 10000) load(); // first news, or news after a pause
  if (now - last < every * 1000) return;
  last = now;
  samples.push(sample(app.doc));
  if (samples.length > 900) samples.shift();
};

/** Points of one figure: `pick(sample)` gives a text or null. */
export const points = (pick) => samples.map((s) => {
  const text = pick(s) ?? null;
  return [Date.parse(s.at), text === null ? null : Number(text), text];
});

/** Whether there is enough to draw. */
export const enough = () => samples.length > 2;
