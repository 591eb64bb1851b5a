// Writes what the JavaScript and Python SDKs have of wit/: the interfaces without their asynchronous functions,
// which those languages' tools cannot build yet, and types in their words.
//
//     node sdk/generate/main.mjs           writes
//     node sdk/generate/main.mjs --check   fails where something would change

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

import { reduce } from "./reduce.mjs";
import { guestModule, nativeModule } from "./javascript.mjs";
import { pythonModule } from "./python.mjs";
import { typescript } from "./typescript.mjs";
import { parse } from "./wit.mjs";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const witFolder = join(root, "wit");

const read = (file) => {
  const text = readFileSync(join(witFolder, file), "utf8");
  return { file: basename(file), text, wit: parse(text, `wit/${file}`) };
};
const host = readdirSync(join(witFolder, "host")).filter((file) => file.endsWith(".wit")).sort().map((file) => read(`host/${file}`));
const roles = read("plugin/roles.wit");
const packages = {
  host: host.find(({ wit }) => wit.package).wit.package,
  plugin: read("plugin/worlds.wit").wit.package,
};

const files = new Map();
const wits = [
  ...host.map((source) => [`host/${source.file}`, reduce(source, packages.host)]),
  ["plugin/roles.wit", reduce(roles, packages.plugin)],
];
const interfaces = host.flatMap(({ wit }) => wit.interfaces);
// An interface without functions has words for the others, and is not imported for itself.
const lent = interfaces.filter(({ items }) => items.some((item) => item.is === "func"));
const facts = {
  packages,
  /** What a plugin can import, and the grant that this needs. */
  imports: Object.fromEntries(
    lent.map(({ name, docs }) => [name, /Needs the `([a-z]+)` grant/.exec(docs.join(" "))?.[1] ?? null]),
  ),
  /** What a plugin can export, and the functions of that. */
  roles: Object.fromEntries(
    roles.wit.interfaces.map(({ name, items }) => [name, items.filter((item) => item.is === "func").map((func) => func.name)]),
  ),
};
for (const sdk of ["js/wit", "python/inferno_plugin/wit"]) {
  for (const [file, text] of wits) files.set(`sdk/${sdk}/${file}`, text);
  files.set(`sdk/${sdk}/interfaces.json`, `${JSON.stringify(facts, null, 2)}\n`);
}
files.set("sdk/js/types/generated.d.ts", typescript(interfaces, roles.wit.interfaces, facts));
files.set("sdk/js/src/guest/generated.js", guestModule(facts, interfaces));
for (const name of Object.keys(facts.imports)) files.set(`sdk/python/inferno_plugin/${name}.py`, pythonModule(name));
files.set("sdk/js/src/native/generated.js", nativeModule(facts));
// Not ours to edit: what stands behind `Math.random`.
files.set("sdk/js/wit/random/random.wit", readFileSync(join(witFolder, "deps/wasi-random/random.wit"), "utf8"));
files.set("sdk/js/wit/random/LICENSE", readFileSync(join(witFolder, "deps/LICENSE"), "utf8"));

const check = process.argv.includes("--check");
const stale = [];
for (const [file, text] of files) {
  const path = join(root, file);
  if (existsSync(path) && readFileSync(path, "utf8") === text) continue;
  stale.push(file);
  if (!check) {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  }
}
for (const folder of ["sdk/js/wit", "sdk/python/inferno_plugin/wit"]) {
  for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
    const file = relative(root, join(entry.parentPath, entry.name));
    if (!entry.isFile() || files.has(file)) continue;
    stale.push(file);
    if (!check) rmSync(join(root, file));
  }
}
if (check && stale.length > 0) {
  console.error(`not as wit/ has it: ${stale.join(", ")}\nrun: node sdk/generate/main.mjs`);
  process.exitCode = 1;
} else if (stale.length > 0) {
  console.error(`written: ${stale.join(", ")}`);
}
