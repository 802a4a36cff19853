/* Pictures: lines over time or over an amount, and bars, drawn by plotly; exact values under the pointer or the arrow keys,
   a part looked at closer, and the same figures as a table. Numbers become coordinates here and nowhere else; what is read is
   the text they came as. */
import { app, redraw } from "./app.js";
import { h, icon } from "./dom.js";
import { amount, group, utc, when } from "./format.js";
import { library } from "./library.js";
import { CONFIG, colour, faint, fillOf, layoutOf, lineOf, theme } from "./looks.js";
import { button, table } from "./parts.js";

const views = new Map(); // picture → {from, to, at, hidden, open, made, stamp}: what the operator looks at, and what was made of it last
let Plotly = null, problem = "";

const view = (id) => { if (!views.has(id)) views.set(id, { hidden: new Set() }); return views.get(id); };
const touch = matchMedia("(pointer: coarse)");
const AGAIN = 5000; // ms until a script that did not come is asked for anew
let loading = false;
const load = () => {
  loading = true;
  library().then((found) => { Plotly = found; redraw(); }, (error) => { problem = error.message; setTimeout(load, AGAIN); redraw(); });
};

const visible = (v, spec) => spec.series.filter((s) => !v.hidden.has(s.name));
const within = (v, points) => (v.from === undefined ? points : points.filter(([x]) => x >= v.from && x <= v.to));
const spread = (values) => {
  const low = Math.min(...values), high = Math.max(...values), room = (high - low) * 0.06 || Math.abs(high) * 0.01 || 1;
  return [low - room, high + room];
};
const moment = (spec, x) => (spec.across ? x : new Date(x)); // it shows dates in the zone of this browser
const back = (spec, x) => (spec.across ? Number(x) : typeof x === "string" ? new Date(x.replace(" ", "T")).getTime() : +x);
const escaped = (text) => String(text).replaceAll("<", "‹").replaceAll(">", "›");
const exact = (text, unit) => (text === null || text === undefined ? "none" : `${group(text)}${unit ? ` ${unit}` : ""}`);

/* The heading of what the pointer shows is in the zone of this browser; the last line tells the same moment in UTC. */
const utcTrace = (v, spec) => {
  const shown = visible(v, spec), points = shown[0]?.points ?? [];
  const anchor = (i) => shown.map((s) => s.points[i]?.[1]).find((y) => y !== null && y !== undefined) ?? null;
  if (spec.across || !points.some(([x]) => new Date(x).getTimezoneOffset())) return [];
  return [{
    type: "scatter", mode: "lines", name: "UTC", x: points.map(([x]) => moment(spec, x)), y: points.map((_, i) => anchor(i)), customdata: points.map(([x]) => utc(x)),
    connectgaps: false, hovertemplate: "%{customdata}<extra></extra>", line: { width: 0 },
  }];
};

const lineTraces = (v, spec) => [
  ...visible(v, spec).map((s) => ({
    type: "scatter", mode: "lines", name: s.name, x: s.points.map(([x]) => moment(spec, x)), y: s.points.map((p) => p[1]), customdata: s.points.map((p) => exact(p[2], spec.unit)),
    connectgaps: false, hovertemplate: `${escaped(s.name)}: %{customdata}<extra></extra>`, line: { ...lineOf(s.cls), shape: s.step ? "hv" : "linear" },
    ...(s.stack ? { stackgroup: "all", fillcolor: faint(s.stack, 0.35) } : s.fill ? { fill: "tonexty", fillcolor: faint("--ink-3", 0.14) } : {}),
  })),
  ...["up", "down"].map((way) => (spec.markers ?? []).filter((m) => (way === "up") === Boolean(m.up))).filter((some) => some.length).map((some) => ({
    type: "scatter", mode: "markers", name: some[0].kind, x: some.map((m) => moment(spec, m.x)), y: some.map((m) => m.y), customdata: some.map((m) => escaped(m.text)), hovertemplate: "%{customdata}<extra></extra>",
    marker: { symbol: some[0].up ? "triangle-up" : "triangle-down", size: 11, color: colour(some[0].up ? "--bid" : "--ask"), line: { width: 1, color: colour("--surface") } },
  })),
  ...utcTrace(v, spec),
];

const lineLayout = (v, spec, layout) => {
  const xs = spec.series[0].points.map(([x]) => x);
  const edge = spec.across ? (xs.at(-1) - xs[0]) / 50 : 0; // what was chosen may be nothing: its sign stands at the edge
  const [from, to] = v.from === undefined ? [xs[0] - edge, xs.at(-1) + edge] : [v.from, v.to];
  const stacked = spec.series.some((s) => s.stack);
  const seen = visible(v, spec);
  const counted = seen.some((s) => !s.loose) ? seen.filter((s) => !s.loose) : seen;
  const values = [...counted.flatMap((s) => within(v, s.points).map((p) => p[1])), ...(spec.markers ?? []).filter((m) => m.x >= from && m.x <= to).map((m) => m.y)].filter((y) => y !== null);
  Object.assign(layout, { hovermode: "x unified", dragmode: touch.matches ? false : "zoom" });
  Object.assign(layout.xaxis, { range: [moment(spec, from), moment(spec, to)], type: spec.across ? "linear" : "date", showspikes: true, spikemode: "across", spikesnap: "cursor", spikethickness: 1, spikedash: "dot", spikecolor: colour("--ink-3"), ticksuffix: spec.across ? ` ${spec.across}` : "", hoverformat: spec.across ? "" : "%Y-%m-%d %H:%M:%S" });
  if (!values.length) {
    layout.yaxis.visible = false; // a scale without a figure would be an invention
    layout.annotations = [{ text: "There was nothing to draw in this time.", x: 0.5, y: 0.5, xref: "paper", yref: "paper", showarrow: false, font: { size: 12, color: colour("--ink-3") } }];
  }
  if (stacked) layout.yaxis.rangemode = "tozero";
  else if (values.length) layout.yaxis.range = spread(values);
};

const barTraces = (v, spec) => visible(v, spec).map((s) => ({
  type: "bar", name: s.name, orientation: spec.across ? "h" : "v", marker: s.colours ? { color: s.colours.map(colour) } : fillOf(s.cls), customdata: s.values.map(([, text]) => exact(text, spec.unit)),
  [spec.across ? "y" : "x"]: spec.names, [spec.across ? "x" : "y"]: s.values.map(([y]) => y), hovertemplate: spec.across ? "%{y}: %{customdata}<extra></extra>" : `${escaped(s.name)}: %{customdata}<extra></extra>`,
}));
const barLayout = (v, spec, layout) => {
  Object.assign(layout, { barmode: "relative", bargap: 0.35, hovermode: spec.across ? "closest" : "x unified", dragmode: false });
  const [names, numbers] = spec.across ? [layout.yaxis, layout.xaxis] : [layout.xaxis, layout.yaxis];
  Object.assign(names, { type: "category", fixedrange: true, showgrid: false, ...(spec.names.length * 55 < layout.width ? { dtick: 1 } : {}), ...(spec.across ? { autorange: "reversed", nticks: spec.names.length } : {}) });
  Object.assign(numbers, { fixedrange: true, rangemode: "tozero" });
  const roomy = layout.width / spec.names.length > 130;
  layout.annotations = (roomy ? spec.notes ?? [] : []).map((text, i) => ({ x: i, y: 1, yref: "paper", yanchor: "bottom", text: escaped(text), showarrow: false, font: { size: 11, color: colour("--ink-2") } }));
  if (layout.annotations.length) layout.margin.t = 24;
};

/* The pointer's place is kept while new figures come in, so that what is read does not vanish under it. */
const axial = (spec, x) => (spec.across ? x : x - new Date(x).getTimezoneOffset() * 60000); // where an axis of dates has it
const point = (node, v, spec) => {
  const at = v.at === undefined ? v.pointed : axial(spec, v.at);
  if (at !== undefined && !spec.names) Plotly.Fx.hover(node, { xval: at }, "xy");
};

const listen = (node, id) => {
  node.on("plotly_relayout", (change) => {
    const [from, to] = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
    if (from !== undefined) look(id, back(view(id).made, from), back(view(id).made, to));
  });
  node.on("plotly_doubleclick", () => look(id));
  node.on("plotly_hover", (event) => { if (event.event) view(id).pointed = event.xvals?.[0]; });
  node.on("plotly_unhover", () => { view(id).pointed = undefined; });
};
const look = (id, from, to) => { Object.assign(view(id), { from, to }); redraw(); };

/* The width is told, not asked for: asking makes the page lay itself out at once. */
const widths = new ResizeObserver((entries) => { for (const { target, contentRect } of entries) target.__width = Math.floor(contentRect.width); redraw(); });
const placed = (node, height) => {
  node.style.height = `${height}px`;
  node.__width = node.clientWidth;
  widths.observe(node);
};

const paint = (node, { id, stamp, height = 240 }, make) => {
  if (node.__width === undefined) placed(node, height);
  if (!Plotly) { if (!loading) load(); node.textContent = problem || "The picture is on its way."; return; }
  const v = view(id), width = node.__width;
  const mark = `${stamp} ${theme()} ${width} ${height} ${v.from} ${v.to} ${[...v.hidden]}`;
  if (!width || node.__mark === mark) return;
  const first = node.__mark === undefined;
  node.style.height = `${height}px`;
  node.__mark = mark;
  const spec = v.stamp === stamp && v.made ? v.made : make();
  Object.assign(v, { made: spec, stamp });
  if (first) node.replaceChildren();
  if (v.from !== undefined && !spec.names && !within(v, spec.series[0].points).length) v.from = v.to = undefined; // it has passed
  const layout = layoutOf(width, height);
  if (spec.names) barLayout(v, spec, layout); else lineLayout(v, spec, layout);
  const { pointed } = v;
  Plotly.react(node, spec.names ? barTraces(v, spec) : lineTraces(v, spec), layout, CONFIG);
  if (first) {
    listen(node, id);
    document.getElementById("js-plotly-tester")?.setAttribute("aria-hidden", "true"); // where it measures texts
  }
  if (node.matches(":hover")) v.pointed = pointed;
  if (!spec.names) point(node, v, spec);
};

const xs = (spec) => spec.series[0].points.map(([x]) => x);
const nearest = (points, x) => points.reduce((best, p) => (Math.abs(p[0] - x) < Math.abs(best[0] - x) ? p : best), points[0]);
const place = (spec, x) => (spec.across ? `${group(String(Number(x.toPrecision(6))))} ${spec.across}` : when(new Date(x).toISOString(), app.doc.time));

/* What the arrow keys are at, in words: also for whoever cannot see the picture. */
const readout = (v, spec) => (v.at === undefined || !spec?.series[0].points ? "" : [place(spec, v.at), visible(v, spec).map((s) => {
  const p = nearest(s.points, v.at);
  return [" · ", s.name, " ", p[2] === null ? "none" : amount(p[2], spec.unit)];
})]);

const closer = (id, by) => {
  const v = view(id), all = xs(v.made), [from, to] = [v.from ?? all[0], v.to ?? all.at(-1)];
  const middle = v.at ?? (from + to) / 2, half = ((to - from) / 2) * by;
  if (middle - half <= all[0] && middle + half >= all.at(-1)) look(id);
  else look(id, Math.max(all[0], middle - half), Math.min(all.at(-1), middle + half));
};
const keyed = (id) => (event) => {
  const v = view(id);
  if (!v.made?.series[0].points) return;
  if (event.key === "+") return closer(id, 0.5);
  if (event.key === "-") return closer(id, 2);
  if (event.key === "0") return look(id);
  const by = { ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20, Home: -1e9, End: 1e9 }[event.key];
  if (by === undefined) return;
  event.preventDefault();
  const all = xs(v.made).filter((x) => v.from === undefined || (x >= v.from && x <= v.to));
  const now = v.at === undefined ? all.length : all.indexOf(nearest(all.map((x) => [x]), v.at)[0]);
  v.at = all[Math.min(all.length - 1, Math.max(0, now + by))];
  point(event.currentTarget, v, v.made);
  redraw();
};
const left = (id) => (event) => { const v = view(id); if (v.at === undefined) return; v.at = undefined; if (Plotly && event.currentTarget.__mark) Plotly.Fx.unhover(event.currentTarget); redraw(); };

const ROWS = 200; // of the table beside a picture; the CSV has the same
const figures = (id, label, spec) => {
  if (spec.names) return table(`fig-${id}`, label, [{ name: "What", head: true, cell: (i) => spec.names[i], raw: (i) => spec.names[i] }, ...spec.series.map((s) => ({ name: s.name, right: true, cell: (i) => amount(s.values[i][1], spec.unit), raw: (i) => s.values[i][1] }))], spec.names.map((_, i) => i), { key: (i) => i, first: 12 });
  const all = xs(spec).map((_, i) => i).reverse(), every = Math.ceil(all.length / ROWS);
  const at = (s, i) => s.points[i]?.[2] ?? null;
  return table(`fig-${id}`, label, [
    { name: spec.across ? "Amount" : "Time", head: true, cell: (i) => place(spec, spec.series[0].points[i][0]), raw: (i) => (spec.across ? String(spec.series[0].points[i][0]) : new Date(spec.series[0].points[i][0]).toISOString()) },
    ...spec.series.map((s) => ({ name: s.name, right: true, cell: (i) => amount(at(s, i), spec.unit), raw: (i) => at(s, i) })),
  ], all.filter((_, n) => n % every === 0), { key: (i) => spec.series[0].points[i][0], first: 12 });
};

const swatch = (cls) => h("svg", { width: "18", height: "10", "aria-hidden": "true" }, h("path", { class: `l ${cls}`, d: "M0 5H18" }));
const turn = (id, name) => () => { const { hidden } = view(id); if (!hidden.delete(name)) hidden.add(name); redraw(); };
const legend = (id, { series, markers, unit }) => h("ul", { class: "legend", key: "legend" },
  series.length > 1 && series.map((s) => h("li", { key: s.name }, h("button", { type: "button", class: `key ${s.help ? "term" : ""}`, "data-help": s.help ?? null, "aria-description": s.help ?? null, "aria-pressed": view(id).hidden.has(s.name) ? "false" : "true", title: s.help ? null : "Show or hide", onclick: turn(id, s.name) }, s.cls ? swatch(s.cls) : null, s.name))),
  markers ? h("li", { key: "fills" }, h("span", { class: "c-bid" }, icon("up"), "bought"), h("span", { class: "c-ask" }, icon("down"), "sold")) : null,
  unit ? h("li", { key: "unit", class: "unit" }, unit) : null);

/** A picture. `about`: `{id, label, unit, height, stamp, keys, series: [{name, cls, help}], markers, bars}` is cheap; `make()` is called
    when `stamp` has changed, and gives either lines, `{unit, across, series: [{name, cls, step, loose, fill, stack, points: [[x, number or null, text]]}],
    markers: [{x, y, up, text}]}`, where x is ms of the world or, with `across`, an amount in that unit, or bars,
    `{unit, names, series: [{name, cls, values: [[number, text]]}], notes}`, on their side with `across`.  A loose line does not stretch the
    picture; it leaves it at the edge. */
export const chart = (about, make) => {
  const { id, label } = about, v = view(id), zoomed = v.from !== undefined;
  const made = v.made && v.stamp !== undefined ? v.made : null;
  return h("figure", { class: `figure ${about.bars ? "bars" : ""}`, key: id },
    h("div", { class: "plot", id: `chart-${id}`, role: "img", tabindex: "0", "aria-label": label, paint: (node) => paint(node, about, make), onkeydown: keyed(id), onblur: left(id) }),
    h("p", { class: "readout", role: "status", key: "readout" }, readout(v, made)),
    h("div", { class: "row under", key: "under" }, legend(id, about),
      about.bars ? null : [button("Closer", () => closer(id, 0.5), { key: "in" }), zoomed ? [button("Wider", () => closer(id, 2), { key: "out" }), button("All", () => look(id), { key: "all" })] : null]),
    h("details", { key: "figures", ontoggle: (event) => { v.open = event.currentTarget.open; redraw(); } }, h("summary", {}, "The figures as a table"), v.open ? figures(id, label, (made && v.stamp === about.stamp ? made : make())) : null));
};
