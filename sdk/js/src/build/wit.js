import { readdirSync, readFileSync } from "node:fs";
import { cp, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const folder = fileURLToPath(new URL("../../wit/", import.meta.url));

/** The interfaces: what a plugin can import and with which grant, and the roles that it can play. */
export const facts = JSON.parse(readFileSync(join(folder, "interfaces.json"), "utf8"));

/** Writes the WIT of a world with just these imports and roles; its name is `plugin`. */
export async function writeWorld(target, imports, roles) {
  const [pluginPackage, version] = facts.packages.plugin.split("@");
  const world = [
    "package inferno:build;",
    "world plugin {",
    ...imports.map((name) => `  import ${name};`),
    ...roles.map((role) => `  export ${facts.standards[role] ?? `${pluginPackage}/${role}@${version}`};`),
    "}",
    "",
  ];
  await mkdir(join(target, "deps"), { recursive: true });
  await writeFile(join(target, "world.wit"), world.join("\n"));
  for (const name of ["host", "plugin"]) await cp(join(folder, name), join(target, "deps", name), { recursive: true });
  // One package each.
  for (const generation of ["wasi-0.2", "wasi-0.3"]) {
    for (const file of readdirSync(join(folder, generation)).filter((file) => file.endsWith(".wit"))) {
      await cp(join(folder, generation, file), join(target, "deps", `${generation}-${file}`));
    }
  }
}
