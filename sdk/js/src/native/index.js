// `@inferno/plugin` as tests see it in Node: the same names, and behind them what the test lends.

export { PluginError } from "../error.js";
export * from "./generated.js";
