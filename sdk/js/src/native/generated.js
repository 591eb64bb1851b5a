// Generated from wit/ by sdk/generate.

import { stand } from "./stage.js";

export const inference = stand("inference");
export const jobs = stand("jobs");
export const kv = stand("kv");
export const loading = stand("loading");
export const log = stand("log");
export const metrics = stand("metrics");
export const models = stand("models");
export const plugins = stand("plugins");
export const quota = stand("quota");
export const secrets = stand("secrets");
export const settings = stand("settings");
