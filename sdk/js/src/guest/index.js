// `@inferno/plugin` as it is inside a component.

export { PluginError } from "../error.js";
export { files } from "./files.js";
export * from "./generated.js";
