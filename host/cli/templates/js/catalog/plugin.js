// A catalog: says what can be installed. It proposes; the host downloads, verifies and installs.

import { PluginError } from "@inferno/plugin";

const tiny = { kind: "model", name: "tiny", version: "1.0.0", summary: "A very small model" };

/** @type {import("@inferno/plugin").Catalog} */
export const catalog = {
  search: (query) => ({ entries: tiny.name.includes(query) ? [tiny] : [], next: null }),

  resolve(name, version) {
    if (name !== tiny.name || (version ?? tiny.version) !== tiny.version) {
      throw new PluginError("not-found", `there is no "${name}" in this version here`, {
        hint: `there is ${tiny.name} ${tiny.version}`,
      });
    }
    return [{ url: "https://models.example.com/tiny.gguf", digest: `sha256:${"0".repeat(64)}`, sizeBytes: 1024 }];
  },
};
