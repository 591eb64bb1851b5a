// `@inferno/plugin` as tests see it in Node: the same names, and behind them what the test lends.

import { stand } from "./stage.js";

export { PluginError } from "../error.js";
export * from "./generated.js";
export const files = stand("files");
