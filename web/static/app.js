/* What the page knows: the last document, whether it is still news, and what the operator is doing. Draws nothing. */

const meta = (name) => document.querySelector(`meta[name=${name}]`).content;

export const app = {
  doc: null, // the daemon's document; null until the first arrives
  lost: null, // null, or {since, ended} while there is no news
  user: meta("user"),
  mayAct: meta("role") === "operator",
  tab: "trader",
  busy: new Set(), // acts under way
  sort: {}, // table → {column, down}
  filter: {}, // table → text
  all: {}, // table → whether all of it is shown
  unitOf: (p) => p.unit, // set by main.js: how a parameter's unit is called
  draw: () => {}, // set by main.js
};

let asked = false;

/** Draw the page at the next frame, once. */
export const redraw = () => {
  if (asked) return;
  asked = true;
  requestAnimationFrame(() => { asked = false; app.draw(); });
};

/** Whether an act may be begun now. */
export const canAct = () => Boolean(app.doc) && !app.lost && app.mayAct;
