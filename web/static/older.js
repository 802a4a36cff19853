/* Lines of the audit log that are older than those of every document: loaded when the operator wants them, kept by this page. */
import { redraw } from "./app.js";

/** Whether there may be more, whether they are on their way, and why they did not come. */
export const older = { more: true, busy: false, problem: "" };
let lines = []; // newest first, with those that documents had since the first were loaded

const nameOf = (line) => `${line.at} ${line.what} ${line.about} ${line.after}`;
const once = (all) => { const names = new Set(); return all.filter((line) => !names.has(nameOf(line)) && names.add(nameOf(line))); };

/** *fresh* lines, newest first, with the older ones that were loaded; none twice. */
export const known = (fresh) => {
  const names = new Set(lines.map(nameOf));
  // so much has happened since they were loaded that some lines are in neither: they are to be loaded anew
  if (lines.length && !fresh.some((line) => names.has(nameOf(line)))) { lines = []; older.more = true; }
  if (lines.length) lines = once([...fresh, ...lines]);
  return lines.length ? lines : fresh;
};

/** Load lines older than the last of *shown*; the daemon tells those of that instant again, so that none is lost. */
export const loadOlder = async (shown) => {
  Object.assign(older, { busy: true, problem: "" });
  redraw();
  try {
    const answer = await fetch(`/api/audit?until=${encodeURIComponent(shown.at(-1).at)}`, { signal: AbortSignal.timeout(20000) });
    if (!answer.ok) throw new Error(`the daemon answered ${answer.status}`);
    const found = await answer.json();
    lines = once([...shown, ...found.lines]);
    older.more = found.more;
  } catch (error) {
    older.problem = `not loaded: ${error.message}`;
  }
  older.busy = false;
  redraw();
};
