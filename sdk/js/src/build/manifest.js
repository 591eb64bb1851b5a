import { readFile } from "node:fs/promises";
import { join } from "node:path";

import { parse } from "smol-toml";

import { Failure } from "./failure.js";
import { facts } from "./wit.js";

const PLAYABLE = [...Object.keys(facts.roles), ...Object.keys(facts.standards)];

/** What the build needs of a plugin's `plugin.toml`; the host checks the rest. */
export async function readManifest(folder) {
  const file = join(folder, "plugin.toml");
  let text;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    throw new Failure(`${file}: ${error.code === "ENOENT" ? "there is no such file; every plugin has one" : error.message}`);
  }
  let table;
  try {
    table = parse(text);
  } catch (error) {
    throw new Failure(`${file}: ${error.message}`);
  }
  const roles = Object.keys(table.roles ?? {});
  if (roles.length === 0) {
    throw new Failure(`${file}: the plugin plays no role; add a table such as [roles.${PLAYABLE[0]}]`);
  }
  for (const role of roles) {
    if (!PLAYABLE.includes(role)) {
      throw new Failure(
        `${file}: there is no role ${role}; there are ${PLAYABLE.join(", ")}`,
      );
    }
  }
  return { file, name: table.plugin?.name ?? "plugin", roles, asks: Object.keys(table.asks ?? {}) };
}
