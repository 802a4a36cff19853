/* Edits of parameters that are not applied yet: kept through reloads and reconnects, previewed by the daemon, applied all
   together or not at all, and compared with what others changed meanwhile. A refresh never touches them. */
import { app, canAct, redraw } from "./app.js";
import { post } from "./api.js";
import { say } from "./dialogs.js";
import { h, icon } from "./dom.js";
import { computed, minus, same, value, when, words } from "./format.js";
import { allQuotes, moveKey, moveName } from "./plan.js";
import { button, reason } from "./parts.js";
import { baseOf, quoteOf } from "./tickers.js";

const KEPT = "ilp-edits";
const AGAIN = 5000; // ms after which a preview is computed anew
const PAUSE = 300; // ms after the last key before the preview is asked for

/** name → {value, base}: what is typed, and what the parameter was when the edit began. */
export const edits = new Map();
const state = { version: null, preview: null, previewOf: "", errors: {}, said: [], busy: false, hidden: false, timer: null };

try {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) || "null");
  if (kept?.user === app.user) { for (const [name, edit] of kept.edits) edits.set(name, edit); state.version = kept.version; }
} catch { /* a private window, or nothing readable */ }

const keep = () => {
  try { sessionStorage.setItem(KEPT, JSON.stringify({ user: app.user, version: state.version, edits: [...edits] })); } catch { /* a private window */ }
};

const tidy = (typed) => typed.replace(/[\s,_]/g, ""); // what people put between digits
/** Whether the text in a field still means *now*, one part of a parameter or of its edit. */
export const means = (typed, now) => same(tidy(typed), now);
const parameters = () => app.doc?.trader.parameters ?? {};
const equal = (a, b) => (Array.isArray(a) ? a.every((part, i) => same(part, b?.[i] ?? "")) : same(a, b));
const confirmed = new Set(); // unusual values that are meant, by name
const proposed = () => ({ ...Object.fromEntries([...edits].map(([name, edit]) => [name, edit.value])), ...(confirmed.size ? { confirm: [...confirmed] } : {}) });
/** An unusual value of *name* is meant. */
export const confirmEdit = (name) => { confirmed.add(name); changed(); };

/** Whether somebody else changed this parameter since the edit began. */
export const clashes = (name) => edits.has(name) && parameters()[name] && !equal(edits.get(name).base, parameters()[name].value);
const anyClash = () => [...edits.keys()].some(clashes);
/** What the daemon said against the edit of a parameter, or "". */
export const problem = (name) => state.errors[name] ?? "";

/** *name* was edited to *typed* (a text, or two for a cost). */
export const edit = (name, typed) => {
  const now = parameters()[name].value;
  const clean = Array.isArray(typed) ? typed.map(tidy) : tidy(typed);
  if (!edits.size) state.version = app.doc.version;
  if (equal(clean, now)) edits.delete(name);
  else edits.set(name, { value: clean, base: edits.get(name)?.base ?? now });
  changed();
};

/** Apply an old value of a parameter again, by the rules of every edit; the audit has it, and takes it back as fast. */
export const revert = async (name, before) => {
  const answer = await post("update", { version: app.doc.version, parameters: { [name]: before } });
  if (answer.ok) say("ok", `${words(name)} is ${value(before)} again`);
  else for (const said of answer.said) say("bad", said);
};

const drop = (name) => { edits.delete(name); changed(); };
/** Forget every edit. */
export const discard = () => { edits.clear(); changed(); };
/** Show or hide the tray's body. */
export const toggleTray = () => { state.hidden = !state.hidden; redraw(); };

const changed = () => {
  state.said = [];
  state.errors = {};
  if (!edits.size) { state.preview = null; state.version = null; confirmed.clear(); }
  keep();
  clearTimeout(state.timer);
  state.timer = setTimeout(preview, PAUSE);
  redraw();
};

const preview = async () => {
  if (!edits.size || !app.doc || app.lost) return;
  const asked = JSON.stringify(proposed());
  state.asked = performance.now();
  // the same question with the present values: both answers stand on one pool, so the difference is the edits' alone
  const [answer, present] = await Promise.all([post("preview", { parameters: proposed() }), post("preview", { parameters: {} })]);
  if (asked !== JSON.stringify(proposed())) return; // edited meanwhile: another answer is on its way
  state.preview = answer.ok ? { ...answer.document, present: present.ok ? present.document : { quotes: app.doc.trader.quotes, valuation: app.doc.valuation }, time: app.doc.time } : null;
  take(answer);
  redraw();
};

const take = (answer) => {
  state.errors = Object.fromEntries((answer.document.errors ?? []).map((e) => [e.field.replace(/^parameters\./, ""), e.message]));
  state.said = answer.ok ? [] : answer.said;
};

/** Whether UPDATE may be pressed. */
export const canUpdate = () => edits.size > 0 && canAct() && !state.busy && !anyClash() && !Object.keys(state.errors).length;

/** Apply all edits or none. */
export const update = async () => {
  if (!canUpdate()) return;
  state.busy = true;
  redraw();
  const count = edits.size;
  const answer = await post("update", { version: state.version, parameters: proposed() });
  state.busy = false;
  if (answer.ok) {
    edits.clear();
    changed();
    say("ok", `${count} parameter${count > 1 ? "s" : ""} changed`);
  } else take(answer); // the values that others set come with the next news, and show as a conflict
  redraw();
};

/** Called with every new document: edits that became true go; edits nobody else touched follow the version. */
export const follow = () => {
  if (!edits.size) return;
  if (state.preview && performance.now() - state.asked > AGAIN) preview(); // the market moves on
  for (const [name, e] of [...edits]) if (!parameters()[name] || (equal(e.value, parameters()[name].value) && !state.busy)) edits.delete(name);
  if (!anyClash() && state.version !== app.doc.version && !state.busy) {
    state.version = app.doc.version;
    changed();
  }
};

const keepMine = (name) => { edits.get(name).base = parameters()[name].value; state.version = app.doc.version; changed(); };

/* ---- the tray */

const shownUnit = (p) => (Array.isArray(p.value) ? "" : app.unitOf(p));

const row = (name) => {
  const p = parameters()[name], e = edits.get(name), wrong = problem(name);
  return h("tr", { key: name, class: wrong ? "wrong" : clashes(name) ? "clash" : "" },
    h("th", { scope: "row" }, words(name), wrong ? h("small", { class: "c-bad" }, " ", wrong) : null),
    h("td", { class: "r" }, value(p?.value), " ", h("span", { class: "u" }, shownUnit(p))), h("td", {}, icon("arrow")),
    h("td", { class: "r" }, h("b", {}, value(e.value)), " ", h("span", { class: "u" }, shownUnit(p))),
    h("td", {}, button([icon("back"), "undo"], () => drop(name), { cls: "small ghost", key: "undo" })));
};

const clash = (name) => h("tr", { key: name },
  h("th", { scope: "row" }, words(name)), h("td", { class: "r" }, value(edits.get(name).base)), h("td", { class: "r" }, h("b", {}, value(parameters()[name].value))), h("td", { class: "r" }, h("b", {}, value(edits.get(name).value))),
  h("td", {}, button("Keep mine", () => keepMine(name)), " ", button("Take theirs", () => drop(name))));

const effects = (now, then) => {
  const rows = [];
  const add = (what, before, after, unit) => rows.push([what, before, after, unit]);
  const old = new Map(allQuotes(now.quotes).map((q) => [`${q.venue}${q.ticker}${q.side}`, q]));
  for (const q of allQuotes(then.quotes)) {
    const o = old.get(`${q.venue}${q.ticker}${q.side}`);
    add(`${q.side} on ${q.venue}`, o?.price, q.price, quoteOf(q.ticker));
    add(`${q.side} size`, o?.size, q.size, baseOf(q.ticker));
  }
  const before = new Map((now.valuation?.rounded?.moves ?? []).map((m) => [moveKey(m), m]));
  const after = new Map((then.valuation?.rounded?.moves ?? []).map((m) => [moveKey(m), m]));
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    const m = after.get(key) ?? before.get(key);
    add(moveName(m), before.get(key)?.amount ?? "0", after.get(key)?.amount ?? "0", m.asset);
  }
  for (const term of ["value", "costs", "risk", "deviation"]) add(`${term} after the plan`, now.valuation?.rounded?.[term], then.valuation?.rounded?.[term], "");
  return rows;
};

const FIGURES = { significant: 9 };
const effect = ([what, before, after, unit]) => {
  const difference = before && after ? minus(after, before) : null;
  const unchanged = (before ?? "") === (after ?? "") || (difference !== null && !/[1-9]/.test(difference));
  return h("tr", { key: what, class: unchanged ? "unchanged" : "" }, h("th", { scope: "row" }, what), h("td", { class: "r" }, computed(before, unit, FIGURES)), h("td", { class: "r" }, unchanged ? "the same" : h("b", {}, computed(after, unit, FIGURES))),
    h("td", { class: "r" }, difference && !unchanged ? computed(difference, "", { significant: 6, signed: true }) : ""));
};

const previewed = () => {
  if (!state.preview) return h("div", { key: "eff", class: "d" }, state.said.length ? "No preview: the edits are not valid together." : "The preview is being computed…");
  return h("table", { class: "eff", key: "eff" }, h("caption", {}, "What the edits would change, both computed on the pool of ", when(state.preview.time)),
    h("thead", {}, h("tr", {}, ["What", "Present values", "With the edits", "Change"].map((t, i) => h("th", { scope: "col", class: i ? "r" : "" }, t)))),
    h("tbody", {}, effects(state.preview.present, state.preview).map(effect)));
};

/** The tray at the foot of the page. */
export const tray = () => {
  const clashing = [...edits.keys()].filter(clashes);
  const count = edits.size;
  return [
    h("header", {}, h("h2", {}, clashing.length ? icon("warn") : null, `${count} edit${count > 1 ? "s" : ""}, not applied`),
      h("span", { class: "asof" }, app.mayAct ? "UPDATE applies all of them together" : "you may look, not act"),
      button(state.hidden ? "Show" : "Hide", toggleTray, { cls: "ghost", key: "hide" }), button("Discard", discard, { cls: "", key: "discard" }),
      button(`UPDATE ${count}`, update, { cls: "primary", key: "update", disabled: !canUpdate() })),
    state.hidden ? null : h("div", { class: "traybody two" },
      h("div", { key: "left" },
        clashing.length ? [reason("warn", h("b", {}, "Somebody else changed what you are editing. "), "Decide for each before UPDATE."),
          h("table", { class: "conf" }, h("caption", { class: "vh" }, "Edits that somebody else made too"), h("thead", {}, h("tr", {}, ["Parameter", "When you began", "Theirs, now", "Yours", ""].map((t, i) => h("th", { scope: "col", class: i && i < 4 ? "r" : "" }, t)))), h("tbody", {}, clashing.map(clash)))] : null,
        state.said.map((s, i) => h("div", { key: i, role: "alert" }, reason("bad", s))),
        h("table", { class: "edits" }, h("caption", {}, "Edits"), h("thead", {}, h("tr", {}, ["Parameter", "Now", "", "New", ""].map((t, i) => h("th", { scope: "col", class: i % 2 ? "r" : "" }, t)))), h("tbody", {}, [...edits.keys()].map(row)))),
      previewed()),
  ];
};
