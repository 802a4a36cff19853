/* Market and State: the books with our own quotes marked, the rates, and what the pool holds where. */
import { app, canAct } from "./app.js";
import { openOrders, propose } from "./acts.js";
import { h, icon } from "./dom.js";
import { age, amount, computed, group, isNonZero, plus, same, times, when } from "./format.js";
import { overTime, spans } from "./history.js";
import { button, empty, list, panel, reason, table } from "./parts.js";
import { parameterPanel } from "./parameters.js";
import { allQuotes } from "./plan.js";
import { baseOf, quoteOf } from "./tickers.js";

const numeraire = () => quoteOf(app.doc.data.source_ticker);
const pair = (row) => (Array.isArray(row) ? row : [row.price, row.quantity]);

const bookRows = (book, side, own) => {
  const rows = (book[`${side}s`] ?? (book[side] ? [[book[side], null]] : [])).map(pair).slice(0, 10);
  return rows.map(([price, quantity], i) => {
    const ours = own.some((o) => same(o.price, price));
    return h("tr", { key: `${side}${i}`, class: ours ? `own ${side}` : "" }, h("td", { class: `c-${side}` }, side), h("td", { class: "r" }, amount(price)), h("td", { class: "r" }, amount(quantity)), h("td", {}, ours ? h("span", { class: "tag" }, "ours") : ""));
  });
};

const book = (venue, ticker, b) => {
  const own = openOrders().filter((o) => o.venue === venue && o.contract === ticker);
  const [base, quote] = [baseOf(ticker), quoteOf(ticker)];
  return panel(`m-${venue}-${ticker.replace("/", "")}`, [`${ticker} on ${venue} `, h("small", {}, b.age === null ? "no book yet" : `${age(b.age)} old${b.limit ? `, limit ${age(b.limit)}` : ""}`)], 6, [
    b.ok ? null : reason("warn", b.age === null ? "No book yet." : "This book is too old or not sane: what depends on it is pulled."),
    b.bid || b.ask ? h("table", { class: "book" }, h("caption", {}, `Price in ${quote}, quantity in ${base}; asks above, bids below`),
      h("thead", {}, h("tr", {}, ["Side", "Price", "Quantity", "Whose"].map((t, i) => h("th", { scope: "col", class: i === 1 || i === 2 ? "r" : "" }, t)))),
      h("tbody", {}, bookRows(b, "ask", own.filter((o) => o.side === "SELL")).reverse(), bookRows(b, "bid", own.filter((o) => o.side === "BUY")))) : empty("The book appears here as soon as the venue sends it."),
  ]);
};

const ruler = () => {
  const quotes = allQuotes(app.doc.trader.quotes);
  const points = quotes.flatMap((q) => [[q.resting ? `our ${q.side}` : null, q.price, q.side], [`reference ${q.side}`, q.reference, "ref"], [`hedge ${q.side}`, q.hedge, "hedge"]]).filter(([name, price]) => name && price);
  const [target] = quotes;
  const b = target && app.doc.state.books[target.venue]?.[target.ticker];
  if (b?.bid) points.push(["best bid", b.bid, "other"]);
  if (b?.ask) points.push(["best ask", b.ask, "other"]);
  if (points.length < 2) return empty("No prices yet: they need both books and the rate.");
  const sorted = [...points].sort((x, y) => Number(y[1]) - Number(x[1]));
  return h("dl", { class: "kv" }, sorted.map(([name, price, kind]) => h("div", { key: name }, h("dt", { class: kind === "bid" || kind === "ask" ? `c-${kind}` : "" }, kind === "bid" ? icon("up") : kind === "ask" ? icon("down") : null, name), h("dd", {}, computed(price, quoteOf(target?.ticker), { flash: true })))));
};

/* What its age adds to either side of the rate, and thereby to the distance of each quote. */
const costOfAge = ({ cost }) => (cost ? [computed(cost.bp, "bp", { significant: 3 }), cost.quote === null ? null : [" · ", computed(cost.quote, cost.unit, { significant: 4 })]] : amount(null));

const feeds = (r) => (r.feeds?.length > 1 ? r.feeds.map((f) => h("div", { key: f.source, class: f.why ? "c-bad" : "" }, f.used ? icon("ok") : f.why ? icon("warn") : null, f.source, f.mid === null ? "" : [" ", computed(f.mid, "", { significant: 6 })], f.why ? `: ${f.why}` : "")) : r.source);

const rates = () => table("rates", "Rates of exchange", [
  { name: "Pair", head: true, cell: ([p]) => p, raw: ([p]) => p },
  { name: "Bid", right: true, cell: ([, r]) => amount(r.bid), raw: ([, r]) => r.bid },
  { name: "Ask", right: true, cell: ([, r]) => amount(r.ask), raw: ([, r]) => r.ask },
  { name: "Fixing", help: "When the market had the rate, not when it was published.", cell: ([, r]) => (r.fixing ? when(r.fixing, app.doc.time) : "–"), raw: ([, r]) => r.fixing },
  { name: "Age", help: "Time since the fixing.", right: true, cell: ([, r]) => age(r.fixing_age), raw: ([, r]) => r.fixing_age },
  { name: "Age costs", help: "What its age adds to either side of the rate, and how much farther that puts each quote from the market.", right: true, cell: ([, r]) => costOfAge(r), raw: ([, r]) => r.cost?.bp },
  { name: "Fetched", cell: ([, r]) => (r.age === null ? "never" : `${age(r.age)} ago`), raw: ([, r]) => r.age },
  { name: "Source", cell: ([, r]) => feeds(r), raw: ([, r]) => r.source },
], Object.entries(app.doc.state.rates), { key: ([p]) => p, none: "No rate yet." });

/* The middle is as exact as the two prices it is between. */
const middle = ([bid, ask] = []) => (bid && ask ? times(plus(bid, ask), "0.5") : null);
const marketInTime = () => {
  const base = app.doc.data.btc_ticker, books = Object.entries(app.doc.state.books).flatMap(([venue, found]) => Object.keys(found).map((ticker) => [venue, ticker]));
  const inventory = (s) => {
    const totals = Object.entries(s.holdings).filter(([name]) => name.endsWith(` ${base}`)).map(([, [total]]) => total);
    return totals.length ? totals.reduce((sum, total) => (sum === null || total === null ? null : plus(sum, total)), "0") : null;
  };
  return [spans(), h("div", { class: "multi", key: "each" },
    books.map(([venue, ticker]) => h("div", { key: `${venue}${ticker}` }, h("h4", {}, `${ticker} on ${venue}`), overTime({
      id: `book-${venue}-${ticker.replace(/\W/g, "-")}`, unit: quoteOf(ticker), height: 180, label: `Best bid, best ask and their middle of ${ticker} on ${venue} over time.`,
      series: [{ name: "bid", cls: "bid", pick: () => (s) => s.books[`${venue} ${ticker}`]?.[0] }, { name: "ask", cls: "ask", pick: () => (s) => s.books[`${venue} ${ticker}`]?.[1] }, { name: "middle", cls: "other", pick: () => (s) => middle(s.books[`${venue} ${ticker}`]) }],
    }))),
    h("div", { key: "inventory" }, h("h4", {}, `Inventory of ${base}`), overTime({ id: "inventory", unit: base, height: 180, label: `All ${base} that the pool holds over time.`, series: [{ name: "inventory", cls: "hold", step: true, pick: () => inventory }] })),
    h("div", { key: "open" }, h("h4", {}, "Unhedged exposure"), overTime({ id: "exposure", unit: base, height: 180, label: "Unhedged exposure over time; positive when long.", series: [{ name: "unhedged", cls: "hold", step: true, pick: () => (s) => s.exposure }] })))];
};

/** The tab Market. */
export const market = () => [
  panel("m-ruler", "Our prices against the target's", 12, ruler()),
  panel("m-rates", "Rates", 12, rates()),
  Object.entries(app.doc.state.books).flatMap(([venue, books]) => Object.entries(books).map(([ticker, b]) => book(venue, ticker, b))),
  panel("m-time", "Books, inventory and what is open, over time", 12, marketInTime()),
  parameterPanel("market", "Fees", 12),
];

const place = (x) => {
  if (x.total === null) return null;
  const y = Number(x.total), t = Number(x.target); // for the picture only
  if (!(t > 0) || !Number.isFinite(y)) return null;
  const scale = 100 / Math.max(2 * t, y * 1.05), share = Math.round((y / t) * 100);
  const level = y < t / 4 ? "bad" : y < 0.75 * t || y > 1.25 * t ? "warn" : "";
  return [
    h("svg", { class: "bul", role: "img", "aria-label": `${share} % of the target` },
      h("rect", { class: "bn low", x: "0", width: `${0.75 * t * scale}%`, height: "20" }), h("rect", { class: "bn crit", x: "0", width: `${0.25 * t * scale}%`, height: "20" }),
      h("rect", { class: "bn free", x: `${0.75 * t * scale}%`, width: `${0.5 * t * scale}%`, height: "20" }),
      h("rect", { class: "bn high", x: `${1.25 * t * scale}%`, width: `${100 - 1.25 * t * scale}%`, height: "20" }),
      h("rect", { class: "bv", x: "0", y: "7", width: `${y * scale}%`, height: "6" }), h("line", { class: "target", x1: `${t * scale}%`, x2: `${t * scale}%`, y1: "0", y2: "20" })),
    h("span", { class: `tagline ${level}` }, level ? icon("warn") : null, `${share} % of target`),
  ];
};

const worth = (x) => {
  const mark = Number(app.doc.state.marks[x.asset]); // shown rounded to the unit, as an orientation
  return Number.isFinite(mark) && x.total !== null ? [h("span", { class: "num" }, "≈ ", group((Number(x.total) * mark).toFixed(0))), " ", h("span", { class: "u" }, numeraire())] : amount(null);
};

const HOLDINGS = [
  { name: "Holding", head: true, cell: (x) => `${x.venue} ${x.asset}`, raw: (x) => `${x.venue} ${x.asset}` },
  { name: "Free", help: "What may be spent now.", right: true, cell: (x) => amount(x.available, x.asset, { flash: true }), raw: (x) => x.available },
  { name: "Held", help: "What own open orders hold.", right: true, cell: (x) => amount(x.held, x.asset), raw: (x) => x.held },
  { name: "In transit", help: "On its way here, net of the charges still to come.", right: true, cell: (x) => amount(x.in_transit, x.asset, { signed: true }), raw: (x) => x.in_transit },
  { name: "Total", help: "What counts: the balance, less what is requested and not yet debited, plus what is in transit here.", right: true, cell: (x) => h("b", {}, amount(x.total, x.asset, { flash: true })), raw: (x) => x.total },
  { name: "Target", help: "What you want the pool to hold here; below 75 % and above 125 % it costs.", right: true, cell: (x) => amount(x.target, x.asset), raw: (x) => x.target },
  { name: "Worth", help: "The total at its mark, rounded.", right: true, cell: worth, raw: (x) => Number(x.total) * Number(app.doc.state.marks[x.asset]) },
  { name: "Place", wide: true, cell: place },
  { name: "Acts", cell: (x) => button("Propose transfer…", () => propose(x), { disabled: !canAct(), key: "propose" }) },
];

const totals = () => {
  const assets = [...new Set(app.doc.state.holdings.map((x) => x.asset))];
  return list(assets.map((a) => [a, app.doc.state.holdings.filter((x) => x.asset === a && isNonZero(x.in_transit)).length ? [amount(app.doc.state.marks[a], numeraire()), " each, some in transit"] : [amount(app.doc.state.marks[a], numeraire()), " each"]]));
};

/* Each holding against its target and the band in which being away from it costs nothing. */
const ofTarget = (name, factor) => () => (s) => { const target = s.holdings[name]?.[1]; return target === null || target === undefined ? null : times(target, factor); };
const timeline = () => [spans(), h("div", { class: "multi", key: "each" }, app.doc.state.holdings.map((x) => {
  const name = `${x.venue} ${x.asset}`;
  return h("div", { key: name }, h("h4", {}, name), overTime({
    id: `hold-${x.venue}-${x.asset}`, unit: x.asset, height: 180, label: `Total of ${name}, its target, and the band around it that costs nothing, over time.`,
    series: [
      { name: "75 % of target", cls: "edgeline", pick: ofTarget(name, "0.75") }, { name: "125 % of target", cls: "edgeline", fill: true, pick: ofTarget(name, "1.25") },
      { name: "target", cls: "other", pick: ofTarget(name, "1") }, { name: "total", cls: "hold", step: true, pick: () => (s) => s.holdings[name]?.[0] },
    ],
  }));
}))];

/** The tab State. */
export const holdings = () => [
  panel("s-hold", "Holdings", 12, app.doc.state.holdings.length ? table("holdings", "What the pool holds; total = free + held + on its way here", HOLDINGS, app.doc.state.holdings, { key: (x) => `${x.venue}${x.asset}`, cls: "big" }) : empty("No balances yet: they are read when a venue is connected.")),
  panel("s-time", "Holdings against their targets and bands", 12, app.doc.state.holdings.length ? timeline() : empty("No balances yet: they are read when a venue is connected.")),
  panel("s-inputs", "Inputs", 6, table("inputs", "What the trader relies on, and how old it is", [
    { name: "Input", head: true, cell: (i) => i.name, raw: (i) => i.name },
    { name: "Age", help: "Time since the input was last confirmed, not since it last changed.", right: true, cell: (i) => age(i.age), raw: (i) => i.age },
    { name: "Limit", help: "Older than this, and the quotes that depend on it are pulled.", right: true, cell: (i) => age(i.limit), raw: (i) => i.limit },
    { name: "State", cell: (i) => h("span", { class: i.ok ? "" : "c-bad" }, icon(i.ok ? "ok" : "bad"), i.ok ? "fresh" : i.message || "not usable"), raw: (i) => (i.ok ? "fresh" : "stale") },
  ], app.doc.state.inputs ?? [], { key: (i) => i.name })),
  panel("s-marks", "Marks", 6, app.doc.state.holdings.length ? totals() : empty("No marks yet.")),
  parameterPanel("state", "Target balances", 12),
];
