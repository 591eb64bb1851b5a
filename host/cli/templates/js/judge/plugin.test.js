import assert from "node:assert/strict";
import { test } from "node:test";

import { judge } from "./plugin.js";

test("short answers pass", () => {
  const samples = ["Hello!", "Well, hello you"].map((answer) => ({ prompt: "Say hello.", answer, expected: null }));
  assert.deepEqual(judge.judge('{"words":2}', samples), [
    { pass: true, score: 1, reason: "1 words; at most 2 were wanted" },
    { pass: false, score: 0, reason: "3 words; at most 2 were wanted" },
  ]);
});

test("a mistyped configuration is refused", () => {
  assert.throws(() => judge.judge('{"wrds":2}', []), { kind: { tag: "invalid" } });
});
