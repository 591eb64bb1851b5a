// The files that the user grants, and a converter's folders, through WASI's.

import preopens from "wasi:filesystem/preopens";

import { PluginError } from "../error.js";
import { toBytes } from "./streams.js";
import { decode } from "./text.js";

/** How much crosses at once. */
const PIECE = 1024 * 1024;
const FOLLOW = { symlinkFollow: true };
const KINDS = { "no-entry": "not-found", access: "denied", "not-permitted": "denied", "read-only": "denied" };

let folders;

export const files = { read, readText, size, write, append, list };

function read(path, offset = 0, length = Infinity) {
  return opened(path, {}, { read: true }, (file) => {
    const end = Math.min(file.stat().size, offset + length);
    const whole = new Uint8Array(Math.max(0, end - offset));
    for (let at = 0; at < whole.length; ) {
      const [piece] = file.read(Math.min(PIECE, whole.length - at), offset + at);
      if (piece.length === 0) return whole.slice(0, at);
      whole.set(piece, at);
      at += piece.length;
    }
    return whole;
  });
}

function readText(path) {
  return decode(read(path));
}

function size(path) {
  return opened(path, {}, { read: true }, (file) => file.stat().size);
}

function write(path, content) {
  opened(path, { create: true, truncate: true }, { write: true }, (file) => put(file, 0, toBytes(content)));
}

function append(path, content) {
  opened(path, { create: true }, { write: true }, (file) => put(file, file.stat().size, toBytes(content)));
}

function list(path) {
  return opened(path, { directory: true }, { read: true }, (folder) => {
    const entries = folder.readDirectory();
    const names = [];
    for (let entry = entries.readDirectoryEntry(); entry; entry = entries.readDirectoryEntry()) {
      names.push(entry.type === "directory" ? `${entry.name}/` : entry.name);
    }
    entries[Symbol.dispose]();
    return names.sort();
  });
}

function put(file, start, bytes) {
  for (let at = 0; at < bytes.length; ) at += file.write(bytes.subarray(at, at + PIECE), start + at);
}

/** Opens, works, closes; what fails is told with the path. */
function opened(path, how, flags, work) {
  const { folder, rest } = place(path);
  let file;
  try {
    file = folder.openAt(FOLLOW, rest, how, flags);
    return work(file);
  } catch (thrown) {
    const code = thrown?.payload;
    if (typeof code !== "string") throw thrown;
    const message = code === "no-entry" ? `there is no ${path}` : `${path} cannot be used: ${code}`;
    throw new PluginError(KINDS[code] ?? "internal", message, { cause: thrown });
  } finally {
    file?.[Symbol.dispose]();
  }
}

/** The innermost lent folder that a path lies in, and the way from there. */
function place(path) {
  folders ??= preopens.getDirectories().map(([folder, name]) => ({ folder, parts: split(name) }));
  const parts = split(path);
  const around = folders.filter((one) => one.parts.every((part, at) => part === parts[at]));
  const found = around.sort((a, b) => b.parts.length - a.parts.length)[0];
  if (!found) {
    throw new PluginError("denied", `${path} lies in no folder that was lent`, {
      hint: 'ask for one, as files = [{ path = "/docs", access = "read" }] under [asks], and have it granted',
    });
  }
  return { folder: found.folder, rest: parts.slice(found.parts.length).join("/") || "." };
}

function split(path) {
  return path.split("/").filter((part) => part && part !== ".");
}
