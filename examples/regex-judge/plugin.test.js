import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { lend } from "@inferno/plugin/testing";
import { judge } from "./plugin.js";

let host;
beforeEach(() => {
  host = lend();
});

const check = (config, ...answers) =>
  judge.judge(
    JSON.stringify(config),
    answers.map((answer) => ({ prompt: "What is the capital of France?", answer, expected: null })),
  );

test("an answer passes where the pattern matches", () => {
  assert.deepEqual(check({ pattern: "\\bparis\\b", flags: "i" }, "It is Paris.", "Lyon"), [
    { pass: true, score: 1, reason: '/\\bparis\\b/i matches "Paris"' },
    { pass: false, score: 0, reason: "/\\bparis\\b/i matches nothing" },
  ]);
  assert.deepEqual(host.log, [{ level: "debug", message: "answers checked", fields: { passed: "1", samples: "2" } }]);
});

test("or where it does not, if that is wanted", () => {
  const verdicts = check({ pattern: "as an AI", should_match: false }, "As an AI, I cannot", "as an AI", "Paris");
  assert.deepEqual(verdicts.map(({ pass }) => pass), [true, false, true]);
});

test("each answer is looked at by itself", () => {
  const verdicts = check({ pattern: "a+" }, "aaa", "aaa", "aaa");
  assert.ok(verdicts.every(({ pass }) => pass));
});

test("a configuration that cannot work is refused, and says why", () => {
  const refused = (config, message) =>
    assert.throws(() => judge.judge(config, []), { kind: { tag: "invalid" }, message });
  refused("{", /^the configuration is not JSON: /);
  refused('{"patern":"x"}', 'the configuration has "patern"; known are pattern, flags and should_match');
  refused("{}", "pattern and flags must be text, and should_match true or false");
  refused('{"pattern":"x","flags":"g"}', 'the flags are "g"; "g" and "y" make no sense here');
  refused('{"pattern":"("}', /^\/\(\/: /);
});
