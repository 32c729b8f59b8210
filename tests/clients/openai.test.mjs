// The official Node package `openai` against a running limpid (started by run.py).
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";

const require = createRequire(process.env.LIMPID_NODE_PACKAGES + "/package.json");
const OpenAI = require("openai").default;

const client = (path = "/v1") => new OpenAI({ baseURL: process.env.LIMPID_URL + path, apiKey: "none", maxRetries: 0, timeout: 120000 });
const messages = [{ role: "user", content: "What is 347 + 895?" }];
const question = { model: "r1-nano", messages, temperature: 0 };
const silent = { thinking: { type: "disabled" } };
const clock = { type: "function", function: { name: "clock", parameters: {
  type: "object", properties: { hour: { type: "boolean" } }, required: ["hour"], additionalProperties: false } } };

test("models", async () => {
  const ids = [];
  for await (const model of client().models.list()) ids.push(model.id);
  assert.ok(ids.includes("r1-nano"));
});

test("an answer with its thinking and usage", async () => {
  const reply = await client().chat.completions.create(question);
  assert.equal(reply.choices[0].message.content.trim(), "1242");
  assert.ok(reply.choices[0].message.reasoning_content);
  assert.equal(reply.usage.prompt_cache_hit_tokens + reply.usage.prompt_cache_miss_tokens, reply.usage.prompt_tokens);
});

test("a stream says the same", async () => {
  const whole = await client().chat.completions.create(question);
  let thinking = "", content = "", usage;
  const stream = await client().chat.completions.create({ ...question, stream: true, stream_options: { include_usage: true } });
  for await (const chunk of stream) {
    thinking += chunk.choices[0]?.delta.reasoning_content ?? "";
    content += chunk.choices[0]?.delta.content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.deepEqual([thinking, content], [whole.choices[0].message.reasoning_content, whole.choices[0].message.content]);
  assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
});

test("the stream helper", async () => {
  const final = await client().chat.completions.stream(question).finalChatCompletion();
  assert.equal(final.choices[0].message.content.trim(), "1242");
});

test("JSON by a schema", async () => {
  const schema = { type: "object", properties: { ok: { type: "boolean" } }, required: ["ok"], additionalProperties: false };
  const reply = await client().chat.completions.parse({ ...question, ...silent,
    response_format: { type: "json_schema", json_schema: { name: "answer", strict: true, schema } } });
  assert.equal(typeof JSON.parse(reply.choices[0].message.content).ok, "boolean");
});

test("a tool, whole and streamed", async () => {
  const call = { ...question, ...silent, model: "nano-tools", tools: [clock], tool_choice: "required", parallel_tool_calls: false };
  const [whole] = (await client().chat.completions.create(call)).choices[0].message.tool_calls;
  assert.equal(whole.function.name, "clock");
  assert.equal(typeof JSON.parse(whole.function.arguments).hour, "boolean");
  const final = await client().chat.completions.stream(call).finalChatCompletion();
  assert.deepEqual(final.choices[0].message.tool_calls[0].function.arguments, whole.function.arguments);
});

test("runTools calls the function and goes on with its result", async () => {
  let called = 0;
  const runner = client().chat.completions.runTools({ ...question, ...silent, model: "nano-tools", parallel_tool_calls: false, tool_choice: "required",
    tools: [{ type: "function", function: { ...clock.function, parse: JSON.parse, function: () => { ++called; return "12:30"; } } }] },
    { maxChatCompletions: 2 });
  await runner.done();
  assert.ok(called >= 1);
});

test("completions", async () => {
  const reply = await client().completions.create({ model: "r1-nano", prompt: "2 + 2 =", max_tokens: 4, temperature: 0 });
  assert.equal(reply.usage.completion_tokens, 4);
});

test("errors have their classes", async () => {
  await assert.rejects(client().chat.completions.create({ ...question, messages: "hello" }), OpenAI.BadRequestError);
  await assert.rejects(client().models.retrieve("gpt-99"), OpenAI.NotFoundError);
  await assert.rejects(client().chat.completions.create({ ...question, temperature: -1 }),
    (error) => error instanceof OpenAI.UnprocessableEntityError || error instanceof OpenAI.BadRequestError);
});

test("an aborted stream leaves the service well", async () => {
  const stream = await client().chat.completions.create({ ...question, stream: true });
  for await (const chunk of stream) { stream.controller.abort(); break; }
  assert.equal((await client().chat.completions.create(question)).choices[0].message.content.trim(), "1242");
});

test("thirty-two at once", async () => {
  const replies = await Promise.all(Array.from({ length: 32 }, () => client().chat.completions.create(question)));
  for (const reply of replies) assert.equal(reply.choices[0].message.content.trim(), "1242");
});
