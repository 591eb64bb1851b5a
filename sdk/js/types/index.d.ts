export * from "./generated";
import type { ErrorKind, HostError, Plugin as Interfaces } from "./generated";

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

/** What a command has of the command line. */
export interface Terminal {
  /** What the user typed after the verb. */
  args: string[];
  /** All of standard input, as text. */
  read(): string;
  /** Writes to standard output. */
  write(content: string | Uint8Array): void;
  /** Writes to standard error. */
  warn(content: string | Uint8Array): void;
}

/** A verb of the command line. What it throws is shown to the user, and the status is 1. */
export interface Command {
  run(terminal: Terminal): void;
}

/** A request, whole. */
export interface HttpRequest {
  /** As in the request line, such as `POST`. */
  method: string;
  /** The path and, after `?`, the query. */
  pathWithQuery: string;
  /** Those that carry keys are left out. */
  headers: [string, string][];
  body: Uint8Array;
}

/** An answer. */
export interface HttpResponse {
  /** 200, if it is left out. */
  status?: number;
  headers?: [string, string][];
  /** Of an iterable, such as a generator, each piece is sent as it comes. */
  body?: string | Uint8Array | Iterable<string | Uint8Array>;
}

/** Answers requests. What it throws, the host answers in its place. */
export interface Http {
  handle(request: HttpRequest): HttpResponse;
}

/** The files in the folders that the user grants, and a converter's `/in` and `/out`. Paths are whole ones. */
export declare namespace files {
  /** All of a file, or at most `length` bytes from `offset` on. */
  export function read(path: string, offset?: number, length?: number): Uint8Array;
  export function readText(path: string): string;
  /** In bytes. */
  export function size(path: string): number;
  /** Writes a file anew. */
  export function write(path: string, content: string | Uint8Array): void;
  /** Writes to the end of a file, which is made if it is not there. */
  export function append(path: string, content: string | Uint8Array): void;
  /** The names in a folder, in order; those of folders end in `/`. */
  export function list(path: string): string[];
}

/** The roles that a plugin module can export. */
export interface Plugin extends Interfaces {
  command?: Command;
  http?: Http;
}
