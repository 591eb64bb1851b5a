// The module `@inferno/plugin`, once as it is inside a component and once as tests see it in Node.

const camel = (name) => name.replace(/-([a-z])/g, (_, letter) => letter.toUpperCase());

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

/** How many parameters a function has whose last one may be left out. */
function arities(items) {
  const mayEndEarly = ({ params }) => params.at(-1)?.type.name === "option";
  for (const { is, name, members } of items) {
    const odd = is === "resource" && members.find(mayEndEarly);
    if (odd) throw new Error(`${name}.${odd.name}: optional parameters of methods are not supported yet`);
  }
  const found = items.filter((item) => item.is === "func" && mayEndEarly(item));
  return Object.fromEntries(found.map(({ name, params }) => [camel(name), params.length]));
}

export function nativeModule({ imports }) {
  const lines = ["// Generated from wit/ by sdk/generate.", "", 'import { stand } from "./stage.js";', ""];
  for (const one of Object.keys(imports)) lines.push(`export const ${camel(one)} = stand("${camel(one)}");`);
  return `${lines.join("\n")}\n`;
}
