export * from "./generated";
import type { ErrorKind, HostError } from "./generated";

/** A failure with a kind. What the host's functions throw, and what a plugin throws to word its own failures. */
export declare class PluginError extends Error implements HostError {
  kind: ErrorKind;
  hint: string | null;
  retryAfterMs: number | null;
  /** `kind` is a tag of `ErrorKind`; a word of one's own becomes `other`. */
  constructor(
    kind: Exclude<ErrorKind["tag"], "other"> | (string & {}),
    message: string,
    more?: { hint?: string | null; retryAfterMs?: number | null; cause?: unknown },
  );
}
