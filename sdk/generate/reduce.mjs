// A WIT file without its asynchronous functions; everything else stays as it is, word for word.

import { isSynchronous } from "./wit.mjs";

export function reduce({ text, wit }, packageName) {
  let kept = text;
  const gone = wit.interfaces.flatMap(({ items }) => items.filter((item) => item.is === "func" && !isSynchronous(item)));
  for (const { start, end } of gone.reverse()) {
    const begin = kept.lastIndexOf("\n", start) + 1;
    const rest = kept.slice(end).replace(/^\n\n?/, "");
    kept = kept.slice(0, begin) + rest;
  }
  const whole = wit.package ? kept : `package ${packageName};\n\n${kept}`;
  // At the end: the tools take a comment before something for its documentation.
  return `${whole.trimEnd()}\n\n// Generated from wit/ by sdk/generate, which leaves out what is asynchronous.\n`;
}

/** A WIT file of WASI without its worlds, which name packages that no plugin needs. */
export function withoutWorlds(text) {
  return text.replace(/^(?:@\w+\([^\n]*\)\n|\/\/\/[^\n]*\n)*world [\w-]+ \{\n[^]*?^\}\n/gm, "");
}
