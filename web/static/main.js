/* Puts the page together: the link brings documents, the tabs draw them, the keys move between tabs. */
import { app, redraw } from "./app.js";
import { keys } from "./acts.js";
import { edits, follow, toggleTray, tray } from "./edits.js";
import { paintAll, patch } from "./dom.js";
import { drawHeader } from "./header.js";
import { remember } from "./history.js";
import { Link } from "./link.js";
import { unitOf } from "./parameters.js";
import { orders, transactions, transits } from "./tab-ledger.js";
import { holdings, market } from "./tab-market.js";
import { optimized, valuation } from "./tab-optimized.js";
import { trader } from "./tab-trader.js";

const TABS = { trader, valuation, market, state: holdings, transits, orders, optimized, transactions };

/* The tray must not cover the field that is being edited. */
let trayHeight = 0;
const keepInSight = (box) => {
  const field = document.activeElement, height = box.hidden ? 0 : box.offsetHeight;
  if (height > trayHeight && field?.closest?.("main")) {
    const covered = field.getBoundingClientRect().bottom + 24 - box.getBoundingClientRect().top;
    if (covered > 0) scrollBy(0, covered);
  }
  trayHeight = height;
};

const draw = () => {
  drawHeader();
  const box = document.getElementById("tray");
  box.hidden = !edits.size || !app.doc;
  if (!box.hidden) patch(box, tray());
  document.body.classList.toggle("editing", !box.hidden);
  if (app.doc) patch(document.getElementById(`grid-${app.tab}`), TABS[app.tab]().flat(Infinity));
  paintAll();
  keepInSight(box);
};

const show = () => {
  const asked = location.hash.slice(1);
  const moved = app.tab !== asked;
  app.tab = Object.hasOwn(TABS, asked) ? asked : "trader";
  for (const section of document.querySelectorAll(".tab")) section.hidden = section.id !== `tab-${app.tab}`;
  const link = document.querySelector(`.tabs a[data-tab=${app.tab}]`), bar = link.closest("nav");
  bar.scrollLeft = link.offsetLeft - (bar.clientWidth - link.offsetWidth) / 2; // on a phone the bar scrolls
  if (moved) scrollTo(0, 0);
  redraw();
};

const typing = (target) => target.closest?.("input, select, textarea") !== null && target.closest !== undefined;

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector("dialog[open]") || typing(event.target)) return;
  const tab = Object.keys(TABS)[Number(event.key) - 1];
  if (tab) location.hash = tab;
  else if (event.key === "t") { globalThis.nextTheme(); redraw(); }
  else if (event.key === "u") toggleTray();
  else if (event.key === "?") keys();
  else if (event.key === "/") {
    const find = document.querySelector(".tab:not([hidden]) input[type=search]");
    if (find) { event.preventDefault(); find.focus(); }
  }
});
const tip = document.getElementById("tiptext");
const help = (event) => {
  const term = event.target.closest?.(".term");
  tip.hidden = !term;
  if (!term) return;
  tip.textContent = term.dataset.help;
  const box = term.getBoundingClientRect();
  tip.style.left = `${Math.max(8, Math.min(box.left, innerWidth - tip.offsetWidth - 8)) + scrollX}px`;
  tip.style.top = `${box.bottom + scrollY + 6}px`;
};
for (const name of ["mouseover", "focusin"]) addEventListener(name, help);

document.querySelector("[data-theme-toggle]").addEventListener("click", redraw); // the pictures take the new colours
document.querySelector("[data-act=keys]").addEventListener("click", keys);
addEventListener("hashchange", show);
addEventListener("resize", redraw);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
history.scrollRestoration = "manual";

app.draw = draw;
app.unitOf = unitOf;
app.link = new Link(
  (doc) => { app.doc = doc; follow(); remember(); redraw(); },
  (status) => { app.lost = status.lost ? status : null; redraw(); },
);
show();
