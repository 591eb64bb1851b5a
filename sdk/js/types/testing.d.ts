import type { Host, inference } from "./generated";
import type { Terminal } from "./index";

/** What a plugin asked of a model. */
export interface Asked {
  model: string;
  prompt?: string;
  /** `calls` where the model called tools, and `call` with the result of one. */
  messages: {
    role: inference.Role;
    content: string;
    calls?: inference.ToolCall[];
    call?: string;
    images?: { at: number; data: Uint8Array }[];
  }[];
  stop: string[];
  maxTokens?: number;
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repeatPenalty?: number;
  presencePenalty?: number;
  frequencyPenalty?: number;
  seed?: number;
  logprobs?: number;
  grammar?: string;
  /** The schema; `null` is any object. */
  json?: string | null;
  tools?: { name: string; description: string; parameters: string }[];
  toolChoice?: inference.ToolChoice;
  adapters?: { name: string; scale: number }[];
  /** By token. */
  logitBias?: Record<number, number>;
}

export interface Parts extends Partial<Pick<Host, "jobs" | "loading" | "models" | "plugins" | "quota">> {
  /** Values, not JSON text. */
  settings?: Record<string, unknown>;
  secrets?: Record<string, string>;
  /** What the key-value store holds at first. */
  kv?: Record<string, Uint8Array | string>;
  /** Files by their whole paths, such as `/in/words.txt`. */
  files?: Record<string, Uint8Array | string>;
  /** The text of the answer, or a whole interface. */
  inference?: ((asked: Asked) => string) | Host["inference"];
}

/** What the plugin did with the host. */
export interface Seen {
  log: { level: string; message: string; fields: Record<string, string> }[];
  metrics: { name: string; value: number; labels: Record<string, string> }[];
  kv: Map<string, { value: Uint8Array; until: number }>;
  /** All files, those that the plugin wrote included. */
  files: Map<string, Uint8Array>;
  requests: Asked[];
}

/**
 * Lends a host to the test: `log`, `metrics`, `kv` and `settings` are always there, the rest is what `parts` has.
 * What an earlier call lent is gone.
 */
export declare function lend(parts?: Parts): Seen;

/** What a command is given, and what it wrote to standard output and standard error. */
export declare function terminal(given?: { args?: string[]; input?: string }): Terminal & {
  output: string;
  errors: string;
};
