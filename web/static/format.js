/* Money, times and ages as a person reads them. Money stays text from the venue to the screen: digits are grouped and
   compared as text or as whole numbers of their smallest unit, never as floating point. */
import { h } from "./dom.js";

const NONE = "–";
// made once: each is a table of a language and a zone
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" }), DAY = new Intl.DateTimeFormat("sv-SE");

/** "-1234567.50" → "−1,234,567.50"; what is no plain number stays as it is. */
export const group = (text, signed = false) => {
  const found = /^([+-]?)(\d+)(\.\d+)?$/.exec(String(text));
  if (!found) return String(text);
  const [, minus, whole, fraction = ""] = found;
  const sign = minus === "-" && /[1-9]/.test(whole + fraction) ? "−" : signed && /[1-9]/.test(whole + fraction) ? "+" : "";
  return sign + whole.replace(/\B(?=(\d{3})+$)/g, ",") + fraction;
};

const scaled = (text, places) => {
  const [whole, fraction = ""] = String(text).replace(/^\+/, "").split(".");
  return BigInt(whole + fraction.padEnd(places, "0"));
};
const places = (text) => (String(text).split(".")[1] || "").length;
const plain = (text) => /^[+-]?\d+(\.\d+)?$/.test(String(text));

/** a − b, exactly; null when one of them is no plain number. */
export const minus = (a, b) => {
  if (!plain(a) || !plain(b)) return null;
  const n = Math.max(places(a), places(b));
  const difference = scaled(a, n) - scaled(b, n);
  const digits = String(difference < 0n ? -difference : difference).padStart(n + 1, "0");
  const text = n ? `${digits.slice(0, -n)}.${digits.slice(-n)}` : digits;
  return difference < 0n ? `-${text}` : text;
};

/** a + b, exactly; null when one of them is no plain number. */
export const plus = (a, b) => (plain(b) ? minus(a, String(b).startsWith("-") ? String(b).slice(1) : `-${String(b).replace(/^\+/, "")}`) : null);

/** a × b, exactly; null when one of them is no plain number. */
export const times = (a, b) => {
  if (!plain(a) || !plain(b)) return null;
  const n = places(a) + places(b), product = scaled(a, places(a)) * scaled(b, places(b));
  const digits = String(product < 0n ? -product : product).padStart(n + 1, "0");
  const text = n ? `${digits.slice(0, -n)}.${digits.slice(-n)}`.replace(/\.?0+$/, "") : digits;
  return product < 0n ? `-${text}` : text;
};

/** *text* to so many decimals, half away from zero; what is no plain number stays as it is. */
export const rounded = (text, decimals) => {
  if (!plain(text) || places(text) <= decimals) return text;
  const cut = 10n ** BigInt(places(text) - decimals);
  const exact = scaled(text, places(text)), half = exact < 0n ? -cut / 2n : cut / 2n;
  const digits = (exact + half) / cut, size = String(digits < 0n ? -digits : digits).padStart(decimals + 1, "0");
  return (digits < 0n ? "-" : "") + (decimals ? `${size.slice(0, -decimals)}.${size.slice(-decimals)}` : size);
};

/** Whether two texts are the same number. */
export const same = (a, b) => (plain(a) && plain(b) ? /^-?0*\.?0*$/.test(minus(a, b)) : String(a) === String(b));

/** Whether a text is another number than 0. */
export const isNonZero = (text) => /[1-9]/.test(String(text ?? ""));

/** A number with its unit behind; what is missing is a dash. */
export const amount = (text, unit = "", { signed = false, flash = false } = {}) => {
  if (text === null || text === undefined || text === "") return h("span", { class: "none" }, NONE);
  return [h("span", { class: "num", flash }, group(text, signed)), unit ? [" ", h("span", { class: "u" }, unit)] : null];
};

/** A computed price: as many digits as help to read it, all of them on hover. */
export const computed = (text, unit = "", { flash = false, significant = 8, signed = false } = {}) => {
  if (!plain(text)) return amount(text, unit);
  const [whole, fraction = ""] = String(text).replace(/^[+-]/, "").split(".");
  const zeros = /^0+$/.test(whole) ? /^0*/.exec(fraction)[0].length : -whole.length;
  return [h("span", { class: "num", flash, title: String(text) }, group(rounded(text, Math.max(0, significant + zeros)), signed)), unit ? [" ", h("span", { class: "u" }, unit)] : null];
};

/** Share of *part* in *whole* in percent, for bars only. */
export const percent = (part, whole) => {
  const share = (Math.abs(Number(part)) / Math.abs(Number(whole))) * 100;
  return Number.isFinite(share) ? share : 0;
};

/** Seconds in words. */
export const age = (seconds) => {
  if (seconds === null || seconds === undefined) return NONE;
  if (seconds < 10) return `${Number(seconds).toFixed(1)} s`;
  const s = Math.floor(seconds), two = (n) => String(n).padStart(2, "0");
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  if (s < 172800) return `${Math.floor(s / 3600)} h ${two(Math.floor(s / 60) % 60)} min`;
  return `${Math.floor(s / 86400)} d ${Math.floor(s / 3600) % 24} h`;
};

/** Seconds from one ISO time to another. */
export const between = (from, to) => (Date.parse(to) - Date.parse(from)) / 1000;

/** A moment in UTC, to the second. */
export const utc = (time) => `${new Date(time).toISOString().slice(0, 19).replace("T", " ")} UTC`;

/* The parts of a time in words, kept: most of the page's times are those of the draw before. */
const read = new Map();
const parts = (iso) => {
  if (!read.has(iso)) {
    if (read.size > 2000) read.clear();
    const time = new Date(iso);
    read.set(iso, { clock: CLOCK.format(time), day: DAY.format(time), utc: utc(time) });
  }
  return read.get(iso);
};

/** A time in the operator's zone; UTC on hover; with its date unless that is the date of *now*. */
export const when = (iso, now = iso) => {
  if (!iso) return h("span", { class: "none" }, NONE);
  const { clock, day, utc } = parts(iso);
  return h("time", { datetime: iso, title: utc }, now === iso || day === parts(now).day ? clock : `${day} ${clock}`);
};

/** A parameter's name in words. */
export const words = (name) => {
  const target = /^target_balance\.([^.]+)\.(.+)$/.exec(name);
  if (target) return `target of ${target[2]} on ${target[1]}`;
  return name.replaceAll("_", " ").replaceAll(".", " ");
};

/** A parameter's value; a cost has two parts. */
export const value = (v) => (Array.isArray(v) ? `${group(v[0])} + ${group(v[1])} ×` : v === null || v === undefined ? NONE : group(v));

/** A cell of a CSV file. Words that a venue chose and that begin like a formula would be run by a spreadsheet: an apostrophe
    makes text of them; numbers stay numbers. */
export const csvCell = (text) => {
  const safe = /^[=+\-@\t\r]/.test(text) && !plain(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
};
