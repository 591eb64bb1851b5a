import assert from "node:assert/strict";
import { test } from "node:test";

import { catalog } from "./plugin.js";

test("what is found can be resolved", () => {
  const [entry] = catalog.search("in").entries;
  assert.equal(entry.name, "tiny");
  assert.equal(catalog.resolve(entry.name)[0].sizeBytes, 1024);
});

test("what is not there is not found", () => {
  assert.deepEqual(catalog.search("huge").entries, []);
  assert.throws(() => catalog.resolve("huge"), { kind: { tag: "not-found" } });
});
