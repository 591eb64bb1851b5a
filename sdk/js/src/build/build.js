import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, relative, resolve } from "node:path";

import { componentize } from "componentize-qjs";

import { bundle } from "./bundle.js";
import { Failure } from "./failure.js";
import { readManifest } from "./manifest.js";
import { facts, writeWorld } from "./wit.js";

/** Builds the plugin in a folder; gives `{ file, size, roles, imports }`. */
export async function buildPlugin(folder, output = join(folder, "plugin.wasm")) {
  folder = resolve(folder);
  const manifest = await readManifest(folder);
  const { script, imports } = await bundle(folder, manifest);
  checkAsks(manifest, imports);
  const work = await mkdtemp(join(tmpdir(), "inferno-plugin-"));
  let component;
  try {
    await writeWorld(work, imports, manifest.roles);
    ({ component } = await componentize({
      witPath: work,
      world: "plugin",
      jsSource: script,
      // Only the handler of WASI 0.3 is asynchronous; without that the engine is smaller.
      sync: !manifest.roles.includes("http"),
      optSize: true,
    }));
  } catch (error) {
    throw new Failure(`${manifest.name} does not start: ${worded(error.message)}`);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
  // A reader sees the old component or the new one, never a part.
  const unfinished = `${output}.${process.pid}`;
  await writeFile(unfinished, component);
  await rename(unfinished, output);
  return { file: relative(process.cwd(), output) || output, size: component.length, roles: manifest.roles, imports };
}

/** What the tool says, without the stack of its own. */
function worded(message) {
  const early = /unknown import: `([^`]+)`/.exec(message);
  if (early) {
    return `it calls ${early[1]} while its modules load, which happens at the build; only the role's functions can`;
  }
  return message.replace(/^(: )?(Failed to [^:]*: )*/, "").trimEnd();
}

/** What is used must be asked for, or the host will refuse it at each call. */
function checkAsks({ file, asks }, imports) {
  const [host] = facts.packages.host.split("@");
  const missing = imports
    .map((path) => path.match(new RegExp(`^${host}/([a-z-]+)@`))?.[1])
    .filter((name) => name && facts.imports[name] && !asks.includes(facts.imports[name]));
  if (missing.length > 0) {
    throw new Failure(
      `${file}: the plugin uses ${missing.join(" and ")}, which it must ask for:\n\n[asks]\n${missing.map((name) => line(facts.imports[name])).join("\n")}`,
    );
  }
}

function line(grant) {
  const lines = {
    inference: 'inference = { models = ["*"] }',
    secrets: 'secrets = ["NAME"]',
    plugins: 'plugins = ["NAME"]',
    quota: 'quota = ["NAME"]',
  };
  return lines[grant] ?? `${grant} = true`;
}
