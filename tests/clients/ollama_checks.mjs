// `inferno serve` as the official ollama client for Node sees it, unmodified.

import assert from "node:assert/strict";
import { ECHO, KEY, STORY, URL, load, tell } from "./telling.mjs";

const { Ollama } = await load("ollama");

const client = new Ollama({ host: URL, headers: { authorization: `Bearer ${KEY}` } });
const SAID = [{ role: "user", content: "one two three four five" }];
const OPTIONS = { temperature: 0, num_predict: 80 };
const WEATHER = {
  type: "function",
  function: {
    name: "get_weather",
    description: "Get the weather in a city.",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
  },
};

async function refused(status, promise) {
  let answer;
  try {
    answer = await promise;
  } catch (error) {
    assert.equal(error.name, "ResponseError", error.stack);
    assert.equal(error.status_code, status, error.message);
    return error.message;
  }
  assert.fail(`not refused: ${JSON.stringify(answer)}`);
}

const checks = {
  async "a chat is answered, whole and streamed"() {
    const answer = await client.chat({ model: ECHO, messages: SAID });
    assert.equal(answer.message.content, "one two three four five");
    assert.deepEqual([answer.done, answer.done_reason, answer.eval_count], [true, "stop", 5]);
    let text = "";
    for await (const chunk of await client.chat({ model: ECHO, messages: SAID, stream: true })) text += chunk.message.content;
    assert.equal(text, "one two three four five");
  },

  async "an aborted stream does no harm"() {
    const stream = await client.chat({ model: ECHO, messages: SAID, stream: true });
    for await (const _ of stream) break;
    stream.abort();
    assert.equal((await client.generate({ model: ECHO, prompt: "again" })).response, "again");
  },

  async "a real model tells a story"() {
    const prompt = "Tell me a story about a fox named Mia.";
    const { response } = await client.generate({ model: STORY, prompt, options: OPTIONS });
    assert.ok(response.split(/\s+/).length > 10, response);
    let text = "";
    for await (const chunk of await client.generate({ model: STORY, prompt, options: OPTIONS, stream: true })) text += chunk.response;
    assert.equal(text, response);
  },

  async "answers fit a schema, and tools are called"() {
    const format = {
      type: "object",
      properties: { name: { type: "string", maxLength: 9 } },
      required: ["name"],
      additionalProperties: false,
    };
    const described = await client.chat({ model: STORY, messages: [{ role: "user", content: "Describe Mia as JSON." }], format, options: OPTIONS });
    assert.deepEqual(Object.keys(JSON.parse(described.message.content)), ["name"]);
    const messages = [{ role: "user", content: "What is the weather in Rome?" }];
    const called = await client.chat({ model: STORY, messages, tools: [WEATHER], options: OPTIONS });
    assert.equal(called.message.tool_calls[0].function.name, "get_weather");
    assert.equal(typeof called.message.tool_calls[0].function.arguments.city, "string");
  },

  async "texts become vectors"() {
    const { embeddings } = await client.embed({ model: ECHO, input: ["a fox", "a very different text"] });
    assert.equal(embeddings.length, 2);
    assert.ok(Math.abs(Math.hypot(...embeddings[0]) - 1) < 1e-4);
    const { embedding } = await client.embeddings({ model: ECHO, prompt: "a fox" });
    assert.deepEqual(embedding, embeddings[0]);
  },

  async "models are listed, shown and running"() {
    const listed = (await client.list()).models.map((model) => model.name);
    assert.ok(listed.includes(ECHO) && listed.includes(STORY), String(listed));
    const shown = await client.show({ model: STORY });
    assert.equal(shown.details.family, "llama");
    assert.ok(shown.capabilities.includes("tools"), String(shown.capabilities));
    await client.chat({ model: ECHO, messages: SAID, keep_alive: "5m" });
    assert.ok((await client.ps()).models.some((model) => model.name === ECHO));
    assert.match((await client.version()).version, /^\d+\.\d+\.\d+$/);
  },

  async "what is wrong is said"() {
    const near = await refused(404, client.chat({ model: STORY.slice(0, -1), messages: SAID }));
    assert.ok(near.includes("not found") && near.includes(STORY), near);
    await refused(400, client.chat({ model: ECHO, messages: [{ role: "pirate", content: "arr" }] }));
    await refused(400, client.chat({ model: ECHO, messages: SAID, options: { temperature: 9 } }));
    const stranger = new Ollama({ host: URL, headers: { authorization: "Bearer inf-wrong" } });
    await refused(401, stranger.list());
  },
};

await tell("ollama", checks);
