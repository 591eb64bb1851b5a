// Generated from wit/ by sdk/generate.

/** What kind of failure it was; for programs. HTTP plugins usually map it to a status. */
export type ErrorKind =
  /** The user did not grant this. The message names the call, and the hint the line that would grant it. */
  | { tag: "denied" }
  /** No such model, key or plugin. The hint names near ones. */
  | { tag: "not-found" }
  /** The request cannot work as it is: a value out of range, a feature that the model lacks. */
  | { tag: "invalid" }
  /** The prompt and the answer do not fit the model's context. The message says both numbers. */
  | { tag: "context-length" }
  /** A queue is full or a budget is spent: trying later may help. */
  | { tag: "exhausted" }
  /** Not now: the model is loading or its worker has just died. */
  | { tag: "unavailable" }
  /** The deadline passed. */
  | { tag: "timeout" }
  /** The work was cancelled. */
  | { tag: "cancelled" }
  /** A fault of the host or of the model's backend. */
  | { tag: "internal" }
  /** A kind that this version of the interface has no word for. */
  | { tag: "other"; val: string };

export interface HostError {
  kind: ErrorKind;
  /** What happened, where; one sentence for people. */
  message: string;
  /** What to do about it. */
  hint?: string | null;
  /** When trying again may help, in milliseconds from now. */
  retryAfterMs?: number | null;
}

/** A record of a pipeline. */
export interface Item {
  /** Stays the same from source to sink, so that a rerun can tell what was done. */
  id: string;
  /** JSON text, usually an object. Large bytes belong into files. */
  data: string;
}

/** What became of one item of a batch. */
export type Outcome =
  /** These items go on; none means that it was absorbed, such as by an aggregation. */
  | { tag: "emit"; val: Item[] }
  /** It failed, and trying again may help; for people, why. */
  | { tag: "retry"; val: string }
  /** It failed and always will; for people, why. It goes to the dead letters. */
  | { tag: "reject"; val: string }
  /** It is left out on purpose; for people, why. */
  | { tag: "drop"; val: string };

/** An answer to judge. */
export interface Sample {
  /** What the model was asked. */
  prompt: string;
  /** What it wrote. */
  answer: string;
  /** What was wanted, where the suite says it. */
  expected?: string | null;
}

/** What a judge thinks of an answer. */
export interface Verdict {
  /** It is good enough. */
  pass: boolean;
  /** From 0 to 1. */
  score: number;
  /** For people. */
  reason: string;
}

/** Runs models. Needs the `inference` grant for the model's name. */
export declare namespace inference {
  export type Role = "system" | "user" | "assistant" | "tool";

  export type FinishReason =
    /** The model ended its answer, or a stop string came up. */
    | { tag: "stop" }
    /** `max-tokens` or the model's context was reached. */
    | { tag: "length" }
    /** The work was cancelled. */
    | { tag: "cancelled" }
    | { tag: "other"; val: string };

  export interface Usage {
    /** Tokens of the prompt, the chat template's included. */
    promptTokens: number;
    /** Tokens that the model wrote. */
    outputTokens: number;
  }

  /** A call of a tool, as the model made it. */
  export interface ToolCall {
    /** What the result will be matched with. */
    id: string;
    /** The tool. */
    name: string;
    /** A JSON object as text. */
    arguments: string;
  }

  /** Whether the model calls tools. */
  export type ToolChoice =
    /** As it likes. */
    | { tag: "auto" }
    /** It does not. */
    | { tag: "none" }
    /** It must call some. */
    | { tag: "required" }
    /** It must call this one. */
    | { tag: "named"; val: string };

  /** A token as the model knows it. */
  export interface Token {
    /** Its number in the model's vocabulary. */
    id: number;
    /** Its bytes, which may be a part of a character. */
    text: Uint8Array;
    /** The natural logarithm of its probability, before sampling settings have changed it. */
    logprob: number;
  }

  /** A token that was chosen, and what else was likely. */
  export interface Choice {
    chosen: Token;
    /** The likeliest, in order; as many as were asked for. */
    top: Token[];
  }

  /** More of a call of a tool. */
  export interface ToolCallDelta {
    /** Which call of this answer, from 0. */
    index: number;
    /** With the first piece of a call. */
    id?: string | null;
    /** With the first piece of a call. */
    name?: string | null;
    /** More of the arguments, which all together are a JSON object. */
    arguments: string;
  }

  /** More of an answer. */
  export type Piece =
    /** Never cut inside a character. */
    | { tag: "text"; val: string }
    /** Where tools were given. */
    | { tag: "tool-call"; val: ToolCallDelta }
    /** Where log-probabilities were asked for; with or before their text. */
    | { tag: "choices"; val: Choice[] }
    | { tag: "other"; val: string };

  /** A generation to be. What is not set has the host's default, which `inferno run --help` shows. */
  export class Request {
    /** `model` is a name as `models.all` gives it. */
    constructor(model: string);
    /** Text to continue, as it is. Excludes `message`. */
    prompt(text: string): void;
    /** Appends a message of a chat; the model's own template makes the prompt. Excludes `prompt`. */
    message(role: Role, content: string): void;
    /** The most tokens to write, at least 1. Default: what the context has room for. */
    maxTokens(count: number): void;
    /** 0 is greedy; at most 2. */
    temperature(value: number): void;
    /** Sample among this many likeliest tokens; 0 turns it off. */
    topK(count: number): void;
    /** Sample among the likeliest tokens whose probabilities add up to this; in (0, 1]. */
    topP(value: number): void;
    /** Leave out tokens less likely than this share of the likeliest one's probability; in [0, 1]. */
    minP(value: number): void;
    /** Divides the logits of recent tokens; 1 turns it off. */
    repeatPenalty(value: number): void;
    /** Lowers the logits of tokens that have occurred; in [-2, 2]. */
    presencePenalty(value: number): void;
    /** Lowers the logits of tokens by how often they have occurred; in [-2, 2]. */
    frequencyPenalty(value: number): void;
    /** The same seed, model and request give the same answer where the backend can. */
    seed(value: number): void;
    /** Ends the answer before this text. May be called several times. The text itself is not part of the answer. */
    stop(text: string): void;
    /** Adds to the logit of a token; in [-100, 100]. */
    logitBias(token: number, bias: number): void;
    /** Tells how likely each token of the answer was, and this many of the likeliest in its place; at most 20. */
    logprobs(top: number): void;
    /** The answer is a sentence of this grammar (GBNF). Excludes `json`. */
    grammar(gbnf: string): void;
    /** The answer is a JSON value that fits this JSON schema (JSON text); none: any object. Excludes `grammar`. */
    json(schema?: string | null): void;
    /** A tool that the model may call; `parameters` is the JSON schema of its arguments as text. Needs messages. */
    tool(name: string, description: string, parameters: string): void;
    /** Default: `auto`. */
    toolChoice(choice: ToolChoice): void;
    /** Appends a message in which the model called tools. */
    calls(content: string, calls: ToolCall[]): void;
    /** Appends the result of a call that `calls` told. */
    toolResult(call: string, content: string): void;
    /** Applies a low-rank adapter (LoRA) of this name, this strongly; 1 is as it was trained. */
    adapter(name: string, scale: number): void;
    /**
     * Puts an image into the message that was appended last, in front of this byte of its content (its length: behind
     * all of it), and behind images that were put in before. `data` is the content of a PNG, JPEG, GIF, WebP or BMP file.
     * The model must have vision.
     */
    image(at: number, data: Uint8Array): void;
  }

  /** A generation that has ended. */
  export class Completion {
    private constructor();
    /** The whole answer. */
    text(): string;
    finish(): FinishReason;
    usage(): Usage;
    /** Tokens of the prompt that did not need to be computed again. */
    cachedTokens(): number;
    /** The tools that it called. */
    toolCalls(): ToolCall[];
    /** Every token, where log-probabilities were asked for. */
    choices(): Choice[];
    /** The text that ended it, where one that `request.stop` named came up. */
    stoppedBy(): string | null;
  }

  /** Vectors for texts. */
  export class Embeddings {
    private constructor();
    /** One vector of unit length per input, in order. */
    vectors(): number[][];
    usage(): Usage;
  }

  /** Generates and returns when the answer is whole. */
  export function complete(request: Request): Completion;
  /** How many tokens the prompt of a request has. Nothing is generated. */
  export function count(request: Request): number;
  /** Turns texts into vectors. The model must be able to embed. */
  export function embed(model: string, inputs: string[]): Embeddings;
  /** How well documents answer a query. */
  export class Ranking {
    private constructor();
    /** One per document, in order; greater is better. Only scores of one model can be compared. */
    scores(): number[];
    usage(): Usage;
  }

  /** Scores documents. The model must be able to rank. */
  export function rank(model: string, query: string, documents: string[]): Ranking;
  /**
   * The tokens of a text. With `special`, control tokens in it are meant, and the token that begins every text is added
   * where the model wants it.
   */
  export function tokenize(model: string, text: string, special: boolean): number[];
  /** The text of tokens. */
  export function detokenize(model: string, tokens: number[]): string;
}

/**
 * Work for later: runs of the plugin's own command, by whichever process of this machine finds the time, in the
 * background of all others. Needs the `jobs` grant.
 */
export declare namespace jobs {
  /** Where a job is on its way. */
  export type State =
    /** It waits for its time and its turn. */
    | { tag: "queued" }
    /** It is at work. */
    | { tag: "running" }
    /** It is done. */
    | { tag: "succeeded" }
    /** It failed and is not tried again. */
    | { tag: "failed" }
    /** Somebody did not want it any more. */
    | { tag: "cancelled" }
    | { tag: "other"; val: string };

  /** A job to be. */
  export class Plan {
    /** A run of the plugin's command with these arguments, for the tenant of this call, in no folder. */
    constructor(args: string[]);
    /** The highest first; default 0. */
    priority(value: number): void;
    /** How often it is tried, the first time included; default 3. */
    attempts(count: number): void;
    /** How long it waits after the first failure, in milliseconds; twice as long after each further one. Default 10,000. */
    backoff(waitMs: number): void;
    /** It does not begin earlier, in milliseconds since 1970 (UTC). */
    notBefore(timeMs: number): void;
    /** How long one attempt may take, in milliseconds; default: as long as it takes. */
    timeout(limitMs: number): void;
    /** Submitting again with the same key and arguments submits nothing and gives the job that is there. */
    key(text: string): void;
  }

  /** A job of this plugin, for the tenant of this call. It does not end with the resource. */
  export class Job {
    private constructor();
    /** What `get` finds it by. */
    id(): string;
    /** Where it is now. */
    state(): State;
    /** How often it was tried. */
    attempts(): number;
    /** Why it failed, or waits for its next attempt. */
    failure(): string | null;
    /** Ends it; one that is at work is stopped a little later. */
    cancel(): void;
  }

  /** Puts a job into the queue; it is on the disk when this returns. `exhausted`: too many of the plugin's jobs are there. */
  export function submit(plan: Plan): Job;
  /** The job with this id. */
  export function get(id: string): Job;
  /** All of them, the newest first; at most 100, those that came before the one with the id `before`. */
  export function all(before?: string | null): Job[];
}

/** Small durable values. Each plugin has its own space per tenant. Needs the `kv` grant. */
export declare namespace kv {
  export function get(key: string): Uint8Array | null;
  /** Stores a value; with `ttl-ms` it is gone after that many milliseconds. */
  export function set(key: string, value: Uint8Array, ttlMs?: number | null): void;
  /** True if there was such a key. */
  function delete_(key: string): boolean;
  export { delete_ as delete };
  /** The keys that begin with `prefix`, ordered; at most 1,000 of them, those after `after`. */
  export function keys(prefix: string, after?: string | null): string[];
  /** Adds to a counter in one step and returns the sum; a missing key counts as 0 and then lives for `ttl-ms`. */
  export function add(key: string, by: number, ttlMs?: number | null): number;
  /** Something that one holder has at a time, on this machine, until it is dropped or the holder ends, however it ends. */
  export class Lock {
    private constructor();
  }

  /** Takes the lock of this name; none: somebody has it. At most 64 at a time. */
  export function tryLock(name: string): Lock | null;
}

/**
 * Has models loaded and unloaded; without it, requests load them and the host unloads those that idle. Needs the
 * `model_control` grant, and for the model's name the `inference` grant where there is one.
 */
export declare namespace loading {
  /**
   * Loads a model and returns when it is there. With `keep-alive-ms` it stays for so many milliseconds after its last
   * request, for all who use it; 0: it goes as soon as it has nothing to do.
   */
  export function load(name: string, keepAliveMs?: number | null): void;
  /** Has a model go as soon as it has nothing to do, and returns at once. */
  export function unload(name: string): void;
}

/** Lines in the host's log, marked with the plugin, the tenant and the request. */
export declare namespace log {
  export type Level = "trace" | "debug" | "info" | "warn" | "error";

  export function log(level: Level, message: string, fields: [string, string][]): void;
}

/** Figures in the host's metrics, marked with the plugin and the tenant. Names are lower-case letters, digits and `_`. */
export declare namespace metrics {
  /** Adds to a counter. */
  export function count(name: string, by: number, labels: [string, string][]): void;
  /** Adds a sample to a histogram; in the unit that the name ends in, such as `_seconds`. */
  export function observe(name: string, value: number, labels: [string, string][]): void;
}

/** Looks at the installed models. Needs the `models` grant. */
export declare namespace models {
  export interface Model {
    /** The name that requests use. */
    name: string;
    /** The file's format, such as `gguf`. */
    format: string;
    sizeBytes: number;
    /** When the file was last changed, in seconds since 1970 (UTC). */
    modified: number;
    /** In tokens, where the file says it. */
    contextLength?: number | null;
    /** It has a chat template. */
    chats: boolean;
    /** Further facts as names and values: `architecture`, `quantization`, `parameters`, ... */
    details: [string, string][];
  }

  /** A model that is in memory. */
  export interface Residency {
    /** The model's name. */
    name: string;
    /** When it was loaded, in seconds since 1970 (UTC). */
    since: number;
    /** When it goes if nobody asks it for anything, in seconds since 1970 (UTC); none: it stays until its memory is wanted. */
    expires?: number | null;
    /** Bytes that are set aside for it. */
    memoryBytes: number;
    /** Tokens that a prompt and its answer may have together. */
    contextLength: number;
  }

  /** The models that this plugin may use, ordered by name. */
  export function all(): Model[];
  /** One model. An unknown name gives `not-found` with near names in the hint. */
  export function get(name: string): Model;
  /** The digest of a model's file, as `sha256:` and hexadecimal digits. The first time it takes as long as to read the file. */
  export function digest(name: string): string;
  /** Those of them that are in memory now, ordered by name. */
  export function loaded(): Residency[];
}

/**
 * Puts other plugins to work. The host runs each in its own sandbox, with its own grants, and charges the caller.
 * Needs the `plugins` grant for the name.
 */
export declare namespace plugins {
  /** The plugins that this one may call and that play the role, ordered by name. */
  export function playing(role: string): string[];
  /** A step at work: one instance that sees every batch. */
  export class Step {
    private constructor();
    process(batch: Item[]): Outcome[];
    /** Hands over a batch and returns at once: the step works on it beside the caller. It has one batch at a time. */
    submit(batch: Item[]): void;
    /** Waits for the batch that was submitted. */
    take(): Outcome[];
    /** Ends the step and returns what it kept until now. */
    finish(): Item[];
  }

  /** Starts a step; `config` is JSON text. */
  export function openStep(plugin: string, config: string): Step;
  /** Has a plugin judge answers; one verdict per sample, in order. */
  export function judge(plugin: string, config: string, samples: Sample[]): Verdict[];
  /** What a converter turns into what: the names of the formats that it reads and writes, in pairs. */
  export function routes(plugin: string): [string, string][];
}

/** Budgets that the user set for this plugin, counted per tenant by the host. Needs the `quota` grant for the name. */
export declare namespace quota {
  /** An amount set aside. Dropped without `commit`, all of it goes back. */
  export class Reservation {
    private constructor();
    amount(): number;
    /** Spends up to the whole amount and gives the rest back. Nothing is left afterwards. */
    commit(spent: number): void;
    /** Moves a part into a reservation of its own. */
    split(amount: number): Reservation;
  }

  /** Sets an amount aside, or fails with `exhausted` and when the budget is renewed. */
  export function reserve(budget: string, amount: number): Reservation;
  /** What is left. */
  export function remaining(budget: string): number;
}

/** Secrets that the user keeps for plugins. Needs the `secrets` grant for the name. Values never reach the log. */
export declare namespace secrets {
  export function get(name: string): string;
}

/** What the user set for this plugin. */
export declare namespace settings {
  /** The value of a key of `[plugins.NAME.settings]` in the user's configuration, as JSON text. */
  export function get(key: string): string | null;
}

/** A step of a pipeline. One instance sees a whole run: `open`, any number of `process`, `finish`. */
export interface Step {
  /** Checks the configuration, JSON text, and gets ready. */
  open(config: string): void;
  /** One outcome per item, in order. An error fails the whole batch. */
  process(batch: Item[]): Outcome[];
  /** What the step has kept until now. */
  finish(): Item[];
}

/** From one format to another. */
export interface Route {
  /** The format to read. */
  source: string;
  /** The format to write. */
  target: string;
}

/** Turns a model from one format into another. It sees `/in`, read-only, and `/out`. */
export interface Converter {
  /** What it can convert into what. */
  routes(): Route[];
  /** `options` is JSON text. Returns the names of the files that it wrote, relative to `/out`. */
  convert(route: Route, options: string): string[];
}

/** Scores answers of a model. */
export interface Judge {
  /** `config` is JSON text. One verdict per sample, in order. */
  judge(config: string, samples: Sample[]): Verdict[];
}

/** Something that can be installed. */
export interface Entry {
  /** `model`, `plugin` or `pipeline`. */
  kind: string;
  /** What `resolve` is asked for. */
  name: string;
  /** Its version. */
  version: string;
  /** One line for people. */
  summary: string;
}

/** A part of what was found. */
export interface Page {
  /** In the order in which people should see them. */
  entries: Entry[];
  /** Where the next page begins; none: this is the last. */
  next?: string | null;
}

/** A file to download. */
export interface Artifact {
  /** Where it is. */
  url: string;
  /** `sha256:` and 64 hexadecimal digits. */
  digest: string;
  /** Its exact size. */
  sizeBytes: number;
}

/** Says what can be installed. The plugin proposes; the host downloads, verifies and installs. */
export interface Catalog {
  /** What fits a query; an empty query fits everything. `cursor` is the `next` of the page before. */
  search(query: string, cursor?: string | null): Page;
  /** What to download for an entry; without a version, its newest. */
  resolve(name: string, version?: string | null): Artifact[];
}

/** A request without its body. */
export interface RequestHead {
  /** As in the request line, such as `POST`. */
  method: string;
  /** The path and, after `?`, the query, as the client sent them. */
  pathWithQuery: string;
  /** Those that carry keys are left out. */
  headers: [string, string][];
}

/** An answer in place of the plugin's. */
export interface Refusal {
  /** 400 to 599. */
  status: number;
  /** For the client; worded in the dialect of the plugin that would have answered. */
  message: string;
}

/** How a request goes on. */
export type RequestAction =
  /** As it is. */
  | { tag: "pass" }
  /** With this body. */
  | { tag: "replace"; val: Uint8Array }
  /** Not at all. */
  | { tag: "refuse"; val: Refusal };

/** An answer without its body. */
export interface ResponseHead {
  /** The status. */
  status: number;
  /** All that the plugin set. */
  headers: [string, string][];
}

/** How an answer goes on. */
export type ResponseAction = "filter" | "pass";

/** Stands around http plugins. One instance sees one exchange: `request`, `response`, then each `chunk`. */
export interface Filter {
  /** Before the plugin sees the request; the body is whole. */
  request(head: RequestHead, body: Uint8Array): RequestAction;
  /** Before the first chunk of the answer. */
  response(head: ResponseHead): ResponseAction;
  /**
   * A piece of the answer; what is returned goes on in its place, and nothing may be returned until later.
   * `last` comes once, with the last bytes or none.
   */
  chunk(data: Uint8Array, last: boolean): Uint8Array;
}

/** The roles that a plugin module can export. */
export interface Plugin {
  step?: Step;
  converter?: Converter;
  judge?: Judge;
  catalog?: Catalog;
  filter?: Filter;
}

/** What the host lends, by name. */
export interface Host {
  inference: typeof inference;
  jobs: typeof jobs;
  kv: typeof kv;
  loading: typeof loading;
  log: typeof log;
  metrics: typeof metrics;
  models: typeof models;
  plugins: typeof plugins;
  quota: typeof quota;
  secrets: typeof secrets;
  settings: typeof settings;
}
