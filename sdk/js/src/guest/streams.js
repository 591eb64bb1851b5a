// Streams of WASI 0.2, and bytes.

import { encode } from "./text.js";

const READ = 64 * 1024;
/** The most that may be written at once. */
const WRITE = 4096;

/** All that a stream gives until its end. */
export function readAll(stream) {
  const pieces = [];
  for (;;) {
    try {
      pieces.push(stream.blockingRead(READ));
    } catch (thrown) {
      if (thrown?.payload?.tag === "closed") return joined(pieces);
      throw thrown;
    }
  }
}

export function joined(pieces) {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

export function writeAll(stream, content) {
  const bytes = toBytes(content);
  for (let at = 0; at < bytes.length; at += WRITE) stream.blockingWriteAndFlush(bytes.subarray(at, at + WRITE));
}

export function toBytes(content) {
  return typeof content === "string" ? encode(content) : content;
}
