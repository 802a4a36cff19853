/* Describes elements as plain objects and brings the page to them in place: nothing moves that did not change, focus and
   what is being typed stay. Knows nothing of the pool. */

const APART = new Set(["key", "flash", "keep", "paint"]); // props that are no attributes
const painted = []; // what waits until the page is laid out

/** Fill what others draw; to be called when all is in its place. */
export const paintAll = () => { for (const paint of painted.splice(0)) paint(); };

const SVG = "http://www.w3.org/2000/svg";

/** Describe an element. Handlers are props that begin with "on"; `key` tells elements of a list apart; `flash` marks a
    changed text for a moment; `paint(node)` fills an element whose inside belongs to somebody else; `value` of a field is not set while somebody types in it, unless `keep(typed)` is false. */
export const h = (tag, props, ...children) => ({ tag, props: props || {}, children: children.flat(Infinity) });

/** One of the icons at the head of the page. */
export const icon = (name) => h("svg", { class: "i", "aria-hidden": "true" }, h("use", { href: `#i-${name}` }));

/** A text that only screen readers get. */
export const hiddenText = (text) => h("span", { class: "vh" }, text);

const matches = (node, wanted) =>
  typeof wanted === "string" ? node.nodeType === 3 : node.nodeType === 1 && node.__tag === wanted.tag && node.__key === wanted.props.key;

const make = (wanted, namespace) => {
  if (typeof wanted === "string") return document.createTextNode(wanted);
  const space = wanted.tag === "svg" ? SVG : namespace;
  const node = space === SVG ? document.createElementNS(SVG, wanted.tag) : document.createElement(wanted.tag);
  node.__tag = wanted.tag;
  node.__key = wanted.props.key;
  node.__props = {};
  return node;
};

/* What is being typed stays, unless the field says that it stands for nothing any more (an edit that was discarded). */
const stands = (node, props) => props.keep?.(node.value) ?? true;

const setProp = (node, name, value, props = {}) => {
  if (name.startsWith("on")) node[name] = value ?? null;
  else if (name === "value" && "value" in node) { if (document.activeElement !== node || !stands(node, props)) node.value = value ?? ""; }
  else if (name === "checked") node.checked = Boolean(value);
  else if (value === true) node.setAttribute(name, "");
  else if (value === false || value === null || value === undefined) node.removeAttribute(name);
  else node.setAttribute(name, value);
};

/* Marks a change for a moment, in one step back: a fading colour would keep the page painting all the time. */
const still = matchMedia("(prefers-reduced-motion: reduce)");
const flash = (node) => {
  if (still.matches || node.__flash?.playState === "running") return;
  node.__flash = node.animate([{ background: "var(--changed)" }, { background: "transparent" }], { duration: 700, easing: "steps(1, end)" });
};

const update = (node, wanted) => {
  if (typeof wanted === "string") {
    if (node.nodeValue === wanted) return false;
    node.nodeValue = wanted;
    return true;
  }
  const before = node.__props;
  for (const name of Object.keys(before)) if (!(name in wanted.props) && !APART.has(name)) setProp(node, name, null);
  for (const [name, value] of Object.entries(wanted.props)) {
    if (APART.has(name)) continue;
    if (before[name] !== value || name === "value") setProp(node, name, value, wanted.props);
  }
  node.__props = wanted.props;
  if (wanted.props.paint) { painted.push(() => wanted.props.paint(node)); return false; }
  const changed = patch(node, wanted.children);
  if (changed && wanted.props.flash && before.flash) flash(node);
  return changed;
};

/** Bring the children of *parent* to what is described; true when a text in them changed. */
export const patch = (parent, children) => {
  const wanted = children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false && c !== "")
    .map((c) => (typeof c === "object" ? c : String(c)));
  const spare = [...parent.childNodes];
  let changed = false;
  wanted.forEach((child, index) => {
    const at = spare.findIndex((node) => matches(node, child));
    const node = at >= 0 ? spare.splice(at, 1)[0] : make(child, parent.namespaceURI);
    if (at < 0) changed = true;
    changed = update(node, child) || changed;
    if (parent.childNodes[index] !== node) parent.insertBefore(node, parent.childNodes[index] ?? null);
  });
  for (const node of spare) node.remove();
  return changed;
};
