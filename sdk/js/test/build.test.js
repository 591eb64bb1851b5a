// Builds plugins with an installed copy of this package, as authors have one. `INFERNO_JS_TOOLS` names its folder.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { before, beforeEach, afterEach, test } from "node:test";
import { fileURLToPath } from "node:url";

const sdk = fileURLToPath(new URL("..", import.meta.url));
const tools = process.env.INFERNO_JS_TOOLS ?? join(sdk, "../../target/test-tools/sdk-js");
let folder;

before(() => {
  const { status, stderr } = spawnSync(process.execPath, [join(sdk, "install.mjs"), tools], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
});
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "plugin-test-"));
  write("plugin.toml", '[plugin]\nname = "sample"\n[roles.judge]\n');
});
afterEach(() => rmSync(folder, { recursive: true }));

const write = (name, text) => writeFileSync(join(folder, name), text);
const build = () =>
  spawnSync(process.execPath, [join(tools, "bin/inferno-plugin.js"), "build", folder], { encoding: "utf8" });

function fails(expected) {
  const { status, stderr } = build();
  assert.equal(status, 1, stderr);
  const said = stderr.replaceAll(folder, "FOLDER");
  if (typeof expected === "string") assert.equal(said, `error: ${expected}\n`);
  else assert.match(said, expected);
}

test("a component imports what the plugin uses, and no more", () => {
  write("plugin.js", 'export { judge } from "./judge.js";');
  write(
    "judge.js",
    `import { kv, log, models } from "@inferno/plugin";
     const unused = () => models.all();
     export const judge = { judge: () => (log.log("info", "x", []), []) };`,
  );
  const { status, stderr, stdout } = build();
  assert.equal(status, 0, stderr);
  assert.match(stderr, /^judge; uses inferno:host\/log@0\.1\.0; \d/);
  assert.match(stdout, /plugin\.wasm\n$/);
  const component = readFileSync(join(folder, "plugin.wasm"));
  assert.ok(component.includes("inferno:plugin/judge@0.1.0"));
  assert.ok(component.includes("inferno:host/log@0.1.0"));
  assert.ok(!component.includes("inferno:host/kv"));
});

test("TypeScript, console and Math.random work", () => {
  write(
    "plugin.ts",
    `import type { Judge } from "@inferno/plugin";
     export const judge: Judge = { judge: (config: string) => (console.log(config, Math.random()), []) };`,
  );
  const { status, stderr } = build();
  assert.equal(status, 0, stderr);
  assert.match(stderr, /uses inferno:host\/log@0\.1\.0, wasi:random\/insecure@0\.3\.0;/);
});

test("what is used must be asked for", () => {
  write("plugin.js", 'import { kv } from "@inferno/plugin"; export const judge = { judge: () => kv.keys("") };');
  fails("FOLDER/plugin.toml: the plugin uses kv, which it must ask for:\n\n[asks]\nkv = true");
});

test("errors say what to mend, and where", () => {
  fails("FOLDER has neither plugin.js nor plugin.ts");
  write("plugin.js", "export const jugde = {};");
  fails(/No matching export in "plugin\.js" for import "judge"/);
  write("plugin.js", "export const judge = { jugde() {} };");
  fails(/sample does not start: Error: the role has no function "judge"/);
  write("plugin.js", 'import fs from "node:fs"; export const judge = { judge: () => fs.x };');
  fails(/plugin\.js:1:16: "node:fs" is part of Node, which a component does not have/);
  write("plugin.js", 'import { log } from "@inferno/plugin"; log.log("info", "x", []); export const judge = { judge() {} };');
  fails(
    "sample does not start: it calls inferno:host/log@0.1.0#log while its modules load, which happens at the build; only the role's functions can",
  );
  write("plugin.toml", "[roles.oracle]\n");
  fails(/there is no role oracle; there are step, converter, judge, /);
  write("plugin.toml", "");
  fails("FOLDER/plugin.toml: the plugin plays no role; add a table such as [roles.step]");
});

test("the guide's plugin builds and passes its test", () => {
  for (const [, text, name] of readFileSync(join(sdk, "README.md"), "utf8").matchAll(/```\w+\n((?:\/\/|#) (\S+)\n.*?)```/gs)) {
    write(name, text);
  }
  const { status, stderr } = build();
  assert.equal(status, 0, stderr);
  const cli = join(tools, "bin/inferno-plugin.js");
  // A test in a test would report to the outer one.
  const { NODE_TEST_CONTEXT, ...env } = process.env;
  const tested = spawnSync(process.execPath, [cli, "test", folder], { encoding: "utf8", env });
  assert.equal(tested.status, 0, tested.stdout);
  assert.match(tested.stdout, /^# pass 1$/m);
});
