// Writes what the JavaScript and Python SDKs have of wit/: the interfaces without their asynchronous functions,
// which those languages' tools cannot build yet, and types in their words.
//
//     node sdk/generate/main.mjs           writes
//     node sdk/generate/main.mjs --check   fails where something would change

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

import { reduce, withoutWorlds } from "./reduce.mjs";
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
/** Of WASI what each SDK builds with: 0.2, and 0.3 where there is a use for it. */
const wasi = {
  js: {
    "wasi-0.2": ["cli", "clocks", "filesystem", "io"],
    "wasi-0.3": ["clocks", "http", "random"],
  },
  python: { "wasi-0.2": ["cli", "clocks", "http", "io"] },
};
const readWasi = (generation, name) => {
  const file = generation === "wasi-0.2" ? `wasi-0.2/${name}.wit` : `wasi-${name}/${name}.wit`;
  return withoutWorlds(readFileSync(join(witFolder, "deps", file), "utf8"));
};
const versionOf = (text) => /^package wasi:[a-z]+@(.*);/m.exec(text)[1];
const wasiVersion = versionOf(readWasi("wasi-0.2", "cli"));
const packages = {
  host: host.find(({ wit }) => wit.package).wit.package,
  plugin: read("plugin/worlds.wit").wit.package,
  /** The version of WASI 0.2. */
  wasi: wasiVersion,
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
    lent.map(({ name, docs }) => [name, /Needs the `([a-z_]+)` grant/.exec(docs.join(" "))?.[1] ?? null]),
  ),
  /** What a plugin can export, and the functions of that. */
  roles: Object.fromEntries(
    roles.wit.interfaces.map(({ name, items }) => [name, items.filter((item) => item.is === "func").map((func) => func.name)]),
  ),
};
/** The roles that are interfaces of WASI, and those. */
const standards = {
  js: { command: `wasi:cli/run@${wasiVersion}`, http: `wasi:http/handler@${versionOf(readWasi("wasi-0.3", "http"))}` },
  python: { command: `wasi:cli/run@${wasiVersion}`, http: `wasi:http/incoming-handler@${wasiVersion}` },
};
for (const [sdk, folder] of [["js", "sdk/js/wit"], ["python", "sdk/python/inferno_plugin/wit"]]) {
  for (const [file, text] of wits) files.set(`${folder}/${file}`, text);
  for (const [generation, names] of Object.entries(wasi[sdk])) {
    for (const name of names) files.set(`${folder}/${generation}/${name}.wit`, readWasi(generation, name));
    files.set(`${folder}/${generation}/LICENSE`, readFileSync(join(witFolder, "deps/LICENSE"), "utf8"));
  }
  files.set(`${folder}/interfaces.json`, `${JSON.stringify({ ...facts, standards: standards[sdk] }, null, 2)}\n`);
}
files.set("sdk/js/types/generated.d.ts", typescript(interfaces, roles.wit.interfaces, facts));
files.set("sdk/js/src/guest/generated.js", guestModule(facts, interfaces));
for (const name of Object.keys(facts.imports)) files.set(`sdk/python/inferno_plugin/${name}.py`, pythonModule(name));
files.set("sdk/js/src/native/generated.js", nativeModule(facts));

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
