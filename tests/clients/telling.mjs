// What the checks of all clients share: the server, the models, the clients, and how checks are run and told.
//
// tests/tests/clients.rs starts each script with the server's address, a valid key and the names of two models: one that
// echoes and one that writes stories. One line is printed for each check; the exit status says whether all held.

import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";

export const {
  INFERNO_URL: URL,
  INFERNO_BASE_URL: BASE_URL,
  INFERNO_API_KEY: KEY,
  INFERNO_ECHO_MODEL: ECHO,
  INFERNO_STORY_MODEL: STORY,
} = process.env;

// The packages are installed in a folder of their own, not beside this file.
const { resolve } = createRequire(`${process.env.INFERNO_NODE_TOOLS}/package.json`);

/** A client's package. */
export const load = (name) => import(pathToFileURL(resolve(name)));

/** Its version, which a package need not export: the manifest lies in some folder above what is loaded. */
function version(name) {
  for (let folder = dirname(resolve(name)); folder !== dirname(folder); folder = dirname(folder)) {
    try {
      const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
      if (manifest.name === name) return manifest.version;
    } catch {}
  }
  return "?";
}

/** All items of a stream. */
export async function all(stream) {
  const items = [];
  for await (const item of await stream) items.push(item);
  return items;
}

/** Runs checks, by their names; `client` is the package that they are about. */
export async function tell(client, checks) {
  let failed = 0;
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check();
      console.log(`ok ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED ${name}\n${error.stack}`);
    }
  }
  const count = Object.keys(checks).length;
  console.log(`${client} ${version(client)}: ${count - failed} of ${count} checks hold`);
  process.exit(failed ? 1 : 0);
}
