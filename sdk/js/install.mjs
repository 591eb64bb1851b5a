// Makes a folder that can build plugins: this package with the tools that it needs.
//
//     node install.mjs FOLDER
//     node FOLDER/bin/inferno-plugin.js build PLUGIN
//
// Nothing is installed elsewhere. A folder that is up to date is left alone.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const PARTS = ["package.json", "package-lock.json", "bin", "src", "types", "wit"];
const sdk = dirname(fileURLToPath(import.meta.url));
const folder = process.argv[2] && resolve(process.argv[2]);
if (!folder) {
  console.error("usage: node install.mjs FOLDER");
  process.exit(2);
}

const stamp = join(folder, ".installed");
const digest = fingerprint();
if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== digest) install();

/** Of all that goes into the folder. */
function fingerprint() {
  const hash = createHash("sha256").update(process.version);
  for (const part of PARTS) {
    const path = join(sdk, part);
    const files = part.includes(".")
      ? [path]
      : readdirSync(path, { recursive: true, withFileTypes: true })
          .filter((entry) => entry.isFile())
          .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
          .sort();
    for (const file of files) hash.update(`${relative(sdk, file)}\0`).update(readFileSync(file));
  }
  return hash.digest("hex");
}

function install() {
  // Beside its place, so that a broken download leaves what was there.
  const fresh = `${folder}.${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  for (const part of PARTS) cpSync(join(sdk, part), join(fresh, part), { recursive: true });
  const npm = spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: fresh,
    stdio: ["ignore", 2, 2],
    shell: process.platform === "win32",
  });
  if (npm.status !== 0) {
    rmSync(fresh, { recursive: true, force: true });
    console.error(`error: npm could not fetch the tools of package-lock.json${npm.error ? `: ${npm.error.message}` : ""}`);
    process.exit(1);
  }
  writeFileSync(join(fresh, ".installed"), digest);
  rmSync(folder, { recursive: true, force: true });
  try {
    renameSync(fresh, folder);
  } catch (error) {
    // Somebody else was faster.
    rmSync(fresh, { recursive: true, force: true });
    if (!existsSync(stamp)) throw error;
  }
}
