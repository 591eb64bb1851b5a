// What the checks share: the server and the models that they are about, and how a check is told.
//
// tests/tests/clients.rs starts each script with the server's address, a valid key and the names of two models: one that
// echoes and one that writes stories. One line is printed for each check; the exit status says whether all held.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const { INFERNO_BASE_URL, INFERNO_API_KEY } = process.env;
export const { INFERNO_ECHO_MODEL: ECHO, INFERNO_STORY_MODEL: STORY } = process.env;

// The package is installed in a folder of its own, not beside this file.
const resolve = createRequire(`${process.env.INFERNO_NODE_TOOLS}/package.json`).resolve;
export const { default: OpenAI } = await import(pathToFileURL(resolve("openai")));

export const client = new OpenAI({ baseURL: INFERNO_BASE_URL, apiKey: INFERNO_API_KEY, maxRetries: 0, timeout: 60_000 });

/** All items of a stream. */
export async function all(stream) {
  const items = [];
  for await (const item of await stream) items.push(item);
  return items;
}

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

/** Runs checks, by their names. */
export async function run(checks) {
  let failed = 0;
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check();
      console.log(`ok ${name}`);
    } catch (error) {
      failed += 1;
      console.log(`FAILED ${name}\n${error.stack}`);
    }
  }
  const count = Object.keys(checks).length;
  const { version } = createRequire(resolve("openai"))("./package.json");
  console.log(`openai ${version}: ${count - failed} of ${count} checks hold`);
  process.exit(failed ? 1 : 0);
}
