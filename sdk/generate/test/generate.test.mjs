import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

import { reduce, withoutWorlds } from "../reduce.mjs";
import { typescript } from "../typescript.mjs";
import { parse } from "../wit.mjs";

const TEXT = `package acme:host@0.1.0;

/// Sums. Needs the \`sums\` grant.
@since(version = 0.1.0)
interface sums {
  use types.{error};

  /// A pair.
  record pair { first-one: u32, rest: option<list<u8>> }

  variant kind { plain, %other(string) }

  resource total {
    constructor(start: u64);
    /// Adds.
    add: func(by: pair) -> result<_, error>;
  }

  /// Later.
  later: async func() -> u32;

  flow: func() -> result<stream<string>, error>;

  /// Now.
  delete: func(a: tuple<string, f64>, b: option<u32>) -> result<list<option<string>>, error>;
}
`;

test("what is asynchronous goes, and nothing else changes", () => {
  const reduced = reduce({ text: TEXT, wit: parse(TEXT, "sums.wit") }, "acme:host@0.1.0");
  const expected = TEXT.replace(/  \/\/\/ Later\.\n.*?\n\n/s, "").replace(/  flow: .*\n\n/, "");
  assert.ok(reduced.startsWith(expected), reduced);
  assert.deepEqual(
    parse(reduced, "reduced").interfaces[0].items.map(({ name }) => name).filter(Boolean),
    ["pair", "kind", "total", "delete"],
  );
});

test("worlds go, and nothing else changes", () => {
  const [before, world, after] = [
    "package acme:x@0.1.0;\n\n@since(version = 0.1.0)\ninterface a {\n  /// One.\n  b: func();\n}\n\n",
    "/// All.\n@since(version = 0.1.0)\nworld imports {\n  /// A.\n  import a;\n}\n",
    "interface c {\n}\n",
  ];
  assert.equal(withoutWorlds(before + world + after + world), before + after);
});

test("the rest becomes TypeScript", () => {
  const types = typescript(parse(TEXT, "sums.wit").interfaces, [], { imports: { sums: "sums" } });
  for (const line of [
    "export declare namespace sums {",
    "    firstOne: number;",
    "    rest?: Uint8Array | null;",
    "  export type Kind =",
    '    | { tag: "other"; val: string };',
    "    constructor(start: number);",
    "    add(by: Pair): void;",
    "  function delete_(a: [string, number], b?: number | null): (string | null)[];",
    "  export { delete_ as delete };",
  ]) {
    assert.ok(types.split("\n").includes(line), `${line}\nis not in\n${types}`);
  }
  assert.ok(!types.includes("later"));
});

test("what the generator does not know is an error with its place", () => {
  assert.throws(() => parse("interface x {\n  flags y { a }\n}", "x.wit"), /^Error: x\.wit:2: /);
});

test("the SDKs have wit/ as it is", () => {
  const main = fileURLToPath(new URL("../main.mjs", import.meta.url));
  const { status, stderr } = spawnSync(process.execPath, [main, "--check"], { encoding: "utf8" });
  assert.equal(status, 0, stderr);
});
