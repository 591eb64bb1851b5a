// The role `http`: a handler of WASI 0.3. The plugin's function answers at once; what stands around it does not.

import http from "wasi:http/types@0.3.0";

import { answered, failure, written } from "./play.js";
import { joined, toBytes } from "./streams.js";
import { decode, encode } from "./text.js";

export function playHttp(role) {
  const handle = written(role, "handle");
  return {
    async handle(incoming) {
      try {
        return begun(answered("handle", handle(await received(incoming))));
      } catch (thrown) {
        throw fault(thrown);
      }
    },
  };
}

function fault(thrown) {
  return { tag: "internal-error", val: failure(thrown).message };
}

async function received(incoming) {
  const method = incoming.getMethod();
  const pathWithQuery = incoming.getPathWithQuery() ?? "/";
  const headers = incoming.getHeaders().copyAll();
  const { readable } = wit.Future(wit.Future.RESULT_VOID_ERROR_CODE);
  const [stream] = http.Request.consumeBody(incoming, readable);
  const pieces = [];
  for await (const piece of stream) pieces.push(piece);
  return {
    method: method.val ?? method.tag.toUpperCase(),
    pathWithQuery,
    headers: headers.map(([name, value]) => [name, decode(value)]),
    body: joined(pieces),
  };
}

/** An answer whose body follows as it is read. */
function begun({ status = 200, headers = [], body = "" }) {
  const whole = typeof body === "string" || body instanceof Uint8Array;
  const fields = [...headers];
  const has = (name) => fields.some(([other]) => other.toLowerCase() === name);
  if (typeof body === "string" && !has("content-type")) fields.push(["content-type", "text/plain; charset=utf-8"]);
  if (whole && !has("content-length")) fields.push(["content-length", String(toBytes(body).length)]);
  const { readable, completion } = wit.Stream.from(bytes(whole ? [body] : body), wit.Stream.U8);
  const end = wit.Future(wit.Future.RESULT_OPTION_OTHER_ERROR_CODE);
  const head = http.Fields.fromList(fields.map(([name, value]) => [name, encode(value)]));
  const [response] = http.Response.new(head, readable, end.readable);
  response.setStatusCode(status);
  // The end says whether the answer is whole, so that nobody takes half of it for all.
  completion.then(
    () => end.writable.write({ tag: "ok", val: null }),
    (thrown) => end.writable.write({ tag: "err", val: fault(thrown) }),
  );
  return response;
}

function* bytes(pieces) {
  for (const piece of pieces) yield toBytes(piece);
}
