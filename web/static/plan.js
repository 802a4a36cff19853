/* A plan and quotes in words, wherever they are shown. */
import { h } from "./dom.js";
import { amount, computed } from "./format.js";
import { baseOf, quoteOf } from "./tickers.js";

/** The identity of a move within a plan. */
export const moveKey = (m) => `${m.move}.${m.direction}`;
/** A move in words. */
export const moveName = (m) => m.label ?? `move ${m.move}, ${m.direction}`;

/** The moves of a plan, one a line. */
export const planLines = (column) => {
  if (!column) return h("p", { class: "d" }, "No plan yet: the optimizer has not run.");
  if (!column.moves.length) return h("p", { class: "d" }, "Nothing: the pool is best left as it is.");
  return h("dl", { class: "kv" }, column.moves.map((m) => h("div", { key: moveKey(m) }, h("dt", {}, moveName(m)), h("dd", {}, amount(m.amount, m.asset)))));
};

/** All quotes of a document as `{venue, ticker, side, ...quote}`. */
export const allQuotes = (quotes) =>
  Object.entries(quotes ?? {}).flatMap(([venue, tickers]) =>
    Object.entries(tickers).flatMap(([ticker, sides]) => ["bid", "ask"].filter((side) => sides[side]).map((side) => ({ venue, ticker, side, ...sides[side] }))));

/** Quotes, one a line. */
export const quoteLines = (quotes) =>
  h("dl", { class: "kv" }, allQuotes(quotes).map((q) =>
    h("div", { key: `${q.venue}${q.ticker}${q.side}` }, h("dt", {}, `${q.side} ${q.ticker} on ${q.venue}`),
      h("dd", {}, q.price ? [amount(q.size, baseOf(q.ticker)), " at ", computed(q.price, quoteOf(q.ticker))] : h("span", { class: "none" }, "none")))));
