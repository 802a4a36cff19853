/* What a person with weak eyes, a keyboard or a screen reader stumbles over on this page; a list of complaints. */
(() => {
  const found = new Set();
  const visible = (e) => e.checkVisibility({ checkVisibilityCSS: true, checkOpacity: true }) && e.getBoundingClientRect().width > 1;
  const where = (e) => `${e.tagName.toLowerCase()}${e.id ? `#${e.id}` : ""}.${[...e.classList].join(".")} "${(e.innerText || e.value || "").slice(0, 30).replace(/\s+/g, " ")}"`;

  /* contrast: WCAG 2.2, 1.4.3 */
  const canvas = Object.assign(document.createElement("canvas"), { width: 1, height: 1 }).getContext("2d", { willReadFrequently: true });
  const rgba = (text) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = text;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const over = ([r, g, b, a], [R, G, B]) => [r, g, b].map((c, i) => (c * a + [R, G, B][i] * (255 - a)) / 255);
  const ground = (e) => {
    const layers = [];
    for (let n = e; n; n = n.parentElement) {
      const colour = rgba(getComputedStyle(n).backgroundColor);
      layers.push(colour);
      if (colour[3] === 255) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const light = (rgb) => {
    const [r, g, b] = rgb.map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.nodeValue.trim());
    if (!own || !visible(e) || e.closest(":disabled, .vh, svg, noscript")) continue;
    const style = getComputedStyle(e), size = parseFloat(style.fontSize), bold = Number(style.fontWeight) >= 700;
    const back = ground(e), front = over(rgba(style.color), back);
    const [low, high] = [light(back), light(front)].sort((a, b) => a - b);
    const ratio = (high + 0.05) / (low + 0.05), needed = size >= 24 || (bold && size >= 18.66) ? 3 : 4.5;
    if (ratio < needed) found.add(`contrast ${ratio.toFixed(2)} of ${needed}: ${where(e)}`);
  }

  /* names: every control and picture says what it is */
  const named = (e) => e.innerText?.trim() || e.getAttribute("aria-label") || e.labels?.length || e.getAttribute("aria-labelledby") || e.title;
  for (const e of document.querySelectorAll("button, a[href], input:not([type=hidden]), select, textarea")) if (visible(e) && !named(e)) found.add(`no name: ${where(e)}`);
  for (const e of document.querySelectorAll("svg")) if (!e.closest("[aria-hidden=true], [role=img][aria-label]") && !e.getAttribute("aria-label")) found.add(`picture without words: ${e.getAttribute("class")}`);
  for (const e of document.querySelectorAll("table")) if (visible(e) && !e.caption) found.add(`table without a caption: ${where(e)}`);
  for (const e of document.querySelectorAll("thead th")) if (!e.scope) found.add(`heading without scope: ${where(e)}`);

  /* ids: one each, and references that lead somewhere */
  const ids = [...document.querySelectorAll("[id]")].map((e) => e.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.add(`id twice: ${id}`);
  for (const e of document.querySelectorAll("[aria-labelledby]")) if (!document.getElementById(e.getAttribute("aria-labelledby"))) found.add(`labelled by nothing: ${where(e)}`);

  /* size of what is pressed: WCAG 2.2, 2.5.8 */
  for (const e of document.querySelectorAll("button, input:not([type=hidden])")) {
    const box = e.getBoundingClientRect();
    if (visible(e) && !e.closest("thead") && (box.width < 24 || box.height < 24)) found.add(`smaller than 24 px: ${where(e)}`);
  }
  return [...found];
})()
