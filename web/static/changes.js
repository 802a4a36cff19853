/* Applies the changes that the daemon sends to the document that the page holds; the same as `web/changes.py`. */

const splice = (items, at, count, fresh) => [...items.slice(0, at), ...fresh, ...items.slice(at + count)];

/** *document* with *changes*; changed in place where it can be, the result counts. */
export const apply = (document, changes) => {
  for (const [kind, path, ...rest] of changes) {
    if (!path.length) {
      document = kind === "set" ? rest[0] : splice(document, ...rest);
      continue;
    }
    let parent = document;
    for (const key of path.slice(0, -1)) parent = parent[key];
    const last = path.at(-1);
    if (kind === "del") delete parent[last];
    else parent[last] = kind === "set" ? rest[0] : splice(parent[last], ...rest);
  }
  return document;
};
