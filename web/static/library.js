/* Brings plotly's script, out of the daemon's own installed package, once a page has shown its numbers. */

let asked = null;

const settled = () => new Promise((resolve) => {
  if (document.readyState === "complete") resolve(); // the sheet that it writes its rules into is there then
  else addEventListener("load", resolve, { once: true });
});

const fetched = () => new Promise((resolve, reject) => {
  const script = document.createElement("script");
  script.src = document.querySelector("meta[name=library]").content;
  script.onload = () => resolve(globalThis.Plotly);
  script.onerror = () => reject(new Error("the script that draws pictures could not be loaded"));
  document.head.append(script);
});

/** The library; asked for at the first call, at leisure, and again after a failure. */
export const library = () => {
  asked ??= settled().then(fetched).catch((error) => { asked = null; throw error; });
  return asked;
};
