// TypeScript for WIT interfaces, as componentize-qjs maps them.

import { isSynchronous } from "./wit.mjs";

const PRIMITIVES = {
  bool: "boolean", string: "string", char: "string",
  u8: "number", u16: "number", u32: "number", u64: "number",
  s8: "number", s16: "number", s32: "number", s64: "number",
  f32: "number", f64: "number",
};
const RESERVED = new Set(["delete", "default", "new", "class", "function", "in", "return", "import", "export"]);

const camel = (name) => name.replace(/-([a-z0-9])/g, (_, letter) => letter.toUpperCase());
const pascal = (name) => camel(name).replace(/^[a-z]/, (letter) => letter.toUpperCase());

/** `facts` is what main.mjs knows about the packages. */
export function typescript(host, roles, facts) {
  const shared = host.filter(({ name }) => !(name in facts.imports));
  const lent = host.filter(({ name }) => name in facts.imports);
  const lines = ["// Generated from wit/ by sdk/generate.", ""];
  for (const { items } of shared) lines.push(...items.flatMap((item) => declaration(item, "export ")));
  for (const item of lent) lines.push(...namespace(item));
  for (const item of roles) lines.push(...role(item));
  lines.push(
    ...comment(["The roles that a plugin module can export."], ""),
    "export interface Plugin {",
    ...roles.map(({ name }) => `  ${camel(name)}?: ${pascal(name)};`),
    "}",
    "",
    ...comment(["What the host lends, by name."], ""),
    "export interface Host {",
    ...lent.map(({ name }) => `  ${camel(name)}: typeof ${camel(name)};`),
    "}",
    "",
  );
  return lines.join("\n");
}

function namespace({ name, docs, items }) {
  const body = items.flatMap((item) => declaration(item, "export "));
  return [...comment(docs, ""), `export declare namespace ${camel(name)} {`, ...indent(body), "}", ""];
}

function role({ name, docs, items }) {
  const types = items.filter((item) => item.is !== "func" && item.is !== "use");
  const funcs = items.filter((item) => item.is === "func");
  return [
    ...types.flatMap((item) => declaration(item, "export ")),
    ...comment(docs, ""),
    `export interface ${pascal(name)} {`,
    ...indent(funcs.flatMap((func) => [...comment(func.docs, ""), `${camel(func.name)}${signature(func)};`])),
    "}",
    "",
  ];
}

function declaration(item, prefix) {
  const name = item.name && pascal(item.name);
  switch (item.is) {
    case "use":
      return [];
    case "record":
      return [
        ...comment(item.docs, ""),
        `${prefix}interface ${name === "Error" ? "HostError" : name} {`,
        ...indent(item.fields.flatMap((field) => [...comment(field.docs, ""), property(field)])),
        "}",
        "",
      ];
    case "enum":
      return [...comment(item.docs, ""), `${prefix}type ${name} = ${item.cases.map((one) => `"${one.name}"`).join(" | ")};`, ""];
    case "variant": {
      const cases = item.cases.flatMap((one) => [
        ...comment(one.docs, ""),
        one.type ? `| { tag: "${one.name}"; val: ${write(one.type)} }` : `| { tag: "${one.name}" }`,
      ]);
      cases[cases.length - 1] += ";";
      return [...comment(item.docs, ""), `${prefix}type ${name} =`, ...indent(cases), ""];
    }
    case "resource":
      return [
        ...comment(item.docs, ""),
        `${prefix}class ${name} {`,
        ...indent([
          ...(item.members.some((member) => member.name === "constructor") ? [] : ["private constructor();"]),
          ...item.members.flatMap((member) => [
            ...comment(member.docs, ""),
            member.name === "constructor" ? `constructor(${params(member)});` : `${camel(member.name)}${signature(member)};`,
          ]),
        ]),
        "}",
        "",
      ];
    case "func": {
      if (!isSynchronous(item)) return [];
      const own = camel(item.name);
      if (!RESERVED.has(own)) return [...comment(item.docs, ""), `${prefix}function ${own}${signature(item)};`];
      return [...comment(item.docs, ""), `function ${own}_${signature(item)};`, `export { ${own}_ as ${own} };`];
    }
    default:
      throw new Error(`no TypeScript for ${item.is}`);
  }
}

/** What may be absent may be left out, too. */
function property({ name, type }) {
  return `${camel(name)}${type.name === "option" ? "?" : ""}: ${write(type)};`;
}

function params({ params }) {
  const last = params.findLastIndex(({ type }) => type.name !== "option");
  return params.map(({ name, type }, at) => `${camel(name)}${at > last ? "?" : ""}: ${write(type)}`).join(", ");
}

/** An `Err` is thrown, so only the `Ok` is returned. */
function signature(func) {
  const { result } = func;
  const returned = result?.name === "result" ? result.of[0] : result;
  return `(${params(func)}): ${returned ? write(returned) : "void"}`;
}

function write({ name, of }) {
  switch (name) {
    case "list":
      if (of[0].name === "u8") return "Uint8Array";
      return of[0].name === "option" ? `(${write(of[0])})[]` : `${write(of[0])}[]`;
    case "option":
      return `${write(of[0])} | null`;
    case "tuple":
      return `[${of.map(write).join(", ")}]`;
    case "error":
      return "HostError";
    default:
      if (of) throw new Error(`no TypeScript for ${name}`);
      return PRIMITIVES[name] ?? pascal(name);
  }
}

function comment(docs, space) {
  if (docs.length === 0) return [];
  if (docs.length === 1) return [`${space}/** ${docs[0]} */`];
  return [`${space}/**`, ...docs.map((line) => `${space} * ${line}`.trimEnd()), `${space} */`];
}

function indent(lines) {
  return lines.map((line) => (line ? `  ${line}` : line));
}
