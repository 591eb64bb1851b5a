import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "esbuild";

import { Failure } from "./failure.js";
import { facts } from "./wit.js";

const source = (file) => fileURLToPath(new URL(`../${file}`, import.meta.url));

/** The plugin and all that it uses as one script, and the interfaces that this imports. */
export async function bundle(folder, { roles }) {
  const entry = ["plugin.js", "plugin.ts"].find((file) => existsSync(join(folder, file)));
  if (!entry) throw new Failure(`${folder} has neither plugin.js nor plugin.ts`);
  const made = await build({
    stdin: { contents: roleModule(entry, roles), resolveDir: folder, sourcefile: "roles.js" },
    bundle: true,
    write: false,
    metafile: true,
    // Whatever nobody uses goes, and with it its imports; names and lines stay, for stack traces.
    minifySyntax: true,
    legalComments: "none",
    format: "esm",
    target: "es2023",
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["module", "import", "default"],
    logLevel: "silent",
    absWorkingDir: folder,
    define: { "Math.random": "__inferno_random", console: "__inferno_console" },
    inject: [source("guest/globals.js")],
    plugins: [inferno],
  }).catch((error) => {
    throw error.errors ? new Failure(error.errors.map(describe).join("\n")) : error;
  });
  const [output] = Object.values(made.metafile.outputs);
  return {
    script: made.outputFiles[0].text,
    imports: [...new Set(output.imports.filter((one) => one.external).map((one) => one.path))].sort(),
  };
}

function roleModule(entry, roles) {
  return [
    'import { play } from "@inferno/plugin/guest/play";',
    ...roles.map((role) => `import { ${role} as ${role}Role } from "./${entry}";`),
    ...roles.map((role) => `export const ${role} = play(${role}Role, ${JSON.stringify(facts.roles[role])});`),
  ].join("\n");
}

/** Where the names lead that only a component has. */
const inferno = {
  name: "inferno",
  setup({ onResolve }) {
    onResolve({ filter: /^(inferno|wasi):/ }, ({ path }) => ({ path, external: true, sideEffects: false }));
    onResolve({ filter: /^@inferno\/plugin$/ }, () => ({ path: source("guest/index.js"), sideEffects: false }));
    onResolve({ filter: /^@inferno\/plugin\/guest\/play$/ }, () => ({ path: source("guest/play.js") }));
    onResolve({ filter: /^@inferno\/plugin\/testing$/ }, () => ({
      errors: [{ text: "@inferno/plugin/testing is for tests; a component has a real host" }],
    }));
    onResolve({ filter: /^node:/ }, ({ path }) => ({
      errors: [{ text: `"${path}" is part of Node, which a component does not have` }],
    }));
  },
};

function describe({ text, location }) {
  if (!location) return text;
  return `${location.file}:${location.line}:${location.column + 1}: ${text}\n    ${location.lineText.trim()}`;
}
