import assert from "node:assert/strict";
import { test } from "node:test";

import { lend } from "@inferno/plugin/testing";
import { converter } from "./plugin.js";

const route = { source: "text", target: "vocabulary" };

test("words are sorted and unique", () => {
  const host = lend({ files: { "/in/words.txt": "fox a Fox fox" } });
  assert.deepEqual(converter.convert(route, '{"upper":true}'), ["vocabulary.txt"]);
  assert.equal(new TextDecoder().decode(host.files.get("/out/vocabulary.txt")), "A\nFOX\n");
});

test("without words there is nothing to convert", () => {
  lend({ files: {} });
  assert.throws(() => converter.convert(route, "{}"), { kind: { tag: "not-found" } });
});
