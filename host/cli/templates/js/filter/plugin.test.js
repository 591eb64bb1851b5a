import assert from "node:assert/strict";
import { test } from "node:test";

import { filter } from "./plugin.js";

const action = (body) => {
  const head = { method: "POST", pathWithQuery: "/v1/chat/completions", headers: [] };
  return filter.request(head, new TextEncoder().encode(body)).tag;
};

test("only the word is refused", () => {
  assert.equal(action("say xyzzy"), "refuse");
  assert.equal(action("say hello"), "pass");
});
