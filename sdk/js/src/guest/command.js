// The role `command`: a program, as WASI has it.

import environment from "wasi:cli/environment";
import stderr from "wasi:cli/stderr";
import stdin from "wasi:cli/stdin";
import stdout from "wasi:cli/stdout";

import { answered, failure, written } from "./play.js";
import { readAll, writeAll } from "./streams.js";
import { decode } from "./text.js";

export function playCommand(role) {
  const run = written(role, "run");
  return {
    run() {
      const terminal = {
        // The first is the verb.
        args: environment.getArguments().slice(1),
        read: () => decode(readAll(stdin.getStdin())),
        write: (content) => writeAll(stdout.getStdout(), content),
        warn: (content) => writeAll(stderr.getStderr(), content),
      };
      try {
        answered("run", run(terminal));
      } catch (thrown) {
        const { message, hint } = failure(thrown);
        terminal.warn(`error: ${message}\n${hint ? `hint: ${hint}\n` : ""}`);
        // An error without a value, since WASI has none here.
        throw null;
      }
    },
  };
}
