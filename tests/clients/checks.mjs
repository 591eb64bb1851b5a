// `inferno serve` as the official openai client for Node sees it, unmodified: what every client needs.

import assert from "node:assert/strict";
import { ECHO, OpenAI, STORY, all, client, refused, run } from "./harness.mjs";

const SAID = [{ role: "user", content: "one two three four five" }];
const content = (chunks) => chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.delta.content ?? "")).join("");
const chat = (changes) => client.chat.completions.create({ model: ECHO, messages: SAID, ...changes });

const checks = {
  async "models are listed and found"() {
    const listed = (await all(client.models.list())).map((model) => model.id);
    assert.ok(listed.includes(ECHO) && listed.includes(STORY), String(listed));
    assert.equal((await client.models.retrieve(STORY)).id, STORY);
    await refused(OpenAI.NotFoundError, 404, client.models.retrieve("no-such-model"));
  },

  async "a chat is answered"() {
    const answer = await chat({});
    assert.equal(answer.object, "chat.completion");
    assert.deepEqual(answer.choices[0].message.content, "one two three four five");
    assert.equal(answer.choices[0].finish_reason, "stop");
    assert.equal(answer.usage.completion_tokens, 5);
    assert.ok(answer._request_id, "the client reads x-request-id");
    const short = (await chat({ max_tokens: 2 })).choices[0];
    assert.deepEqual([short.message.content, short.finish_reason], ["one two", "length"]);
  },

  async "a chat streams, with usage if asked for"() {
    const chunks = await all(chat({ stream: true }));
    assert.equal(chunks[0].choices[0].delta.role, "assistant");
    assert.equal(content(chunks), "one two three four five");
    assert.ok(chunks.every((chunk) => !chunk.usage));
    const counted = await all(chat({ stream: true, stream_options: { include_usage: true } }));
    const last = counted.at(-1);
    assert.deepEqual(last.choices, []);
    assert.equal(last.usage.completion_tokens, 5);
    assert.equal(last.usage.total_tokens, (await chat({})).usage.total_tokens);
  },

  async "the streaming helper works"() {
    const stream = client.chat.completions.stream({ model: ECHO, messages: SAID });
    const pieces = [];
    stream.on("content", (piece) => pieces.push(piece));
    assert.equal(await stream.finalContent(), "one two three four five");
    assert.equal(pieces.join(""), "one two three four five");
  },

  async "an aborted stream does no harm"() {
    const stream = await chat({ stream: true });
    for await (const _ of stream) break;
    stream.controller.abort();
    assert.equal((await chat({})).choices.length, 1);
  },

  async "completions are plain and streamed"() {
    const plain = await client.completions.create({ model: ECHO, prompt: "alpha beta" });
    assert.equal(plain.choices[0].text, "alpha beta");
    const chunks = await all(client.completions.create({ model: ECHO, prompt: "alpha beta", stream: true }));
    assert.equal(chunks.flatMap((chunk) => chunk.choices.map((choice) => choice.text)).join(""), "alpha beta");
  },

  async "embeddings are the same as floats and as base64"() {
    const input = ["a fox", "a very different text"];
    const floats = await client.embeddings.create({ model: ECHO, input, encoding_format: "float" });
    // Without a format the client asks for base64 and decodes it.
    const packed = await client.embeddings.create({ model: ECHO, input });
    for (const [at, { embedding }] of floats.data.entries()) {
      assert.ok(embedding.length > 0);
      assert.equal(embedding.length, packed.data[at].embedding.length);
      embedding.forEach((value, axis) => assert.ok(Math.abs(value - packed.data[at].embedding[axis]) < 1e-6));
      assert.ok(Math.abs(Math.hypot(...embedding) - 1) < 1e-4, "not of unit length");
    }
    assert.notDeepEqual(floats.data[0].embedding, floats.data[1].embedding);
  },

  async "a real model tells a story"() {
    const messages = [{ role: "user", content: "Tell me a story about a fox named Mia." }];
    const ask = { model: STORY, messages, max_tokens: 60, temperature: 0 };
    const text = (await chat(ask)).choices[0].message.content;
    assert.ok(text.split(/\s+/).length > 10, text);
    assert.equal(content(await all(chat({ ...ask, stream: true }))), text);
  },

  async "several requests at once"() {
    const ask = async (number) => content(await all(chat({ messages: [{ role: "user", content: `number ${number}` }], stream: true })));
    const numbers = Array.from({ length: 16 }, (_, number) => number);
    assert.deepEqual(await Promise.all(numbers.map(ask)), numbers.map((number) => `number ${number}`));
  },

  async "an unknown model is not found"() {
    const error = await refused(OpenAI.NotFoundError, 404, chat({ model: STORY.slice(0, -1) }));
    assert.equal(error.code, "model_not_found");
    assert.ok(error.message.includes(STORY), `near names help: ${error.message}`);
  },

  async "bad requests say what is bad"() {
    const bad = async (param, changes) => {
      const error = await refused(OpenAI.BadRequestError, 400, chat(changes));
      assert.deepEqual([error.param, error.type], [param, "invalid_request_error"]);
    };
    await bad("messages", { messages: [] });
    await bad("messages[0].role", { messages: [{ role: "pirate", content: "arr" }] });
    await bad("temperature", { temperature: "hot" });
    await bad("max_tokens", { max_tokens: -1 });
    const long = [{ role: "user", content: "word ".repeat(5000) }];
    const error = await refused(OpenAI.BadRequestError, 400, chat({ model: STORY, messages: long }));
    assert.equal(error.code, "context_length_exceeded");
  },

  async "a wrong key is refused"() {
    const stranger = client.withOptions({ apiKey: "inf-wrong" });
    await refused(OpenAI.AuthenticationError, 401, stranger.models.list());
    const ask = { model: ECHO, messages: SAID };
    await refused(OpenAI.AuthenticationError, 401, stranger.chat.completions.create(ask));
  },
};

await run(checks);
