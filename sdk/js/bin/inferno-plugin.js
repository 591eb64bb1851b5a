#!/usr/bin/env node
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { parseArgs } from "node:util";

import { Failure } from "../src/build/failure.js";

const USAGE = `inferno-plugin build [FOLDER] [--output FILE]   makes plugin.wasm of plugin.js or plugin.ts
inferno-plugin test [FOLDER]                    runs the tests in Node, with a host that the tests lend`;

try {
  process.exitCode = await main();
} catch (error) {
  if (!(error instanceof Failure)) throw error;
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}

async function main() {
  const { verb, folder, output, help } = options();
  if (help) {
    console.log(USAGE);
    return 0;
  }
  if (verb === "build") {
    // Not before it is needed: tests run without the tools.
    const { buildPlugin } = await import("../src/build/build.js");
    const { file, size, roles, imports } = await buildPlugin(folder, output && resolve(output));
    console.error(`${roles.join(", ")}; uses ${imports.join(", ") || "nothing of the host"}; ${(size / 2 ** 20).toFixed(1)} MiB`);
    console.log(file);
    return 0;
  }
  return test(folder);
}

function options() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: { output: { type: "string", short: "o" }, help: { type: "boolean", short: "h" } },
    });
    const [verb, folder = "."] = positionals;
    if (!values.help && (!["build", "test"].includes(verb) || positionals.length > 2)) throw new Error("what shall be done?");
    return { verb, folder, ...values };
  } catch (error) {
    throw new Failure(`${error.message}\n\n${USAGE}`);
  }
}

function test(folder) {
  const register = new URL("../src/native/register.js", import.meta.url).href;
  const NODE_OPTIONS = `${process.env.NODE_OPTIONS ?? ""} --import=${register}`.trim();
  const { status } = spawnSync(process.execPath, ["--test"], {
    cwd: folder,
    stdio: "inherit",
    env: { ...process.env, NODE_OPTIONS },
  });
  return status ?? 1;
}
