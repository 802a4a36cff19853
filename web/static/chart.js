/* Lines over time, drawn as SVG: exact values under the pointer or the arrow keys, gaps where there was nothing.
   Numbers become coordinates here and nowhere else; what is read is the text they came as. */
import { app, redraw } from "./app.js";
import { h, icon } from "./dom.js";
import { amount, group, when } from "./format.js";

const PAD = { left: 76, right: 12, top: 8, bottom: 22 };
const hover = {}; // chart → ms of the world
const zoom = {}; // chart → [from, to] that is looked at; all of it where there is none
const drag = {}; // chart → where the pointer went down

const zoomed = (spec) => {
  const range = zoom[spec.id];
  if (!range) return spec;
  const series = spec.series.map((s) => ({ ...s, points: s.points.filter(([t]) => t >= range[0] && t <= range[1]) }));
  if (series[0].points.length > 1) return { ...spec, series };
  delete zoom[spec.id]; // what was looked at is too old, or there is nothing between
  return spec;
};

const nice = (low, high, count) => {
  const raw = (high - low) / count || 1, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].find((m) => m * power >= raw) * power;
  const ticks = [];
  for (let y = Math.ceil(low / step) * step; y <= high + step / 1e6; y += step) ticks.push(y);
  return { ticks, decimals: Math.max(0, -Math.floor(Math.log10(step) + 1e-9)) };
};

const path = (points, x, y, step) => {
  let d = "", drawn = false, before = 0;
  for (const [t, value] of points) {
    if (value === null) { drawn = false; continue; }
    const px = x(t).toFixed(1), py = y(value).toFixed(1);
    d += !drawn ? `M${px} ${py}` : step ? `H${px}V${py}` : `L${px} ${py}`;
    drawn = true;
    before = px;
  }
  return before === 0 ? "" : d;
};

const area = (low, high, x, y) => {
  const up = low.map(([t, v], i) => [t, v, high[i]?.[1]]).filter(([, a, b]) => a !== null && b !== null && b !== undefined);
  if (up.length < 2) return "";
  return `M${up.map(([t, a]) => `${x(t).toFixed(1)} ${y(a).toFixed(1)}`).join("L")}L${up.reverse().map(([t, , b]) => `${x(t).toFixed(1)} ${y(b).toFixed(1)}`).join("L")}Z`;
};

const nearest = (points, t) => points.reduce((best, p) => (Math.abs(p[0] - t) < Math.abs(best[0] - t) ? p : best), points[0]);

const readout = (spec, at) => {
  if (at === undefined) return h("p", { class: "readout", key: "readout" }, spec.hint ?? "Point at the picture, or focus it and use the arrow keys, for exact values. Drag over a part, or press +, to look closer; double-click, or press 0, for all of it.");
  const [t] = nearest(spec.series[0].points, at);
  const near = spec.markers.filter((m) => Math.abs(m.t - t) <= spec.near);
  return h("p", { class: "readout", key: "readout" }, spec.across ? spec.across(t) : when(new Date(t).toISOString(), app.doc.time), spec.series.map((s) => {
    const point = nearest(s.points, t);
    return [" · ", h("span", { class: s.text ?? "" }, s.name), " ", point[2] === null ? h("span", { class: "none" }, "none") : amount(point[2], spec.unit)];
  }), near.map((m) => [" · ", m.text]));
};

/** A chart. `spec`: `{id, label, unit, height, series: [{name, cls, text, step, loose, points: [[ms, number or null, text]]}],
    A loose series does not stretch the picture; it leaves it at the edge.
    bands: [{cls, low, high}] (indices of series), markers: [{t, y, cls, text}], across: words of an x that is no time}`. */
export const chart = (whole) => {
  const spec = zoomed(whole), { id, height = 240 } = spec;
  const box = document.getElementById(`chart-${id}`);
  const width = Math.max(260, box?.clientWidth ?? 800);
  if (!box) setTimeout(redraw, 0); // its width is known once it stands on the page
  const times = spec.series[0].points.map(([t]) => t), [from, to] = [times[0], times.at(-1)];
  const markers = spec.markers.filter((m) => m.t >= from && m.t <= to);
  const values = [...spec.series.filter((s) => !s.loose).flatMap((s) => s.points.map((p) => p[1])), ...markers.map((m) => m.y)].filter((v) => v !== null);
  if (!values.length) return h("p", { class: "empty", key: id }, icon("none"), "There was nothing to draw in this time: no prices, no amounts.");
  const low = Math.min(...values), high = Math.max(...values), room = (high - low) * 0.06 || Math.abs(high) * 0.01 || 1;
  const x = (t) => PAD.left + ((t - from) / (to - from || 1)) * (width - PAD.left - PAD.right);
  const y = (v) => PAD.top + ((high + room - v) / (high - low + 2 * room)) * (height - PAD.top - PAD.bottom);
  const { ticks, decimals } = nice(low - room, high + room, 4);
  const every = Math.max(1, Math.floor((width - PAD.left) / 110));
  const move = (at) => { hover[id] = at; redraw(); };
  const place = (event) => {
    const rect = event.currentTarget.getBoundingClientRect();
    return from + ((event.clientX - rect.left - PAD.left) / (rect.width - PAD.left - PAD.right)) * (to - from);
  };
  const pointed = (event) => move(place(event));
  const look = (range) => { if (range) zoom[id] = range; else delete zoom[id]; redraw(); };
  const pressed = (event) => { drag[id] = place(event); };
  const released = (event) => {
    const range = [drag[id], place(event)].sort((a, b) => a - b);
    delete drag[id];
    if (range[1] - range[0] > (to - from) / 50) look(range);
  };
  const keyed = (event) => {
    const middle = hover[id] ?? (from + to) / 2, quarter = (to - from) / 4;
    if (event.key === "+") return look([middle - quarter, middle + quarter]);
    if (event.key === "-" || event.key === "0") return look(null);
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!by) return;
    event.preventDefault();
    const at = times.indexOf(nearest(spec.series[0].points, hover[id] ?? to)[0]);
    move(times[Math.min(times.length - 1, Math.max(0, at + by))]);
  };
  const text = (px, py, anchor, words) => h("text", { x: px, y: py, "text-anchor": anchor }, words);
  const near = { ...spec, markers, near: (to - from) / 100 };
  return h("figure", { class: "figure", key: id },
    readout(near, hover[id]),
    h("div", { class: "plot", id: `chart-${id}` },
      h("svg", { width, height, viewBox: `0 0 ${width} ${height}`, role: "img", tabindex: "0", "aria-label": spec.label, onmousemove: pointed, onmousedown: pressed, onmouseup: released, ondblclick: () => look(null), onmouseleave: () => { delete drag[id]; move(undefined); }, onkeydown: keyed },
        ticks.map((v) => [h("line", { class: "g", key: `y${v}`, x1: PAD.left, x2: width - PAD.right, y1: y(v), y2: y(v) }), text(PAD.left - 6, y(v) + 4, "end", group(v.toFixed(decimals)))]),
        (spec.across ? nice(from, to, Math.min(6, every)).ticks : Array.from({ length: every + 1 }, (_, i) => from + ((to - from) * i) / every)).map((t, i) => text(x(t), height - 6, i === 0 ? "start" : t === to ? "end" : "middle", spec.across ? spec.across(t) : new Date(t).toLocaleTimeString("en-GB"))),
        h("svg", { x: PAD.left, y: PAD.top, width: width - PAD.left - PAD.right, height: height - PAD.top - PAD.bottom, viewBox: `${PAD.left} ${PAD.top} ${width - PAD.left - PAD.right} ${height - PAD.top - PAD.bottom}`, "aria-hidden": "true" },
        (spec.bands ?? []).map((b) => h("path", { class: b.cls, d: area(spec.series[b.low].points, spec.series[b.high].points, x, y) })),
        spec.series.map((s) => h("path", { class: `l ${s.cls}`, key: s.name, d: path(s.points, x, y, s.step) })),
        markers.map((m, i) => h("path", { class: m.cls, key: `m${i}`, d: `M${x(m.t).toFixed(1)} ${y(m.y).toFixed(1)}m0 ${m.up ? -6 : 6}l6 ${m.up ? 10 : -10}h-12Z` }))),
        hover[id] === undefined ? null : h("line", { class: "cross", x1: x(nearest(spec.series[0].points, hover[id])[0]), x2: x(nearest(spec.series[0].points, hover[id])[0]), y1: PAD.top, y2: height - PAD.bottom }))),
    zoom[id] ? h("p", { class: "row acts2", key: "zoom" }, h("button", { type: "button", class: "btn small", onclick: () => look(null) }, "Show all of it")) : null,
    h("ul", { class: "legend" }, spec.series.filter((s) => !s.quiet).map((s) => h("li", { key: s.name }, h("svg", { width: "18", height: "10", "aria-hidden": "true" }, h("path", { class: `l ${s.cls}`, d: "M0 5H18" })), s.name)), markers.length && !spec.across ? h("li", { key: "fills" }, h("span", { class: "c-bid" }, icon("up"), "bought"), h("span", { class: "c-ask" }, icon("down"), "sold")) : null, spec.unit ? h("li", { key: "unit", class: "unit" }, spec.unit) : null));
};
