/* Transits, Orders, Transactions: what is under way, what rests, and what the venues have booked. */
import { app, canAct } from "./app.js";
import { TRANSFER_WORDS, allOrders, cancel, classify, transfer } from "./acts.js";
import { h, icon } from "./dom.js";
import { age, amount, between, group, isNonZero, when } from "./format.js";
import { button, empty, panel, reason, table } from "./parts.js";
import { parameterPanel } from "./parameters.js";
import { baseOf, quoteOf } from "./tickers.js";

const FINAL = ["ARRIVED", "FAILED", "CANCELLED"];
const STEPS = ["PROPOSED", "PLANNED", "REQUESTED", "SENT", "ARRIVED"];

/** Whether a transfer waits for a person; most only wait for the chain or the bank. */
export const needsYou = (t) => !FINAL.includes(t.state) && t.actions.length > 0 && (["PROPOSED", "UNCERTAIN"].includes(t.state) || t.overdue || Boolean(t.manual) || (t.questions ?? []).length > 0);

const chip = (t) => h("span", { class: `chip ${t.state === "ARRIVED" ? "ok" : ["UNCERTAIN", "FAILED"].includes(t.state) ? "bad" : t.manual ? "man" : "now"}` }, icon({ ARRIVED: "ok", UNCERTAIN: "unknown", FAILED: "bad", PROPOSED: "hand", CANCELLED: "none" }[t.state] ?? "arrow"), t.state);
const steps = (t) => {
  const at = STEPS.indexOf(t.state);
  return h("ol", { class: "steps" }, STEPS.map((s, i) => h("li", { key: s, class: at < 0 ? "todo" : i < at ? "done" : i === at ? "now" : "todo" }, icon(at >= 0 && i <= at ? "ok" : "none"), s.toLowerCase())), at < 0 ? h("li", { class: "unk" }, icon("unknown"), h("b", {}, t.state.toLowerCase())) : null);
};
const sinceWhen = (t) => [when(t.since, app.doc.time), h("small", {}, ` ${age(Math.max(0, Math.floor(between(t.since, app.doc.time))))}`)];
const buttonsOf = (t) => h("span", { class: "row" }, t.actions.map((a, i) => button(TRANSFER_WORDS[a] ?? a, () => transfer(t, a), { disabled: !canAct(), cls: i || !needsYou(t) ? "small" : "small primary" })));

const card = (t) => h("section", { class: `panel act ${t.state === "UNCERTAIN" ? "bad" : ""}`, key: t.id, "aria-label": `${t.id} needs you` },
  h("header", { class: "ph" }, h("h3", {}, icon(t.state === "UNCERTAIN" ? "unknown" : "hand"), `${t.id} `, h("span", { class: "path" }, `${t.from} → ${t.to || "bank"}`)), chip(t), h("p", { class: "asof" }, "as of ", when(app.doc.time))),
  h("div", { class: "pb" }, h("p", { class: "lead" }, amount(t.amount, t.asset)), h("p", {}, "arrives as ", amount(t.expected, t.to_asset ?? t.asset), ", charge ", amount(t.fee, t.asset)), t.note ? h("p", { class: "d" }, t.note) : null, (t.questions ?? []).map((q) => reason("warn", q)),
    t.overdue ? reason("warn", "Overdue", t.due ? [": expected ", when(t.due, app.doc.time)] : "", ".") : null, h("p", { class: "d" }, "since ", sinceWhen(t)), h("div", { class: "row" }, buttonsOf(t))));

const TRANSFERS = [
  { name: "Transfer", head: true, cell: (t) => t.id, raw: (t) => t.id },
  { name: "State", cell: (t) => [chip(t), t.overdue ? [" ", h("span", { class: "tag warn" }, "overdue")] : null], raw: (t) => `${t.state}${t.overdue ? " overdue" : ""}` },
  { name: "Way", help: "From where to where; the bank is a payout.", cell: (t) => `${t.from} → ${t.to || "bank"}`, raw: (t) => `${t.from} to ${t.to}` },
  { name: "Leaves", help: "What leaves the sender, before charges.", right: true, cell: (t) => amount(t.amount, t.asset), raw: (t) => t.amount },
  { name: "Charge", help: "What the way is expected to cost, in the asset that leaves.", right: true, cell: (t) => amount(t.fee, t.asset), raw: (t) => t.fee },
  { name: "Arrives", help: "What should arrive net of all charges, or what did.", right: true, cell: (t) => [amount(t.arrived && isNonZero(t.arrived) ? t.arrived : t.expected, t.to_asset ?? t.asset), t.arrived && isNonZero(t.arrived) ? null : h("small", {}, " expected")], raw: (t) => t.arrived ?? t.expected },
  { name: "Since", cell: sinceWhen, raw: (t) => t.since },
  { name: "Address and reference", wide: true, cell: (t) => [t.address ? h("code", {}, t.address) : null, t.reference ? [" ", h("code", {}, t.reference)] : null, t.address || t.reference ? null : h("span", { class: "none" }, "–")], raw: (t) => `${t.address ?? ""} ${t.reference ?? ""}` },
  { name: "By", help: "Who brought it to this state.", cell: (t) => t.by ?? "–", raw: (t) => t.by },
  { name: "Acts", cell: buttonsOf },
];

const FLOWS = [
  { name: "Time", head: true, cell: (f) => when(f.at, app.doc.time), raw: (f) => f.at },
  { name: "Venue", cell: (f) => f.venue, raw: (f) => f.venue },
  { name: "Amount", right: true, cell: (f) => amount(f.quantity, f.asset, { signed: true }), raw: (f) => f.quantity },
  { name: "Reference", wide: true, cell: (f) => h("code", {}, f.reference), raw: (f) => f.reference },
  { name: "What it was", wide: true, cell: (f) => (f.classified ? [f.classified, f.by ? h("small", {}, ` said by ${f.by}`) : null] : h("span", { class: "tag warn" }, icon("warn"), "not known")), raw: (f) => f.classified },
  { name: "Acts", cell: (f) => button(f.classified ? "Change…" : "Say what it was…", () => classify(f), { disabled: !canAct(), cls: f.classified ? "small" : "small primary", key: "classify" }) },
];
/* What nobody has explained comes first: a table shows its first rows, and these wait for a person. */
const flows = () => {
  const all = app.doc.state.flows ?? [];
  const rows = [...all.filter((f) => !f.classified), ...all.filter((f) => f.classified)];
  return rows.length ? panel("x-flows", "Money from and to outside", 12, table("flows", "What came or went and is no transfer of ours", FLOWS, rows, { key: (f) => f.key })) : null;
};

/** The tab Transits. */
export const transits = () => {
  const all = app.doc.state.transfers;
  const waiting = all.filter(needsYou);
  const moving = all.filter((t) => !FINAL.includes(t.state) && !needsYou(t));
  return [
    waiting.length ? h("div", { class: "cards3 s12", key: "cards" }, waiting.map(card)) : null,
    moving.length ? panel("x-moving", "Under way", 12, moving.map((t) => h("div", { class: "way", key: t.id }, h("p", {}, h("b", {}, t.id), " ", amount(t.amount, t.asset), ` ${t.from} → ${t.to || "bank"}`, t.due ? [", expected ", when(t.due, app.doc.time)] : "", t.overdue ? [" ", h("span", { class: "tag warn" }, "overdue")] : null), steps(t)))) : null,
    panel("x-list", "All transfers", 12, table("transfers", "Every transfer, its amounts and where it stands", TRANSFERS, all, { key: (t) => t.id, cls: "big xfers", none: "No transfers yet. The optimizer plans them; what it cannot do alone waits here for you." })),
    flows(),
    parameterPanel("transits", "Charges and minima", 12),
  ];
};

const ORDER_STATES = { open: "resting", sending: "on its way", cancelling: "cancel asked", unknown: "answer lost", foreign: "not ours" };
const ORDERS = [
  { name: "Order", head: true, cell: (o) => h("code", {}, o.id), raw: (o) => o.id },
  { name: "Venue", cell: (o) => o.venue, raw: (o) => o.venue },
  { name: "Side", cell: (o) => h("b", { class: o.side === "BUY" ? "c-bid" : "c-ask" }, icon(o.side === "BUY" ? "up" : "down"), o.side.toLowerCase()), raw: (o) => o.side },
  { name: "For", help: "What the order is for: a quote, a hedge, or a trade of the plan.", cell: (o) => o.purpose || "–", raw: (o) => o.purpose },
  { name: "Price", right: true, cell: (o) => amount(o.price, quoteOf(o.contract)), raw: (o) => o.price },
  { name: "Left", help: "What is not filled yet.", right: true, cell: (o) => amount(o.quantity_left, baseOf(o.contract)), raw: (o) => o.quantity_left },
  { name: "Of", help: "The whole order.", right: true, cell: (o) => amount(o.quantity, baseOf(o.contract)), raw: (o) => o.quantity },
  { name: "Age", cell: (o) => h("span", { title: o.timestamp }, age(Math.max(0, Math.floor(between(o.timestamp, app.doc.time))))), raw: (o) => o.timestamp },
  { name: "State", help: "Where the order stands; a difference between our records and the venue’s is marked.", wide: true, cell: (o) => (o.flag ? h("span", { class: "tag warn" }, icon("warn"), o.flag) : ORDER_STATES[o.state ?? "open"] ?? o.state), raw: (o) => o.flag ?? o.state ?? "open" },
  { name: "Acts", cell: (o) => button("Cancel…", () => cancel(o.venue, [o], { id: o.id }), { disabled: !canAct() }) },
];

/** The tab Orders. */
export const orders = () => {
  const all = allOrders();
  const venues = Object.keys(app.doc.state.orders);
  const of = (venue, side) => all.filter((o) => o.venue === venue && o.side === side && o.state !== "foreign");
  const sideButton = (venue, side) => (of(venue, side).length ? button(`Cancel ${side === "BUY" ? "bids" : "asks"} on ${venue}…`, () => cancel(venue, of(venue, side), { side }), { disabled: !canAct() }) : null);
  return [panel("o-list", "Open orders", 12, [
    all.length ? table("orders", "Own open orders, as the venues last told", ORDERS, all, { key: (o) => `${o.venue}${o.id}`, cls: "big", mark: (o) => (o.flag ? "diff warn" : "") }) : empty("No open orders. Quotes, hedges and trades of the plan appear here while they rest."),
    h("p", { class: "d", key: "compared" }, Object.entries(app.doc.state.compared ?? {}).map(([venue, at], i) => [i ? " · " : "Compared with ", `${venue}'s own list `, when(at, app.doc.time)])),
    h("div", { class: "row acts2" }, venues.flatMap((v) => [sideButton(v, "BUY"), sideButton(v, "SELL")])),
  ])];
};

const TRANSACTIONS = [
  { name: "Time", head: true, cell: (t) => when(t.timestamp, app.doc.time), raw: (t) => t.timestamp },
  { name: "Venue", cell: (t) => t.venue, raw: (t) => t.venue },
  { name: "Type", cell: (t) => t.type, raw: (t) => t.type },
  { name: "Amount", right: true, cell: (t) => [isNonZero(t.quantity) ? (t.direction === "debit" ? "−" : "+") : "", amount(t.quantity, t.contract)], raw: (t) => (t.direction === "debit" ? `-${t.quantity}` : t.quantity) },
  { name: "Asset", cell: (t) => t.contract, raw: (t) => t.contract },
  { name: "Balance after", right: true, cell: (t) => amount(t.balance, t.contract), raw: (t) => t.balance },
  { name: "Note", wide: true, cell: (t) => t.note || "–", raw: (t) => t.note },
];

/** The tab Transactions. */
export const transactions = () => {
  const all = Object.entries(app.doc.state.transactions).flatMap(([venue, rows]) => rows.map((t, i) => ({ venue, n: i, ...t })));
  all.sort((a, b) => (a.timestamp < b.timestamp ? 1 : a.timestamp > b.timestamp ? -1 : 0));
  const latest = all.slice(0, 300);
  return [panel("t-list", ["The venues’ ledgers ", h("small", {}, all.length > 300 ? `the latest 300 of ${group(String(all.length))}` : "")], 12, table("transactions", "The venues' own ledgers of our accounts, latest first", TRANSACTIONS, latest, { key: (t) => `${t.venue}${t.timestamp}${t.contract}${t.type}${t.direction}${t.quantity}${t.note}${t.n}`, none: "No transactions yet. The venues' ledgers appear here as they are read." }))];
};
