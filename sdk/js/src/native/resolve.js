const modules = new Map([
  ["@inferno/plugin", new URL("./index.js", import.meta.url).href],
  ["@inferno/plugin/testing", new URL("./testing.js", import.meta.url).href],
]);

export function resolve(specifier, context, next) {
  const url = modules.get(specifier);
  return url ? { url, shortCircuit: true } : next(specifier, context);
}
