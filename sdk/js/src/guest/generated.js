// Generated from wit/ by sdk/generate.

import { lend } from "./lend.js";

import inferenceImport from "inferno:host/inference@0.1.0";
import jobsImport from "inferno:host/jobs@0.1.0";
import kvImport from "inferno:host/kv@0.1.0";
import loadingImport from "inferno:host/loading@0.1.0";
import logImport from "inferno:host/log@0.1.0";
import metricsImport from "inferno:host/metrics@0.1.0";
import modelsImport from "inferno:host/models@0.1.0";
import pluginsImport from "inferno:host/plugins@0.1.0";
import quotaImport from "inferno:host/quota@0.1.0";
import secretsImport from "inferno:host/secrets@0.1.0";
import settingsImport from "inferno:host/settings@0.1.0";

export const inference = /* @__PURE__ */ lend(inferenceImport, {Request:{json:1}});
export const jobs = /* @__PURE__ */ lend(jobsImport, {all:1});
export const kv = /* @__PURE__ */ lend(kvImport, {set:3,keys:2,add:3});
export const loading = /* @__PURE__ */ lend(loadingImport, {load:2});
export const log = /* @__PURE__ */ lend(logImport);
export const metrics = /* @__PURE__ */ lend(metricsImport);
export const models = /* @__PURE__ */ lend(modelsImport);
export const plugins = /* @__PURE__ */ lend(pluginsImport);
export const quota = /* @__PURE__ */ lend(quotaImport);
export const secrets = /* @__PURE__ */ lend(secretsImport);
export const settings = /* @__PURE__ */ lend(settingsImport);
