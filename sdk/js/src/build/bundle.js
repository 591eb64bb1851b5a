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
    define: {
      "Math.random": "__inferno_random",
      console: "__inferno_console",
      TextDecoder: "__inferno_decoder",
      TextEncoder: "__inferno_encoder",
    },
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
  return roles
    .flatMap((role) => [
      `import { ${role} as ${role}Role } from "./${entry}";`,
      ...(STANDARDS[role] ?? [
        `export const ${role} = play(${role}Role, ${JSON.stringify(facts.roles[role])});`,
      ]),
    ])
    .concat('import { play } from "@inferno/plugin/guest/play";')
    .join("\n");
}

/** The roles that WASI has an interface for; what is exported has that one's name. */
const STANDARDS = {
  command: [
    'import { playCommand } from "@inferno/plugin/guest/command";',
    "export const run = playCommand(commandRole);",
  ],
  http: [
    'import { playHttp } from "@inferno/plugin/guest/http";',
    "export const handler = playHttp(httpRole);",
  ],
};

/** Where the names lead that only a component has. */
const inferno = {
  name: "inferno",
  setup({ onResolve }) {
    onResolve({ filter: /^(inferno|wasi):/ }, ({ path }) => ({
      // Without a version it is 0.2, as the SDK has it.
      path: path.includes("@") ? path : `${path}@${facts.packages.wasi}`,
      external: true,
      sideEffects: false,
    }));
    onResolve({ filter: /^@inferno\/plugin$/ }, () => ({ path: source("guest/index.js"), sideEffects: false }));
    onResolve({ filter: /^@inferno\/plugin\/guest\// }, ({ path }) => ({
      path: source(`${path.slice("@inferno/plugin/".length)}.js`),
      sideEffects: false,
    }));
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
