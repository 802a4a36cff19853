/* How the pictures look: the page's own colours, in the theme that is on, and what each kind of line is made of. */

const LINES = {
  bid: ["--bid", 2, "solid"], ask: ["--ask", 2, "solid"], other: ["--ink-3", 1, "dot"], ref: ["--ink-2", 1, "solid"],
  book: ["--line-strong", 1, "dot"], hold: ["--ink", 2, "solid"], edgeline: ["--line-strong", 1, "dash"],
  s1: ["--s1", 1.5, "solid"], s2: ["--s2", 1.5, "dash"], s3: ["--s3", 1.5, "dot"], s4: ["--s4", 1.5, "dashdot"], s5: ["--s5", 1.5, "longdash"], s6: ["--s6", 1.5, "longdashdot"], s7: ["--s7", 1.5, "dot"], s8: ["--s8", 1.5, "dash"],
};
const PATTERNS = { s1: "", s2: "/", s3: ".", s4: "\\", s5: "x", s6: "-", s7: "|", s8: "+" };

const dark = matchMedia("(prefers-color-scheme: dark)");
let colours = new Map(), known = "";

/** The theme that is on. */
export const theme = () => (document.documentElement.dataset.theme === "auto" ? (dark.matches ? "dark" : "light") : document.documentElement.dataset.theme);

/** What a colour of the style sheet comes to now; the library wants numbers. */
export const colour = (name) => {
  if (known !== theme()) { colours = new Map(); known = theme(); }
  if (!colours.has(name)) {
    const probe = document.createElement("span");
    probe.style.color = `var(${name})`;
    document.body.append(probe);
    colours.set(name, getComputedStyle(probe).color);
    probe.remove();
  }
  return colours.get(name);
};

/** A line of the kind *cls*. */
export const lineOf = (cls) => { const [name, width, dash] = LINES[cls] ?? LINES.ref; return { color: colour(name), width, dash }; };

/** The same colour, see-through. */
export const faint = (name, share) => colour(name).replace("rgb(", "rgba(").replace(")", `, ${share})`);

/** An area or bar of the kind *cls*: a pattern beside the colour, so that neither is the only sign. */
export const fillOf = (cls) => ({ color: colour((LINES[cls] ?? LINES.ref)[0]), pattern: { shape: PATTERNS[cls] ?? "", size: 6, solidity: 0.15, fgcolor: colour("--surface"), fillmode: "overlay" } });

const axis = () => ({
  gridcolor: colour("--line"), linecolor: colour("--line-2"), zerolinecolor: colour("--line-strong"), tickcolor: colour("--line-2"),
  tickfont: { size: 11, color: colour("--ink-3") }, separatethousands: true, exponentformat: "none", automargin: true,
});

/** What all pictures have in common. */
export const layoutOf = (width, height) => ({
  width, height, autosize: false, margin: { l: 8, r: 12, t: 8, b: 8 }, showlegend: false, separators: ".,",
  paper_bgcolor: colour("--surface"), plot_bgcolor: colour("--surface"), // what lies upon it is set off against this
  font: { family: getComputedStyle(document.body).fontFamily, size: 11, color: colour("--ink-2") },
  hoverlabel: { bgcolor: colour("--raised"), bordercolor: colour("--line-strong"), align: "left", namelength: -1, font: { family: getComputedStyle(document.body).fontFamily, size: 12, color: colour("--ink") } },
  hoverdistance: 40, spikedistance: -1,
  xaxis: { ...axis(), nticks: Math.max(3, Math.floor(width / 110)) }, yaxis: { ...axis(), nticks: height < 200 ? 4 : 6, fixedrange: true },
});

/** What people may do with them; everything else is a button beside the picture. */
export const CONFIG = { displayModeBar: false, doubleClick: false, scrollZoom: false, responsive: false, showTips: false, editable: false };
