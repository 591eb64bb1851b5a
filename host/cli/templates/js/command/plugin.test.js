import assert from "node:assert/strict";
import { test } from "node:test";

import { terminal } from "@inferno/plugin/testing";
import { command } from "./plugin.js";

function said(...args) {
  const seen = terminal({ args });
  command.run(seen);
  return seen.output;
}

test("somebody is greeted", () => {
  assert.equal(said("Ada"), "Hello, Ada!\n");
  assert.equal(said(), "Hello, world!\n");
});
