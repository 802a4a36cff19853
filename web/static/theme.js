/* The theme before the first paint: automatic, light or dark, kept in this browser. */
"use strict";
(() => {
  const themes = ["auto", "light", "dark"];
  const names = { auto: "automatic", light: "light", dark: "dark" };
  const root = document.documentElement;
  const asked = new URLSearchParams(location.search).get("theme");
  let saved = "auto";
  try { saved = localStorage.getItem("ilp-theme") || "auto"; } catch { /* a private window */ }
  const set = (theme) => {
    root.dataset.theme = theme;
    const button = document.querySelector("[data-theme-toggle]");
    if (button) button.title = `Theme: ${names[theme]}`;
    if (button) button.setAttribute("aria-label", `Theme: ${names[theme]}`);
  };
  set(themes.includes(asked) ? asked : themes.includes(saved) ? saved : "auto");
  globalThis.nextTheme = () => {
    const theme = themes[(themes.indexOf(root.dataset.theme) + 1) % themes.length];
    set(theme);
    try { localStorage.setItem("ilp-theme", theme); } catch { /* a private window */ }
  };
  addEventListener("DOMContentLoaded", () => {
    set(root.dataset.theme);
    document.querySelector("[data-theme-toggle]")?.addEventListener("click", () => globalThis.nextTheme());
  });
})();
