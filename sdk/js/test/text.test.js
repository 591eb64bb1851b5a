// UTF-8 as components have it, against Node's own.

import assert from "node:assert/strict";
import { test } from "node:test";

import { decode, encode, Utf8Decoder, Utf8Encoder } from "../src/guest/text.js";

const TEXTS = ["", "plain", "zwölf", "€ 20", "🦊 fox", "\u0000\u007f\u0080\u07ff\u0800\uffff\u{10000}\u{10ffff}", "half \ud800 pair", "x".repeat(20_000)];

test("text becomes the same bytes, and bytes the same text", () => {
  for (const text of TEXTS) {
    const bytes = new TextEncoder().encode(text);
    assert.deepEqual(encode(text), bytes);
    assert.deepEqual(new Utf8Encoder().encode(text), bytes);
    assert.equal(decode(bytes), new TextDecoder().decode(bytes));
  }
});

test("what is no UTF-8 becomes the same replacements, or an error", () => {
  const heads = [0x41, 0x80, 0xc0, 0xc2, 0xe0, 0xe1, 0xed, 0xf0, 0xf1, 0xf4, 0xf5, 0xff];
  const rest = [0x41, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc2];
  for (const a of heads) {
    for (const b of rest) {
      for (const c of rest) {
        const bytes = new Uint8Array([a, b, c, 0x80, 0x42]);
        assert.equal(decode(bytes), new TextDecoder().decode(bytes), [...bytes].join(" "));
      }
    }
  }
  assert.throws(() => new Utf8Decoder("utf-8", { fatal: true }).decode(new Uint8Array([0xff])), TypeError);
  assert.throws(() => new Utf8Decoder("latin1"), RangeError);
});

test("characters that are cut come out whole", () => {
  const bytes = new TextEncoder().encode("\ufeffzwölf 🦊 €");
  const [ours, theirs] = [new Utf8Decoder(), new TextDecoder()];
  for (const byte of bytes) {
    const one = new Uint8Array([byte]);
    assert.equal(ours.decode(one, { stream: true }), theirs.decode(one, { stream: true }));
  }
  ours.decode(new Uint8Array([0xf0, 0x9f]), { stream: true });
  assert.equal(ours.decode(), "\ufffd");
  assert.equal(new Utf8Decoder("utf-8", { ignoreBOM: true }).decode(bytes).codePointAt(0), 0xfeff);
});
