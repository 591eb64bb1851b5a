// What tests of plugins see of the host.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { inference, kv, log, PluginError, quota, secrets, settings } from "../src/native/index.js";
import { lend } from "../src/native/testing.js";

test("what the test does not lend is denied, and how to lend it is told", () => {
  lend();
  assert.throws(() => quota.remaining("tokens"), {
    kind: { tag: "denied" },
    message: "the test lends no quota",
    hint: 'call lend({ quota: ... }) of "@inferno/plugin/testing" first',
  });
});

test("settings, secrets and the log", () => {
  const host = lend({ settings: { limit: 3 }, secrets: { token: "t" } });
  assert.equal(settings.get("limit"), "3");
  assert.equal(settings.get("other"), null);
  assert.equal(secrets.get("token"), "t");
  assert.throws(() => secrets.get("other"), { kind: { tag: "not-found" } });
  log.log("warn", "careful", [["why", "edge"]]);
  assert.deepEqual(host.log, [{ level: "warn", message: "careful", fields: { why: "edge" } }]);
});

test("kv counts, expires and lists in order", () => {
  mock.timers.enable({ apis: ["Date"] });
  try {
    lend({ kv: { "a/2": "two" } });
    kv.set("a/1", new Uint8Array([1]), 1000);
    assert.equal(kv.add("hits", 2, 1000), 2);
    assert.equal(kv.add("hits", -5), -3);
    assert.deepEqual(kv.keys("a/"), ["a/1", "a/2"]);
    assert.deepEqual(kv.keys("a/", "a/1"), ["a/2"]);
    mock.timers.tick(1000);
    assert.deepEqual(kv.keys(""), ["a/2"]);
    assert.equal(kv.get("hits"), null);
    assert.equal(kv.delete("a/1"), false);
    assert.equal(kv.delete("a/2"), true);
  } finally {
    mock.timers.reset();
  }
});

test("a model is a function of what it is asked", () => {
  const host = lend({ inference: ({ messages, maxTokens }) => `${messages[0].content}, ${maxTokens}` });
  const request = new inference.Request("small");
  request.message("user", "hello");
  request.maxTokens(5);
  assert.equal(inference.complete(request).text(), "hello, 5");
  assert.deepEqual(host.requests, [
    { model: "small", messages: [{ role: "user", content: "hello" }], stop: [], maxTokens: 5 },
  ]);
});

test("a kind that the interface has no word for is `other`", () => {
  assert.deepEqual(new PluginError("teapot", "short and stout").kind, { tag: "other", val: "teapot" });
});
