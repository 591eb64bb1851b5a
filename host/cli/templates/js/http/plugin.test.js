import assert from "node:assert/strict";
import { test } from "node:test";

import { http } from "./plugin.js";

const answer = (text) =>
  http.handle({ method: "POST", pathWithQuery: "/{{name}}", headers: [], body: new TextEncoder().encode(text) }).body;

test("words are counted", () => {
  assert.equal(answer("a small fox"), "3 words\n");
  assert.equal(answer(""), "0 words\n");
});
