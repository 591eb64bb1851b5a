import { PluginError } from "../error.js";

/** Files in memory, as a plugin sees them: by their whole paths. */
export function memory(entries) {
  const found = (path) => entries.get(path) ?? missing(path);
  return {
    read: (path, offset = 0, length = Infinity) => found(path).slice(offset, offset + length),
    readText: (path) => new TextDecoder().decode(found(path)),
    size: (path) => found(path).length,
    write: (path, content) => void entries.set(path, bytes(content)),
    append: (path, content) => void entries.set(path, joined(entries.get(path) ?? bytes(""), bytes(content))),
    list(path) {
      const folder = path.endsWith("/") ? path : `${path}/`;
      const inside = [...entries.keys()].filter((name) => name.startsWith(folder)).map((name) => name.slice(folder.length));
      if (inside.length === 0) missing(path);
      return [...new Set(inside.map((name) => name.replace(/\/.*/, "/")))].sort();
    },
  };
}

export function bytes(value) {
  return typeof value === "string" ? new TextEncoder().encode(value) : value;
}

function joined(one, other) {
  return Uint8Array.from([...one, ...other]);
}

function missing(path) {
  throw new PluginError("not-found", `there is no ${path}`);
}
