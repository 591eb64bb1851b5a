// `inferno serve` as the official openai client for Node sees it, unmodified: tools, formats, likelihoods, responses.

import assert from "node:assert/strict";
import { ECHO, OpenAI, STORY, all, client, refused, run } from "./harness.mjs";

const WEATHER = [{ role: "user", content: "What is the weather in Paris?" }];
const FUNCTION = {
  name: "get_weather",
  description: "Get the weather in a city.",
  parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
};
const TOOLS = [{ type: "function", function: FUNCTION }];
const chat = (changes) => client.chat.completions.create({ model: STORY, messages: WEATHER, temperature: 0, ...changes });

const checks = {
  async "a tool is called and its result is used"() {
    const { message, finish_reason: reason } = (await chat({ tools: TOOLS })).choices[0];
    assert.equal(reason, "tool_calls");
    const [call] = message.tool_calls;
    assert.deepEqual([call.function.name, JSON.parse(call.function.arguments)], ["get_weather", { city: "Paris" }]);
    const result = { role: "tool", tool_call_id: call.id, content: '{"temperature": 21, "sky": "sunny"}' };
    const said = await chat({ tools: TOOLS, messages: [...WEATHER, message, result] });
    assert.match(said.choices[0].message.content, /21/);
  },

  async "calls stream"() {
    const stream = client.chat.completions.stream({ model: STORY, messages: WEATHER, tools: TOOLS, temperature: 0 });
    const [call] = (await stream.finalMessage()).tool_calls;
    assert.deepEqual([call.function.name, JSON.parse(call.function.arguments)], ["get_weather", { city: "Paris" }]);
  },

  async "a schema is kept to"() {
    const schema = { type: "object", properties: { z: { enum: [7] }, a: { type: "boolean" } }, required: ["z", "a"] };
    const format = { type: "json_schema", json_schema: { name: "odd", schema, strict: true } };
    const answer = await chat({ response_format: format });
    const value = JSON.parse(answer.choices[0].message.content);
    assert.deepEqual([Object.keys(value).sort(), value.z], [["a", "z"], 7]);
  },

  async "likelihoods are told"() {
    const { logprobs, message } = (await chat({ logprobs: true, top_logprobs: 2, max_tokens: 5 })).choices[0];
    assert.ok(logprobs.content.map((token) => token.token).join("").startsWith(message.content));
    assert.ok(logprobs.content.every((token) => token.top_logprobs.length === 2 && token.logprob <= 0));
  },

  async "a response is made, kept and gone on from"() {
    const first = await client.responses.create({ model: ECHO, input: "one two" });
    assert.deepEqual([first.status, first.output_text], ["completed", "one two"]);
    assert.equal((await client.responses.retrieve(first.id)).output_text, "one two");
    const second = await client.responses.create({ model: ECHO, input: "three", previous_response_id: first.id });
    assert.ok(second.usage.input_tokens > first.usage.input_tokens);
    const items = await all(client.responses.inputItems.list(second.id));
    assert.deepEqual(items.map((item) => item.content[0].text), ["three"]);
    await client.responses.delete(first.id);
    await refused(OpenAI.NotFoundError, 404, client.responses.retrieve(first.id));
  },

  async "a response streams"() {
    const events = await all(client.responses.create({ model: ECHO, input: "one two three", stream: true }));
    assert.deepEqual(events.map((event) => event.sequence_number), [...events.keys()]);
    const text = events.map((event) => (event.type === "response.output_text.delta" ? event.delta : "")).join("");
    assert.equal(text, "one two three");
    assert.equal(events.at(-1).type, "response.completed");
    const tools = [{ type: "function", ...FUNCTION, strict: true }];
    const ask = { model: STORY, input: WEATHER, tools, temperature: 0 };
    const final = await client.responses.stream(ask).finalResponse();
    assert.deepEqual(JSON.parse(final.output.find((item) => item.type === "function_call").arguments), { city: "Paris" });
  },

  async "a batch is uploaded, worked on and read"() {
    const line = (number) => {
      const body = { model: ECHO, input: `say ${number}` };
      return JSON.stringify({ custom_id: `r${number}`, method: "POST", url: "/v1/responses", body });
    };
    const input = await OpenAI.toFile(Buffer.from([1, 2].map(line).join("\n")), "in.jsonl");
    const file = await client.files.create({ file: input, purpose: "batch" });
    assert.deepEqual([file.purpose, file.filename], ["batch", "in.jsonl"]);
    const order = { input_file_id: file.id, endpoint: "/v1/responses", completion_window: "24h" };
    let batch = await client.batches.create(order);
    const deadline = Date.now() + 60_000;
    while (!["completed", "failed"].includes(batch.status) && Date.now() < deadline) {
      await new Promise((done) => setTimeout(done, 50));
      batch = await client.batches.retrieve(batch.id);
    }
    assert.deepEqual([batch.status, batch.request_counts], ["completed", { total: 2, completed: 2, failed: 0 }]);
    const text = await (await client.files.content(batch.output_file_id)).text();
    const answers = text.trim().split("\n").map((line) => JSON.parse(line));
    const said = answers.map((answer) => [answer.custom_id, answer.response.body.output[0].content[0].text]);
    assert.deepEqual(Object.fromEntries(said), { r1: "say 1", r2: "say 2" });
    await refused(OpenAI.BadRequestError, 400, client.batches.cancel(batch.id));
    assert.ok((await client.files.delete(file.id)).deleted);
    await refused(OpenAI.NotFoundError, 404, client.files.retrieve(file.id));
  },

  async "what the model lacks is said"() {
    const picture = { type: "image_url", image_url: { url: "data:image/png;base64,AA==" } };
    const messages = [{ role: "user", content: [picture] }];
    const error = await refused(OpenAI.BadRequestError, 400, chat({ messages }));
    assert.match(error.message, /vision/);
  },
};

await run(checks);
