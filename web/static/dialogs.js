/* Questions and answers: dialogs that state consequences first, and short messages. Esc never confirms. */
import { app, redraw } from "./app.js";
import { post } from "./api.js";
import { h, icon, patch } from "./dom.js";
import { reason } from "./parts.js";

const host = document.getElementById("dialogs");
const toasts = document.getElementById("toasts");
const shown = [];

/** Say *text* for a few seconds; bad news stays until it is dismissed. */
export const say = (level, text) => {
  const item = { key: `${Date.now()}-${Math.random()}`, level, text };
  const gone = () => { shown.splice(shown.indexOf(item), 1); drawToasts(); };
  item.gone = gone;
  shown.push(item);
  drawToasts();
  if (level === "ok") setTimeout(gone, 6000);
};

const drawToasts = () => patch(toasts, shown.map((t) =>
  h("div", { key: t.key, class: `toast reason ${t.level}` }, icon(t.level === "ok" ? "ok" : "bad"), h("span", {}, t.text),
    h("button", { type: "button", class: "icon", "aria-label": "Dismiss", onclick: t.gone }, icon("close")))));

/** Do *act* and say how it went. */
export const perform = async (act, body, done) => {
  app.busy.add(act);
  redraw();
  const answer = await post(act, body);
  app.busy.delete(act);
  say(answer.ok ? "ok" : "bad", answer.ok ? done : `${act} was not done: ${answer.said.join("; ")}`);
  redraw();
  return answer;
};

/** Names and consequences. */
export const consequences = (rows) => h("dl", { class: "cons" }, rows.filter(Boolean).map(([name, text]) => h("div", {}, h("dt", {}, name), h("dd", {}, text))));

/** Ask. `confirm` is null for a dialog that only tells; `act(form)` answers `{ok, said}` and the dialog stays open when
    it was refused. `fields` are inputs of the form. Returns how to draw it anew, for a `body` that
    is a function. */
export const ask = ({ title, body, fields = [], confirm, danger = false, go = false, keep = "Not now", act, wide = false, blocked = false }) => {
  const back = document.activeElement;
  const dialog = document.createElement("dialog");
  dialog.className = `${danger ? "danger" : ""} ${wide ? "wide" : ""}`;
  dialog.setAttribute("aria-labelledby", "dialog-h");
  let problems = [], busy = false;
  const close = () => dialog.close();
  const submit = async (event) => {
    event.preventDefault();
    if (!confirm || busy || blocked || app.lost) return;
    busy = true;
    draw();
    const answer = await act(Object.fromEntries(new FormData(event.target)));
    busy = false;
    if (answer.ok) return close();
    problems = answer.said;
    draw();
  };
  const draw = () => patch(dialog, [
    h("form", { method: "dialog", onsubmit: submit },
      h("header", {}, h("h2", { id: "dialog-h" }, title), h("button", { type: "button", class: "icon", "aria-label": "Close", onclick: close }, icon("close"))),
      h("div", {}, typeof body === "function" ? body() : body), fields,
      problems.map((p, i) => h("div", { key: `p${i}`, role: "alert" }, reason("bad", h("b", {}, "Refused: "), p))),
      h("footer", {},
        h("button", { type: "button", class: "btn", onclick: close, autofocus: true }, confirm ? keep : "Close"),
        confirm ? h("button", { class: `btn ${danger ? "solid-danger" : go ? "go" : "primary"}`, disabled: busy || blocked }, busy ? "Asking…" : confirm) : null)),
  ]);
  draw();
  host.append(dialog);
  dialog.addEventListener("close", () => { dialog.remove(); back?.focus?.(); });
  dialog.showModal();
  return draw;
};

/** A field of a dialog. */
export const field = (name, label, { value = "", required = false, pattern = null, hint = "", area = false, unit = "" } = {}) =>
  h("label", { class: "area", key: name }, label,
    area ? h("textarea", { name, rows: "2", required, maxlength: "500" }, value)
      : h("span", { class: "field" }, h("input", { name, value, required, pattern, inputmode: pattern ? "decimal" : null, title: hint || null, autocomplete: "off" }), unit ? h("span", { class: "u" }, unit) : null),
    hint ? h("small", {}, hint) : null);
