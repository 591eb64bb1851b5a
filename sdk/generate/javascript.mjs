// The module `@inferno/plugin`, once as it is inside a component and once as tests see it in Node.

const camel = (name) => name.replace(/-([a-z])/g, (_, letter) => letter.toUpperCase());
const pascal = (name) => camel(name).replace(/^[a-z]/, (letter) => letter.toUpperCase());

export function guestModule({ packages, imports }, interfaces) {
  const [name, version] = packages.host.split("@");
  const lines = ["// Generated from wit/ by sdk/generate.", "", 'import { lend } from "./lend.js";', ""];
  for (const one of Object.keys(imports)) {
    lines.push(`import ${camel(one)}Import from "${name}/${one}@${version}";`);
  }
  lines.push("");
  for (const one of Object.keys(imports)) {
    const { items } = interfaces.find(({ name }) => name === one);
    const found = JSON.stringify(arities(items)).replace(/"/g, "");
    lines.push(`export const ${camel(one)} = /* @__PURE__ */ lend(${camel(one)}Import${found === "{}" ? "" : `, ${found}`});`);
  }
  return `${lines.join("\n")}\n`;
}

/** How many parameters a function or method has whose last one may be left out. */
function arities(items) {
  const found = {};
  for (const { is, name, params, members } of items) {
    if (is === "func" && mayEndEarly(params)) found[camel(name)] = params.length;
    const methods = (members ?? []).filter((member) => mayEndEarly(member.params));
    if (methods.length > 0) {
      found[pascal(name)] = Object.fromEntries(methods.map((method) => [camel(method.name), method.params.length]));
    }
  }
  return found;
}

function mayEndEarly(params) {
  return params.at(-1)?.type.name === "option";
}

export function nativeModule({ imports }) {
  const lines = ["// Generated from wit/ by sdk/generate.", "", 'import { stand } from "./stage.js";', ""];
  for (const one of Object.keys(imports)) lines.push(`export const ${camel(one)} = stand("${camel(one)}");`);
  return `${lines.join("\n")}\n`;
}
