// A converter: sees `/in`, read-only, and writes to `/out`.

import { files, PluginError } from "@inferno/plugin";

/** @type {import("@inferno/plugin").Converter} */
export const converter = {
  routes: () => [{ source: "text", target: "vocabulary" }],

  convert(route, options) {
    const [{ source, target }] = converter.routes();
    if (route.source !== source || route.target !== target) {
      throw new PluginError("invalid", `there is no way from ${route.source} to ${route.target}`);
    }
    const upper = chosen(options);
    // What is not there is told with its name.
    const text = files.readText("/in/words.txt");
    files.write("/out/vocabulary.txt", vocabulary(text, upper));
    return ["vocabulary.txt"];
  },
};

/** What the user may choose, as `{ "upper": true }`. */
function chosen(options) {
  let table;
  try {
    table = Object(JSON.parse(options));
  } catch (error) {
    throw new PluginError("invalid", `the options are not JSON: ${error.message}`);
  }
  const { upper = false, ...unknown } = table;
  const [stranger] = Object.keys(unknown);
  if (stranger) throw new PluginError("invalid", `the options have "${stranger}"; known is upper`);
  return upper;
}

/** One word a line, sorted, each once. */
function vocabulary(text, upper) {
  const words = text.split(/\s+/).filter(Boolean);
  const sorted = [...new Set(upper ? words.map((word) => word.toUpperCase()) : words)].sort();
  return sorted.map((word) => `${word}\n`).join("");
}
