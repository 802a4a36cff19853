/* The operator's acts, each with its consequences in numbers before it is done. */
import { app } from "./app.js";
import { post } from "./api.js";
import { edits } from "./edits.js";
import { ask, consequences, field, perform, say } from "./dialogs.js";
import { h, icon } from "./dom.js";
import { amount, group, isNonZero, when } from "./format.js";
import { planLines, quoteLines } from "./plan.js";
import { reason } from "./parts.js";
import { baseOf, quoteOf } from "./tickers.js";

const NUMBER = "[0-9]{1,20}([.][0-9]{1,20})?";

/** Every order that is told of, with its venue; foreign ones were not placed here. */
export const allOrders = () => Object.entries(app.doc.state.orders).flatMap(([venue, orders]) => Object.values(orders).map((o) => ({ venue, ...o })));
/** Own orders, as the last document has them. */
export const openOrders = () => allOrders().filter((o) => o.state !== "foreign");

const ordersInWords = (orders) => (orders.length ? `${orders.length} order${orders.length > 1 ? "s" : ""}: ` + orders.map((o) => `${o.side.toLowerCase()} ${group(o.quantity_left)} ${o.contract} at ${group(o.price)} on ${o.venue}`).join("; ") : "no orders: none are open");

const openExposure = () => Object.entries(app.doc.trader.exposure).filter(([, e]) => isNonZero(e.quantity));
const exposureInWords = () => {
  const open = openExposure();
  if (!open.length) return "nothing unhedged";
  return open.map(([ticker, e]) => `${group(e.quantity, true)} ${baseOf(ticker)} unhedged${e.value ? `, ${group(e.value, true)} in numeraire` : ""}`).join("; ");
};

const refuseOrClose = async (act, body, done) => {
  const answer = await post(act, body);
  if (answer.ok) say("ok", done);
  return answer;
};

/** One condition of START. */
export const check = (c) => h("li", { key: c.name, class: c.ok ? "ok" : "bad" }, icon(c.ok ? "ok" : "bad"), h("span", {}, h("b", {}, c.name), c.message ? `: ${c.message}` : ""));

/** START: the plan that it would begin with, what speaks against it, then the question. */
export const start = async () => {
  const { checks } = app.doc.trader;
  const failed = checks.filter((c) => !c.ok);
  // what would be done now, by the present values; until the answer comes, what was last computed
  let would = { valuation: app.doc.valuation, quotes: app.doc.trader.quotes };
  const body = () => [
    failed.length ? [h("p", { class: "d" }, "What is in the way:"), h("ul", { class: "checks" }, failed.map(check))] : null,
    (app.doc.notices ?? []).map((n, i) => h("div", { key: i }, reason(n.level === "info" ? "" : n.level, n.text))),
    h("h4", {}, "The plan it begins with ", h("small", {}, "as of ", when(would.valuation.time, app.doc.time))), planLines(would.valuation.rounded),
    would.valuation.rounded?.withheld ? h("p", { class: "d" }, would.valuation.rounded.withheld) : null,
    h("h4", {}, "The quotes it places"), quoteLines(would.quotes),
    h("h4", {}, "Conditions"), h("ul", { class: "checks" }, checks.filter((c) => c.ok).map(check)),
    consequences([["Exposure now", exposureInWords()], ["Checks", `${checks.length - failed.length} of ${checks.length} passed`], edits.size ? ["Edits", `${edits.size} not applied: START uses the present values`] : null]),
  ];
  const draw = ask({
    title: failed.length ? "START is not possible yet" : "Start trading with this plan?",
    wide: true, go: true, blocked: failed.length > 0, confirm: failed.length ? null : "START", body,
    act: () => refuseOrClose("start", {}, "START was accepted"),
  });
  const answer = await post("preview", { parameters: {} });
  if (answer.ok) { would = answer.document; draw(); }
};

/** STOP: no question; stopping must never wait. */
export const stop = () => perform("stop", {}, "STOP was accepted: no new orders, open ones are being cancelled");

/** HALT. */
export const halt = () => ask({
  title: "Halt everything?", danger: true, confirm: "HALT", keep: "Keep going",
  body: consequences([["Cancels", ordersInWords(openOrders())], ["Leaves", exposureInWords()], ["Stops", "quotes, plan trades, automatic hedges and transfers, also after a restart"], ["Ends by", "RESET with a note, then START"]]),
  fields: [field("reason", "Reason", { required: true, area: true })],
  act: ({ reason: why }) => refuseOrClose("halt", { reason: why.trim() || "operator" }, "halted"),
});

/** RESET after a halt. */
export const reset = () => ask({
  title: "Acknowledge the halt?", confirm: "RESET",
  body: consequences([["Halted by", app.doc.trader.by], ["Because", app.doc.trader.reason], ["Exposure now", exposureInWords()], ["Then", "the trader reconnects and comes to READY; it does not trade before START"]]),
  fields: [field("note", "What was found and done", { required: true, area: true })],
  act: ({ note }) => refuseOrClose("reset", { note: note.trim() || "-" }, "the halt is acknowledged"),
});

/** Hedge the open exposure now. */
export const hedge = () => ask({
  title: "Hedge now?", confirm: "Hedge now",
  body: consequences([["Closes", exposureInWords()], ["How", `a limit order on the source, at most ${app.doc.trader.parameters.max_slippage?.value ?? "max_slippage"} of the best price away`]]),
  act: () => refuseOrClose("hedge", {}, "the hedge was asked for"),
});

/** Cancel one order, one side, or all orders of a venue. */
export const cancel = (venue, orders, body) => ask({
  title: "Cancel orders?", danger: true, confirm: `Cancel ${orders.length} order${orders.length === 1 ? "" : "s"}`, keep: "Keep them",
  body: consequences([["Cancels", ordersInWords(orders)], ["Leaves", exposureInWords()], app.doc.trader.state === "TRADING" ? ["Then", "the trader is TRADING: it quotes again when its conditions are met"] : null]),
  act: () => refuseOrClose("cancel", { venue, ...body }, "the cancel was asked for"),
});

const TRANSFER = {
  approve: (t) => ({ title: "Approve the transfer?", confirm: `Approve ${group(t.amount)} ${t.asset}`, rows: [["Moves", "by the machine, at once"]], fields: [] }),
  sent: (t) => ({
    title: "You have sent it?", confirm: "It is sent", rows: [["Then", "it counts as in transit until it arrives; the sender's balance is expected to fall by the amount"]],
    fields: [field("amount", "Amount really sent", { value: t.amount, required: true, pattern: NUMBER, unit: t.asset }), field("note", "Note (bank reference)")],
  }),
  arrived: (t) => ({
    title: "It has arrived?", confirm: "It has arrived", rows: [["Expected", amount(t.expected, t.to_asset ?? t.asset)], ["Then", "it counts at the receiver, and the lane is free again"]],
    fields: [field("amount", "Amount really received", { value: t.expected ?? "", required: true, pattern: NUMBER, unit: t.to_asset ?? t.asset }), field("note", "Note")],
  }),
  cancel: (t) => ({ title: "Cancel the transfer?", confirm: `Cancel ${t.id}`, danger: true, keep: "Keep it", rows: [["Then", "nothing is sent; a later plan may propose it again"]], fields: [field("note", "Note")] }),
  resolve: (t) => ({
    title: "Did it leave?", confirm: "Resolve", danger: true, keep: "Not yet",
    rows: [["Uncertain", t.note || "the venue never answered"], ["Until then", `no other ${t.asset} leaves on this lane`]],
    fields: [field("amount", "Amount that left; 0 when nothing left", { value: t.amount, required: true, pattern: NUMBER, unit: t.asset, hint: "Compare it with the venue's own history first." }), field("note", "How you know", { required: true, area: true })],
  }),
};

/** The buttons' names of a transfer's acts. */
export const TRANSFER_WORDS = { approve: "Approve…", sent: "I have sent it…", arrived: "It arrived…", cancel: "Cancel…", resolve: "Resolve…" };

/** One act on a transfer. */
export const transfer = (t, action) => {
  const { title, confirm, rows, fields, danger = false, keep } = TRANSFER[action](t);
  ask({
    title, confirm, danger, keep, fields,
    body: consequences([["Transfer", `${t.id}: ${group(t.amount)} ${t.asset} from ${t.from} to ${t.to || "the bank"}`], ["Charge", amount(t.fee, t.asset)], ...rows]),
    act: (form) => refuseOrClose("transfer", { id: t.id, action, amount: form.amount || null, note: form.note?.trim() || null }, `${t.id}: ${action} was accepted`),
  });
};

/** Send a test alarm by every channel, and say how each went. */
export const testAlarms = () => ask({
  title: "Send a test alarm?", confirm: "Send it",
  body: consequences([["Goes to", app.doc.alarms.channels.map((c) => c.name).join(", ")], ["Says", `${app.user} tries whether alarms arrive`]]),
  act: async () => {
    const answer = await post("test_alarms");
    for (const c of answer.document.channels ?? []) say(c.ok ? "ok" : "bad", `${c.name}: ${c.message}`);
    return answer;
  },
});

const PAUSES = {
  quotes: ["Quotes", () => [["Cancels", ordersInWords(openOrders().filter((o) => o.purpose === "quote" || !o.purpose))], ["Goes on", "hedges of what is open, plans and transfers"]]],
  hedges: ["Hedging", () => [["Leaves", exposureInWords()], ["Risk", "fills stay open until you hedge by hand or go on; at the limit the side that adds to them is pulled"], ["Goes on", "quotes, plans and transfers"]]],
  transfers: ["Transfers", () => [["Stops", "new transfers of the machine; what is under way goes on, and you may still approve"], ["Goes on", "quotes, hedges and trades of the plan"]]],
  "wind down": ["Winding down", () => [["Cancels", ordersInWords(openOrders())], ["Leaves", exposureInWords()], ["Goes on", "only what reduces exposure: hedges and cancels"]]],
};

/** Put something on pause, or go on with it. */
export const pause = (what, on) => ask({
  title: on ? (what === "wind down" ? "Wind down?" : `Pause ${what}?`) : what === "wind down" ? "End the winding down?" : `Go on with ${what}?`, confirm: on ? (what === "wind down" ? "Wind down" : `Pause ${what}`) : "Go on", danger: on, keep: "Leave it",
  body: consequences([...(on ? PAUSES[what][1]() : [["Then", `the machine does it again by itself when its conditions hold; the state is ${app.doc.trader.state}`]]), on ? ["Ends by", "Go on, here; it stays over a restart"] : null]),
  act: () => refuseOrClose("pause", { what, on }, on ? `${PAUSES[what][0]}: paused` : `${PAUSES[what][0]}: goes on`),
});

/** Propose a transfer by hand; it waits for approval like every other. */
export const propose = (holding) => {
  const venues = [...new Set(app.doc.state.holdings.map((x) => x.venue))];
  const others = venues.length > 1 ? venues.filter((v) => v !== holding.venue) : venues; // one account: money is converted there
  const toBank = `${holding.venue}` === Object.keys(app.doc.state.books)[0] && holding.asset === quoteOf(app.doc.data.source_ticker);
  ask({
    title: `Propose a transfer of ${holding.asset}?`, confirm: "Propose",
    body: consequences([["From", [`${holding.venue}, free: `, amount(holding.available, holding.asset)]], ["To", toBank ? `${others[0]}, or the bank` : others[0]], ["Then", "it waits under Transits; nothing leaves before you approve it, and the gate's limits hold"]]),
    fields: [field("amount", "Amount that leaves, charges included", { required: true, pattern: NUMBER, unit: holding.asset }), toBank ? field("to", "To (empty for the bank)", { value: others[0] }) : null, field("note", "Note")].filter(Boolean),
    act: (form) => refuseOrClose("propose", { asset: holding.asset, from: holding.venue, to: toBank ? form.to.trim() : others[0], amount: form.amount, note: form.note?.trim() || null }, "proposed: it waits under Transits"),
  });
};

/** Say what a deposit or withdrawal was that the pool did not make. */
export const classify = (f) => ask({
  title: "What was it?", confirm: "Say so",
  body: consequences([["Moved", [amount(f.quantity, f.asset, { signed: true }), ` at ${f.venue}, ${f.reference || "without a reference"}`]], ["When", when(f.at, app.doc.time)], ["Then", "it is kept in the journal with your name, and asks no more; the ledger counts it as an external flow, not as profit"]]),
  fields: [field("text", "What it was", { value: f.classified ?? "", required: true, hint: "for instance: our own deposit, a correction of the venue, interest" })],
  act: ({ text }) => refuseOrClose("flow", { key: f.key, text: text.trim() || "-" }, "it is written down"),
});

/** What the keys do. */
export const keys = () => ask({
  title: "Keyboard",
  body: [h("dl", { class: "keys" }, [["1 to 8", "tabs, Trader to Transactions"], ["/", "find in the table in view"], ["← →", "on a picture: exact values, moment by moment; PgUp and PgDn in larger steps"], ["+ − 0", "on a picture: closer, wider, all of it"], ["u", "show or hide the edits"], ["t", "theme"], ["?", "this list"], ["Esc", "close, never confirms"]]
    .map(([key, what]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, what)))), h("p", { class: "d" }, "START, STOP, HALT and every confirmation have no letter on purpose.")],
});
