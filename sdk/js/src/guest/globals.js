// What scripts expect to be there, made of what the host lends. The build takes in only what is used.

import insecure from "wasi:random/insecure@0.3.0";
import { log } from "./generated.js";

export { Utf8Decoder as __inferno_decoder, Utf8Encoder as __inferno_encoder } from "./text.js";

const line =
  (level) =>
  (...values) =>
    log.log(level, values.map((value) => (typeof value === "string" ? value : inspect(value))).join(" "), []);

function inspect(value) {
  if (value instanceof Error) return String(value);
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}

/** `console`, into the host's log. */
export const __inferno_console = /* @__PURE__ */ (() => ({
  debug: line("debug"),
  log: line("info"),
  info: line("info"),
  warn: line("warn"),
  error: line("error"),
}))();

/** `Math.random`: the engine's own would give every instance the same numbers, since all begin as the same snapshot. */
export function __inferno_random() {
  const bytes = [];
  while (bytes.length < 7) bytes.push(...insecure.getInsecureRandomBytes(7 - bytes.length));
  // 53 bits, as many as a double holds.
  return bytes.reduce((sum, byte, at) => sum * 256 + (at === 0 ? byte & 0x1f : byte), 0) / 2 ** 53;
}
