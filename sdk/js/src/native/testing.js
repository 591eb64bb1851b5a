import { PluginError } from "../error.js";
import { bytes, memory } from "./files.js";
import { set } from "./stage.js";

/**
 * Lends a host to the test: `log`, `metrics`, `kv` and `settings` are always there, the rest is what `parts` has.
 * What an earlier call lent is gone.
 */
export function lend({ settings = {}, secrets, inference, kv = {}, files, ...others } = {}) {
  const seen = { log: [], metrics: [], kv: new Map(), files: new Map(), requests: [] };
  for (const [path, content] of Object.entries(files ?? {})) seen.files.set(path, bytes(content));
  for (const [key, value] of Object.entries(kv)) seen.kv.set(key, { value: bytes(value), until: Infinity });
  set({
    log: { log: (level, message, fields) => seen.log.push({ level, message, fields: Object.fromEntries(fields) }) },
    metrics: {
      count: (name, by, labels) => seen.metrics.push({ name, value: by, labels: Object.fromEntries(labels) }),
      observe: (name, value, labels) => seen.metrics.push({ name, value, labels: Object.fromEntries(labels) }),
    },
    settings: { get: (key) => (key in settings ? JSON.stringify(settings[key]) : null) },
    kv: store(seen.kv),
    ...(files && { files: memory(seen.files) }),
    ...(secrets && { secrets: { get: (name) => secrets[name] ?? missing(`no secret "${name}"`) } }),
    ...(inference && { inference: typeof inference === "function" ? model(inference, seen.requests) : inference }),
    ...others,
  });
  return seen;
}

/** What a command is given, with what it wrote as text. */
export function terminal({ args = [], input = "" } = {}) {
  const text = (content) => (typeof content === "string" ? content : new TextDecoder().decode(content));
  const seen = { args, output: "", errors: "", read: () => input };
  seen.write = (content) => void (seen.output += text(content));
  seen.warn = (content) => void (seen.errors += text(content));
  return seen;
}

function missing(message) {
  throw new PluginError("not-found", message);
}

function store(entries) {
  const live = (key) => {
    const entry = entries.get(key);
    if (entry && entry.until <= Date.now()) entries.delete(key);
    return entries.get(key);
  };
  const until = (ttlMs) => (ttlMs == null ? Infinity : Date.now() + ttlMs);
  return {
    get: (key) => live(key)?.value ?? null,
    set: (key, value, ttlMs) => void entries.set(key, { value, until: until(ttlMs) }),
    delete: (key) => (live(key), entries.delete(key)),
    keys: (prefix, after) =>
      [...entries.keys()]
        .filter((key) => live(key) && key.startsWith(prefix) && (after == null || key > after))
        .sort()
        .slice(0, 1000),
    add(key, by, ttlMs) {
      const entry = live(key);
      const sum = (entry ? Number(new TextDecoder().decode(entry.value)) : 0) + by;
      entries.set(key, { value: bytes(String(sum)), until: entry ? entry.until : until(ttlMs) });
      return sum;
    },
  };
}

/** `answer` gets what was asked for as a plain object and returns the text. */
function model(answer, requests) {
  class Request {
    constructor(model) {
      this.asked = { model, messages: [], stop: [] };
    }
    message(role, content) {
      this.asked.messages.push({ role, content });
    }
    stop(text) {
      this.asked.stop.push(text);
    }
    calls(content, calls) {
      this.asked.messages.push({ role: "assistant", content, calls });
    }
    toolResult(call, content) {
      this.asked.messages.push({ role: "tool", content, call });
    }
    tool(name, description, parameters) {
      (this.asked.tools ??= []).push({ name, description, parameters });
    }
    image(at, data) {
      (this.asked.messages.at(-1).images ??= []).push({ at, data });
    }
    adapter(name, scale) {
      (this.asked.adapters ??= []).push({ name, scale });
    }
    logitBias(token, bias) {
      (this.asked.logitBias ??= {})[token] = bias;
    }
    json(schema = null) {
      this.asked.json = schema;
    }
  }
  const set = ["prompt", "maxTokens", "temperature", "topK", "topP", "minP", "repeatPenalty", "presencePenalty", "frequencyPenalty", "seed", "logprobs", "grammar", "toolChoice"];
  for (const name of set) {
    Request.prototype[name] = function (value) {
      this.asked[name] = value;
    };
  }
  return {
    Request,
    complete({ asked }) {
      requests.push(asked);
      const text = answer(asked);
      return {
        text: () => text,
        finish: () => ({ tag: "stop" }),
        usage: () => ({ promptTokens: 0, outputTokens: 0 }),
        cachedTokens: () => 0,
        toolCalls: () => [],
        choices: () => [],
        stoppedBy: () => null,
      };
    },
    embed: () => missing("the test's model does not embed; lend a whole `inference` instead"),
  };
}
