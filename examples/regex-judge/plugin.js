// Passes answers that a regular expression finds something in, or those where it finds nothing.

import { log, PluginError } from "@inferno/plugin";

/** @type {import("@inferno/plugin").Judge} */
export const judge = {
  judge(config, samples) {
    const { expression, shouldMatch } = read(config);
    const verdicts = samples.map(({ answer }) => verdict(answer.match(expression), expression, shouldMatch));
    const passed = verdicts.filter(({ pass }) => pass).length;
    log.log("debug", "answers checked", [
      ["passed", String(passed)],
      ["samples", String(samples.length)],
    ]);
    return verdicts;
  },
};

function verdict(found, expression, shouldMatch) {
  const pass = Boolean(found) === shouldMatch;
  const reason = found ? `${expression} matches ${JSON.stringify(found[0])}` : `${expression} matches nothing`;
  return { pass, score: pass ? 1 : 0, reason };
}

/** `{ "pattern": "...", "flags": "i", "should_match": true }`; the last two may be left out. */
function read(config) {
  let options;
  try {
    options = JSON.parse(config);
  } catch (error) {
    throw invalid(`the configuration is not JSON: ${error.message}`);
  }
  const { pattern, flags = "", should_match: shouldMatch = true, ...unknown } = Object(options);
  const [stranger] = Object.keys(unknown);
  if (stranger) throw invalid(`the configuration has "${stranger}"; known are pattern, flags and should_match`);
  if (typeof pattern !== "string" || typeof flags !== "string" || typeof shouldMatch !== "boolean") {
    throw invalid("pattern and flags must be text, and should_match true or false");
  }
  // With these an expression remembers where it was, and one answer's end would be the next one's start.
  if (/[gy]/.test(flags)) throw invalid(`the flags are "${flags}"; "g" and "y" make no sense here`);
  try {
    return { expression: new RegExp(pattern, flags), shouldMatch };
  } catch (error) {
    throw invalid(`/${pattern}/${flags}: ${error.message}`);
  }
}

function invalid(message) {
  return new PluginError("invalid", message, { hint: 'write { "pattern": "^yes", "flags": "i", "should_match": true }' });
}
