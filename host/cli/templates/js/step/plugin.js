// A step of a pipeline: adds the number of words of a field to each item.

import { PluginError } from "@inferno/plugin";

let field;

/** @type {import("@inferno/plugin").Step} */
export const step = {
  open(config) {
    try {
      ({ field = "text" } = Object(JSON.parse(config)));
    } catch (error) {
      throw new PluginError("invalid", `the configuration is not JSON: ${error.message}`);
    }
  },
  process: (batch) => batch.map(count),
  finish: () => [],
};

function count({ id, data }) {
  let record;
  try {
    record = JSON.parse(data);
  } catch (error) {
    return { tag: "reject", val: `the data is not JSON: ${error.message}` };
  }
  const text = record?.[field];
  if (typeof text !== "string") return { tag: "reject", val: `it has no text in the field "${field}"` };
  record.words = text.split(/\s+/).filter(Boolean).length;
  return { tag: "emit", val: [{ id, data: JSON.stringify(record) }] };
}
