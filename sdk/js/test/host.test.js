// What tests of plugins see of the host.

import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { files, inference, kv, log, PluginError, quota, secrets, settings } from "../src/native/index.js";
import { lend, terminal } from "../src/native/testing.js";

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

test("tools, formats and biases are seen", () => {
  const host = lend({ inference: () => "" });
  const request = new inference.Request("small");
  request.tool("clock", "Tells the time", "{}");
  request.calls("", [{ id: "1", name: "clock", arguments: "{}" }]);
  request.toolResult("1", "noon");
  request.json();
  request.logitBias(7, -1);
  request.adapter("polite", 1);
  request.message("user", "What is this?");
  request.image(13, new Uint8Array([1, 2]));
  assert.deepEqual(inference.complete(request).toolCalls(), []);
  const [{ messages, tools, json, logitBias, adapters }] = host.requests;
  assert.deepEqual(messages.map(({ role }) => role), ["assistant", "tool", "user"]);
  assert.deepEqual(messages[2].images, [{ at: 13, data: new Uint8Array([1, 2]) }]);
  assert.deepEqual({ tools, json, logitBias, adapters }, {
    tools: [{ name: "clock", description: "Tells the time", parameters: "{}" }],
    json: null,
    logitBias: { 7: -1 },
    adapters: [{ name: "polite", scale: 1 }],
  });
});

test("files are what the test lends, and what the plugin writes", () => {
  lend();
  assert.throws(() => files.read("/in/a"), { kind: { tag: "denied" } });
  const host = lend({ files: { "/in/a.txt": "one zwö", "/in/deep/b.txt": "" } });
  assert.deepEqual(files.list("/in"), ["a.txt", "deep/"]);
  assert.equal(files.readText("/in/a.txt"), "one zwö");
  assert.equal(files.size("/in/a.txt"), 8);
  assert.deepEqual([...files.read("/in/a.txt", 4, 2)], [122, 119]);
  files.append("/out/c.txt", "1");
  files.append("/out/c.txt", new Uint8Array([50]));
  assert.equal(files.readText("/out/c.txt"), "12");
  files.write("/out/c.txt", "3");
  assert.deepEqual([...host.files.get("/out/c.txt")], [51]);
  assert.throws(() => files.read("/in/none"), { kind: { tag: "not-found" }, message: "there is no /in/none" });
});

test("a command's terminal keeps what is written", () => {
  const seen = terminal({ args: ["a"], input: "in" });
  seen.write("out ");
  seen.write(new TextEncoder().encode(seen.read()));
  seen.warn("careful");
  assert.deepEqual([seen.args, seen.output, seen.errors], [["a"], "out in", "careful"]);
});

test("a kind that the interface has no word for is `other`", () => {
  assert.deepEqual(new PluginError("teapot", "short and stout").kind, { tag: "other", val: "teapot" });
});
