// A judge: passes answers of at most so many words.

import { PluginError } from "@inferno/plugin";

/** @type {import("@inferno/plugin").Judge} */
export const judge = {
  judge(config, samples) {
    const most = words(config);
    return samples.map(({ answer }) => {
      const count = answer.split(/\s+/).filter(Boolean).length;
      const pass = count <= most;
      return { pass, score: pass ? 1 : 0, reason: `${count} words; at most ${most} were wanted` };
    });
  },
};

/** What a suite configures, as `{ "words": 3 }`. */
function words(config) {
  let options;
  try {
    options = JSON.parse(config);
  } catch (error) {
    throw new PluginError("invalid", `the configuration is not JSON: ${error.message}`);
  }
  const { words = 100, ...unknown } = Object(options);
  const [stranger] = Object.keys(unknown);
  if (stranger) throw new PluginError("invalid", `the configuration has "${stranger}"; known is words`);
  if (!Number.isInteger(words)) throw new PluginError("invalid", "words must be a whole number");
  return words;
}
