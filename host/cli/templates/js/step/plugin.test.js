import assert from "node:assert/strict";
import { test } from "node:test";

import { step } from "./plugin.js";

test("words are counted", () => {
  step.open("{}");
  assert.deepEqual(step.process([{ id: "1", data: '{"text":"a small fox"}' }]), [
    { tag: "emit", val: [{ id: "1", data: '{"text":"a small fox","words":3}' }] },
  ]);
});

test("an item without text is rejected", () => {
  step.open("{}");
  assert.equal(step.process([{ id: "1", data: '{"text":3}' }])[0].tag, "reject");
});
