/** A failure with a kind. What the host's functions throw, and what a plugin throws to word its own failures. */
export class PluginError extends Error {
  /**
   * @param {string} kind such as "invalid" or "unavailable"; a word of one's own becomes `other`
   * @param {string} message what happened, where; one sentence for people
   * @param {{ hint?: string | null, retryAfterMs?: number | null, cause?: unknown }} [more]
   */
  constructor(kind, message, { hint = null, retryAfterMs = null, cause } = {}) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "PluginError";
    this.kind = KINDS.has(kind) ? { tag: kind } : { tag: "other", val: kind };
    this.hint = hint;
    this.retryAfterMs = retryAfterMs;
  }
}

const KINDS = new Set([
  "denied",
  "not-found",
  "invalid",
  "context-length",
  "exhausted",
  "unavailable",
  "timeout",
  "cancelled",
  "internal",
]);
