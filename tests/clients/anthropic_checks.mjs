// `inferno serve` as the official @anthropic-ai/sdk for Node sees it, unmodified.

import assert from "node:assert/strict";
import { ECHO, KEY, STORY, URL, load, tell } from "./telling.mjs";

const { default: Anthropic } = await load("@anthropic-ai/sdk");

const client = new Anthropic({ baseURL: URL, apiKey: KEY, maxRetries: 0, timeout: 60_000 });
const SAID = [{ role: "user", content: "one two three four five" }];
const ASKED = [{ role: "user", content: "What is the weather in Rome?" }];
const WEATHER = {
  name: "get_weather",
  description: "Get the weather in a city.",
  input_schema: { type: "object", properties: { city: { type: "string", maxLength: 12 } }, required: ["city"] },
};

const ask = (changes) => client.messages.create({ model: ECHO, max_tokens: 50, messages: SAID, ...changes });
const text = (message) => message.content.map((block) => block.text ?? "").join("");

/** Expects a typed exception whose envelope the client understood. */
async function refused(errorClass, status, kind, promise) {
  let answer;
  try {
    answer = await promise;
  } catch (error) {
    assert.equal(error.constructor.name, errorClass.name, String(error));
    assert.deepEqual([error.status, error.error?.error?.type], [status, kind]);
    assert.ok(error.error.error.message, JSON.stringify(error.error));
    return error;
  }
  assert.fail(`not refused: ${JSON.stringify(answer)}`);
}

const checks = {
  async "a message is answered"() {
    const message = await ask({});
    assert.deepEqual([message.type, message.role, message.model], ["message", "assistant", ECHO]);
    assert.ok(message._request_id, "the client reads request-id");
    assert.equal(text(message), "one two three four five");
    assert.deepEqual([message.stop_reason, message.usage.input_tokens, message.usage.output_tokens], ["end_turn", 5, 5]);
    const short = await ask({ max_tokens: 2 });
    assert.deepEqual([text(short), short.stop_reason], ["one two", "max_tokens"]);
    const stopped = await ask({ stop_sequences: [" four"] });
    assert.deepEqual([text(stopped), stopped.stop_sequence], ["one two three", " four"]);
  },

  async "a message streams"() {
    const stream = client.messages.stream({ model: ECHO, max_tokens: 50, messages: SAID });
    const pieces = [];
    stream.on("text", (piece) => pieces.push(piece));
    const message = await stream.finalMessage();
    assert.equal(pieces.join(""), "one two three four five");
    assert.equal(text(message), "one two three four five");
    assert.deepEqual([message.stop_reason, message.usage.output_tokens], ["end_turn", 5]);
  },

  async "an aborted stream does no harm"() {
    const stream = await ask({ stream: true });
    for await (const _ of stream) break;
    stream.controller.abort();
    assert.equal(text(await ask({})), "one two three four five");
  },

  async "a real model tells a story, and its prompt is counted"() {
    const messages = [{ role: "user", content: "Tell me a story about a fox named Mia." }];
    const story = { model: STORY, system: "You are a storyteller.", messages };
    const message = await client.messages.create({ ...story, max_tokens: 60, temperature: 0 });
    assert.ok(text(message).split(/\s+/).length > 10, text(message));
    const { input_tokens } = await client.messages.countTokens(story);
    assert.equal(input_tokens, message.usage.input_tokens + (message.usage.cache_read_input_tokens ?? 0));
  },

  async "tools are called"() {
    const ask = { model: STORY, max_tokens: 80, temperature: 0, messages: ASKED, tools: [WEATHER], tool_choice: { type: "any" } };
    const called = await client.messages.create(ask);
    assert.equal(called.stop_reason, "tool_use");
    const call = called.content.find((block) => block.type === "tool_use");
    assert.equal(call.name, "get_weather");
    assert.equal(typeof call.input.city, "string");
    const stream = client.messages.stream(ask);
    let input;
    stream.on("inputJson", (_, snapshot) => (input = snapshot));
    const streamed = await stream.finalMessage();
    assert.deepEqual(streamed.content.find((block) => block.type === "tool_use").input, input);
  },

  async "what is wrong is said"() {
    const near = await refused(Anthropic.NotFoundError, 404, "not_found_error", ask({ model: STORY.slice(0, -1) }));
    assert.ok(near.message.includes(STORY) && near.requestID, near.message);
    const bad = (changes) => refused(Anthropic.BadRequestError, 400, "invalid_request_error", ask(changes));
    await bad({ messages: [] });
    await bad({ temperature: "hot" });
    await bad({ max_tokens: -1 });
    await bad({ model: STORY, messages: [{ role: "user", content: "word ".repeat(5000) }] });
    const stranger = client.withOptions({ apiKey: "inf-wrong" });
    await assert.rejects(stranger.messages.create({ model: ECHO, max_tokens: 5, messages: SAID }), Anthropic.AuthenticationError);
  },
};

await tell("@anthropic-ai/sdk", checks);
