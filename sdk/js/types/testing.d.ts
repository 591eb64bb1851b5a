import type { Host, inference } from "./generated";

/** What a plugin asked of a model. */
export interface Asked {
  model: string;
  prompt?: string;
  messages: { role: inference.Role; content: string }[];
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
}

export interface Parts extends Partial<Pick<Host, "models" | "plugins" | "quota">> {
  /** Values, not JSON text. */
  settings?: Record<string, unknown>;
  secrets?: Record<string, string>;
  /** What the key-value store holds at first. */
  kv?: Record<string, Uint8Array | string>;
  /** The text of the answer, or a whole interface. */
  inference?: ((asked: Asked) => string) | Host["inference"];
}

/** What the plugin did with the host. */
export interface Seen {
  log: { level: string; message: string; fields: Record<string, string> }[];
  metrics: { name: string; value: number; labels: Record<string, string> }[];
  kv: Map<string, { value: Uint8Array; until: number }>;
  requests: Asked[];
}

/**
 * Lends a host to the test: `log`, `metrics`, `kv` and `settings` are always there, the rest is what `parts` has.
 * What an earlier call lent is gone.
 */
export declare function lend(parts?: Parts): Seen;
