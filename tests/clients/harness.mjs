// What the checks of the openai client share.

import assert from "node:assert/strict";
import { BASE_URL, KEY, load, tell } from "./telling.mjs";

export { ECHO, STORY, all } from "./telling.mjs";
export const { default: OpenAI } = await load("openai");
export const client = new OpenAI({ baseURL: BASE_URL, apiKey: KEY, maxRetries: 0, timeout: 60_000 });
export const run = (checks) => tell("openai", checks);

/** Expects a typed exception whose envelope the client understood. */
export async function refused(errorClass, status, promise) {
  let answer;
  try {
    answer = await promise;
  } catch (error) {
    assert.equal(error.constructor.name, errorClass.name, String(error));
    assert.equal(error.status, status);
    assert.ok(error.requestID, "an error carries the request's name");
    assert.ok(error.error?.message, JSON.stringify(error.error));
    return error;
  }
  assert.fail(`not refused: ${JSON.stringify(answer)}`);
}
