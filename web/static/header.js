/* The header on every tab: mode, state, key numbers, acts, one line of words, the ages of the inputs. */
import { app, canAct } from "./app.js";
import * as acts from "./acts.js";
import { canUpdate, edits, update } from "./edits.js";
import { h, hiddenText, icon, patch } from "./dom.js";
import { age, amount, between, isNonZero, when } from "./format.js";
import { editedOn } from "./parameters.js";
import { allQuotes } from "./plan.js";
import { term } from "./parts.js";
import { needsYou } from "./tab-ledger.js";
import { baseOf, quoteOf } from "./tickers.js";

const at = (id) => document.getElementById(id);
const LOOKS = { TRADING: ["ok", "run"], READY: ["idle", "ready"], HALTED: ["bad", "halt"], STOPPING: ["warn", "wait"], SHUTDOWN: ["warn", "wait"], INITIALIZING: ["warn", "wait"], DISCONNECTED: ["idle", "wait"] };

/** Ages of the inputs; without a list of their own they are those of books and rates. */
export const inputs = (doc) => doc.state.inputs ?? [
  ...Object.entries(doc.state.books).flatMap(([venue, books]) => Object.entries(books).map(([ticker, b]) => ({ name: `${venue} ${ticker}`, age: b.age, limit: b.limit ?? null, ok: b.ok }))),
  ...Object.entries(doc.state.rates).map(([pair, r]) => ({ name: pair, age: r.age, limit: r.limit ?? null, ok: r.ok ?? true })),
];
const staleInputs = (doc) => inputs(doc).filter((i) => !i.ok && i.age !== null);

const state = ({ trader, time }, stale) => {
  const marked = trader.state === "TRADING" && stale.length;
  const [look, sign] = app.lost ? ["lost", "unknown"] : marked ? ["warn", "warn"] : LOOKS[trader.state] ?? ["idle", "ready"];
  return [
    h("p", { class: `word ${look}` }, icon(sign), trader.state, app.lost ? " ?" : marked ? h("small", {}, " stale input") : ""),
    h("p", { class: "since", title: trader.reason }, "since ", when(trader.since, time), h("span", { class: "dur" }, ` · ${age(Math.max(0, Math.floor(between(trader.since, time))))}`), ` · by ${trader.by}`),
  ];
};

const stats = (doc) => {
  const open = Object.entries(doc.trader.exposure);
  const unhedged = open.filter(([, e]) => isNonZero(e.quantity));
  const [ticker, e] = unhedged[0] ?? open[0] ?? ["", null];
  const over = e?.limit && Math.abs(Number(e.quantity)) > Number(e.limit);
  const side = (q) => h("div", { key: `${q.venue}${q.ticker}${q.side}` }, h("dt", {}, q.side === "bid" ? term("Bid", "The price at which our buying quote rests on the target; none says why.") : term("Ask", "The price at which our selling quote rests on the target; none says why.")),
    h("dd", { class: q.resting ? `c-${q.side}` : "none", title: q.resting ? null : q.reason }, q.resting ? amount(q.price, quoteOf(q.ticker), { flash: true }) : "none"));
  return [
    h("div", { key: "exposure" }, h("dt", {}, term("Unhedged", "What fills on the target left open until the source has closed it.")), h("dd", { class: over ? "c-bad" : "" }, over ? icon("bad") : null, e ? amount(e.quantity, baseOf(ticker), { signed: true, flash: true }) : h("span", { class: "none" }, "no data"))),
    allQuotes(doc.trader.quotes).slice(0, 2).map(side),
  ];
};

const CAN = { start: ["READY"], stop: ["TRADING", "DISCONNECTED", "INITIALIZING", "STOPPING", "READY"], halt: ["READY", "TRADING", "STOPPING", "DISCONNECTED", "INITIALIZING"], reset: ["HALTED"] };
const act = (name, sign, label, title, run, enabled) =>
  h("button", { type: "button", key: name, class: `btn ${name}`, id: `act-${name}`, title, disabled: !enabled || app.busy.has(name), onclick: run }, sign ? icon(sign) : null, label);

const buttons = (doc) => {
  const may = (name) => Boolean(doc) && canAct() && CAN[name].includes(doc.trader.state);
  const stopping = may("stop") && (doc.trader.state !== "READY" || doc.trader.wanted);
  return [
    doc?.trader.state === "HALTED" ? act("reset", "back", "RESET", "Acknowledges the halt, with a note", acts.reset, may("reset"))
      : act("start", "play", "START", "Shows the plan first, then asks", acts.start, may("start")),
    act("stop", "square", "STOP", "Cancels all orders at once and waits until the venues confirm", acts.stop, stopping),
    act("update", null, [h("span", {}, "UPDATE"), h("span", { class: "count" }, String(edits.size))], "Applies all edits together, or none", update, canUpdate()),
    act("halt", "halt", "HALT", "Stops everything, hedging and transfers too, until RESET", acts.halt, may("halt")),
  ];
};

/* STOP means stop: what the venues themselves say. */
const confirmation = ({ trader, time }) => {
  const said = trader.confirmation;
  if (!said || trader.state === "TRADING" || trader.reason.includes("live orders")) return null;
  if (said.remaining.length) return [" · ", h("b", {}, `${said.remaining.length} live orders remain: `), said.remaining.join(", ")];
  if (said.at) return [" · 0 live orders, confirmed by the venues at ", when(said.at, time)];
  return ["STOPPING", "SHUTDOWN", "HALTED"].includes(trader.state) ? " · waiting until the venues confirm 0 live orders" : null;
};

/* What a start, or a connection that is back, finds of before; READY has it as its reason. */
const counted = (n, one) => `${n} ${one}${n === 1 ? "" : "s"}`;
const recovery = ({ state: name, by, recovery: found }) => {
  if (!found) return null;
  const what = `${counted(found.orders, "order")}, ${counted(found.transfers, "transit")}, ${counted(found.fills, "fill")}`;
  const any = found.orders + found.transfers + found.fills > 0;
  if (name === "INITIALIZING" || (name === "DISCONNECTED" && any)) return ` · recovering: ${what} found`;
  return name === "TRADING" && by === "machine" && any ? ` Resumed by itself, found of before: ${what}.` : null;
};

const inWords = (doc) => {
  const quotes = allQuotes(doc.trader.quotes);
  const resting = quotes.filter((q) => q.resting), missing = quotes.filter((q) => !q.resting);
  if (doc.trader.state !== "TRADING") return [h("b", {}, `${doc.trader.state}: `), doc.trader.reason, confirmation(doc)];
  if (doc.trader.paused?.length) return [h("b", {}, `${doc.trader.paused.includes("wind down") ? "Winding down" : `On pause: ${doc.trader.paused.join(", ")}`}. `), resting.length ? `Quoting ${resting.map((q) => q.side).join(" and ")}.` : missing[0]?.reason ?? ""];
  if (!missing.length) return [`Quoting ${resting.map((q) => q.side).join(" and ")} on ${[...new Set(resting.map((q) => q.venue))].join(" and ")}.`];
  const reasons = [...new Set(missing.map((q) => q.reason))];
  const who = reasons.length === 1 ? [h("b", {}, `No ${missing.map((q) => q.side).join(", no ")}: `), reasons[0]] : missing.map((q) => [h("b", {}, ` No ${q.side}: `), q.reason]);
  return [resting.length ? `Quoting ${resting.map((q) => `${q.side} on ${q.venue}`).join(" and ")}. ` : "", who];
};

const lines = (doc, stale) => {
  if (app.lost) {
    const why = app.lost.ended ? ["The session has ended. ", h("a", { href: "/login" }, "Sign in again"), "; your edits are kept in this window."] : "Connecting again by itself; the buttons are off until then.";
    return h("p", { key: "lost", class: "lost", role: "alert" }, icon("unknown"), h("span", {}, h("b", {}, "No news from the daemon"), app.lost.since ? [" since ", when(app.lost.since.toISOString())] : "", ". ", doc ? "What you see is a photograph. " : "", why));
  }
  const { state: name } = doc.trader;
  const look = name === "HALTED" ? "bad" : name === "TRADING" ? (stale.length || doc.trader.paused?.length ? "warn" : "ok") : "idle";
  const needs = doc.needs_you?.length ?? 0;
  return [
    h("p", { key: "words", class: look }, icon({ bad: "halt", warn: "warn", ok: "ok", idle: "ready" }[look]), h("span", {}, inWords(doc), recovery(doc.trader), needs ? [" ", h("a", { href: "#trader" }, `${needs} thing${needs > 1 ? "s" : ""} need${needs > 1 ? "" : "s"} you.`)] : null)),
    stale.map((i) => h("p", { key: i.name, class: "warn" }, icon("warn"), h("span", {}, h("b", {}, `${i.name}: `), i.message ?? `${age(i.age)} old, limit ${age(i.limit)}`))),
    (doc.notices ?? []).map((n) => h("p", { key: n.text, class: n.level === "info" ? "idle" : n.level }, icon(n.level === "bad" ? "bad" : n.level === "warn" ? "warn" : "none"), h("span", {}, n.text))),
  ];
};

/* Balances and orders of all venues are one line each: the one that is nearest to its limit. */
const strain = (i) => (i.age === null ? 1e9 : i.ok ? 0 : 1e6) + (i.limit ? (i.age ?? 0) / i.limit : 0);
const folded = (all) => {
  const kinds = new Map();
  for (const i of all) {
    const kind = /(balances|orders)$/.exec(i.name)?.[1] ?? i.name;
    const known = kinds.get(kind);
    if (!known || strain(i) > strain(known)) kinds.set(kind, { ...i, name: kind, full: i.name });
  }
  return [...kinds.values()];
};

const inputAge = (i) => {
  const [cls, sign, word] = app.lost ? ["lost", "unknown", "age unknown, "] : i.age === null ? ["wait", "wait", "waiting, "] : !i.ok ? ["bad", "bad", "stale, "] : i.limit && i.age > i.limit / 2 ? ["wait", "warn", "ageing, "] : ["ok", "ok", "fresh, "];
  return h("li", { key: i.name, title: i.limit ? `${i.full}: limit ${age(i.limit)}` : i.full }, h("span", {}, i.name), h("span", { class: `v ${cls}` }, icon(sign), hiddenText(word), app.lost ? "?" : i.age === null ? "waiting" : age(i.age)));
};

const badge = (id, doc) => {
  const n = id === "transits" ? doc.state.transfers.filter(needsYou).length
    : id === "orders" ? Object.values(doc.state.orders).flatMap((o) => Object.values(o)).filter((o) => o.flag).length : 0;
  return n ? h("span", { class: "n" }, String(n), hiddenText(" need you")) : null;
};

/** Draw the header. */
export const drawHeader = () => {
  const { doc } = app;
  patch(at("acts"), buttons(doc));
  const stale = doc ? staleInputs(doc) : [];
  if (doc || app.lost) patch(at("line"), [lines(doc, stale)]);
  if (!doc) return;
  document.documentElement.dataset.mode = doc.mode;
  document.documentElement.toggleAttribute("data-lost", Boolean(app.lost));
  document.title = `${app.lost ? "? " : ""}${doc.trader.state} · ${doc.mode.toUpperCase()} · ILP`;
  patch(at("mode"), [doc.mode.toUpperCase()]);
  at("mode").className = `mode ${doc.mode}`;
  patch(at("pair"), [`${doc.data.source_ticker} → ${doc.data.target_ticker}`]);
  patch(at("state"), state(doc, stale));
  patch(at("stats"), stats(doc));
  patch(at("inputs"), folded(inputs(doc)).map(inputAge));
  patch(at("clock"), [when(doc.time)]);
  for (const a of document.querySelectorAll(".tabs a")) {
    const id = a.dataset.tab;
    a.__name ??= a.textContent;
    patch(a, [a.__name, badge(id, doc), editedOn(id) ? h("span", { class: "dot", title: "edits not applied" }, hiddenText(", edits not applied")) : null]);
    if (id === app.tab) a.setAttribute("aria-current", "page"); else a.removeAttribute("aria-current");
  }
};
