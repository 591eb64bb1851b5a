// `TextEncoder` and `TextDecoder`, which the engine does not have: UTF-8 alone.

const LONGEST = 8192;

export function encode(text) {
  const bytes = [];
  for (const one of text) {
    const code = one.codePointAt(0);
    // Half a character has no bytes of its own.
    put(bytes, code >= 0xd800 && code <= 0xdfff ? 0xfffd : code);
  }
  return Uint8Array.from(bytes);
}

function put(bytes, code) {
  if (code < 0x80) bytes.push(code);
  else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 0x3f));
  else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f));
  else bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 0x3f), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f));
}

export function decode(bytes) {
  return new Utf8Decoder().decode(bytes);
}

export class Utf8Encoder {
  encoding = "utf-8";

  encode(text = "") {
    return encode(String(text));
  }
}

/** Keeps the bytes of a character that is cut, if told that more come. */
export class Utf8Decoder {
  encoding = "utf-8";
  #kept = [];
  #begun = false;
  #fatal;
  #keepsMark;

  constructor(label = "utf-8", { fatal = false, ignoreBOM = false } = {}) {
    if (!/^\s*utf-?8\s*$/i.test(label)) throw new RangeError(`the encoding ${label} is not there; utf-8 is`);
    this.#fatal = fatal;
    this.#keepsMark = ignoreBOM;
  }

  decode(input = [], { stream = false } = {}) {
    const bytes = this.#kept.length > 0 ? [...this.#kept, ...view(input)] : view(input);
    this.#kept = [];
    const codes = [];
    for (let at = 0; at < bytes.length; ) {
      const { code, taken, cut } = character(bytes, at);
      if (cut && stream) {
        this.#kept = Array.from(bytes.slice(at));
        break;
      }
      if (code === null && this.#fatal) throw new TypeError("the bytes are not UTF-8");
      codes.push(code ?? 0xfffd);
      at += taken;
    }
    const first = !this.#begun && codes.length > 0;
    if (first && codes[0] === 0xfeff && !this.#keepsMark) codes.shift();
    this.#begun = stream && (this.#begun || first);
    let text = "";
    for (let at = 0; at < codes.length; at += LONGEST) text += String.fromCodePoint(...codes.slice(at, at + LONGEST));
    return text;
  }
}

function view(input) {
  if (input instanceof ArrayBuffer) return new Uint8Array(input);
  return ArrayBuffer.isView(input) && !(input instanceof Uint8Array)
    ? new Uint8Array(input.buffer, input.byteOffset, input.byteLength)
    : input;
}

/** The character at a place, or `null` and how many bytes make none; `cut` if it lacks its end. */
function character(bytes, at) {
  const first = bytes[at];
  if (first < 0x80) return { code: first, taken: 1 };
  const length = first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0;
  if (length === 0) return { code: null, taken: 1 };
  let code = first & (0xff >> (length + 1));
  for (let taken = 1; taken < length; taken += 1) {
    if (at + taken === bytes.length) return { code: null, taken, cut: true };
    const next = bytes[at + taken];
    if (!continues(first, taken, next)) return { code: null, taken };
    code = (code << 6) | (next & 0x3f);
  }
  return { code, taken: length };
}

/** The second byte leaves out what could be written shorter, halves of characters, and what lies beyond the last one. */
function continues(first, place, byte) {
  const low = place > 1 ? 0x80 : first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const high = place > 1 ? 0xbf : first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  return byte >= low && byte <= high;
}
