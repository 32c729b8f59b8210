// The AI SDK with @ai-sdk/deepseek against a running limpid (started by run.py).
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { test } from "node:test";

const require = createRequire(process.env.LIMPID_NODE_PACKAGES + "/package.json");
const { createDeepSeek } = require("@ai-sdk/deepseek");
const { generateText, streamText, tool, Output } = require("ai");
const { z } = require("zod");

const deepseek = createDeepSeek({ baseURL: process.env.LIMPID_URL, apiKey: "none" });
const options = { temperature: 0, maxRetries: 0, prompt: "What is 347 + 895?" };
const silent = { deepseek: { thinking: { type: "disabled" } } };
const tools = { clock: tool({ description: "The time", inputSchema: z.object({ hour: z.boolean() }) }) };

test("generateText has text, reasoning and usage", async () => {
  const reply = await generateText({ model: deepseek("deepseek-reasoner"), ...options });
  assert.equal(reply.text.trim(), "1242");
  assert.ok(reply.reasoningText);
  assert.equal(reply.finishReason, "stop");
  assert.equal(reply.usage.totalTokens, reply.usage.inputTokens + reply.usage.outputTokens);
  assert.ok(reply.usage.outputTokenDetails.reasoningTokens > 0);
});

test("streamText streams both", async () => {
  const whole = await generateText({ model: deepseek("deepseek-reasoner"), ...options });
  let text = "", reasoning = "";
  const result = streamText({ model: deepseek("deepseek-reasoner"), ...options, onError: ({ error }) => { throw error; } });
  for await (const part of result.fullStream) {
    if (part.type === "text-delta") text += part.text;
    if (part.type === "reasoning-delta") reasoning += part.text;
    assert.notEqual(part.type, "error");
  }
  assert.deepEqual([reasoning, text], [whole.reasoningText, whole.text]);
  assert.equal((await result.usage).outputTokens, whole.usage.outputTokens);
});

test("thinking can be switched off", async () => {
  const reply = await generateText({ model: deepseek("r1-nano"), ...options, maxOutputTokens: 32, providerOptions: silent });
  assert.ok(!reply.reasoningText);
  assert.ok(reply.text);
});

test("tools", async () => {
  // The model knows no tools and may call until its tokens are used up: one of these seeds has it end before.
  let reply, asked;
  for (let seed = 0; seed < 8 && reply?.finishReason !== "tool-calls"; seed += 1) {
    asked = { model: deepseek("nano-tools"), ...options, temperature: 1, seed, tools, toolChoice: "required", providerOptions: silent };
    reply = await generateText(asked);
  }
  assert.equal(reply.finishReason, "tool-calls");
  assert.equal(reply.toolCalls[0].toolName, "clock");
  assert.equal(typeof reply.toolCalls[0].input.hour, "boolean");
  const streamed = streamText(asked);
  assert.deepEqual((await streamed.toolCalls)[0].input, reply.toolCalls[0].input);
});

test("JSON", async () => {
  const call = async () => (await generateText({ model: deepseek("r1-nano"), ...options, maxOutputTokens: 120, providerOptions: silent,
    output: Output.json() })).output;
  // The model may not come to the end of its object; then that, and nothing else, is the complaint.
  await call().then((output) => assert.equal(typeof output, "object"), (error) => assert.equal(error.finishReason, "length"));
});

test("errors", async () => {
  await assert.rejects(generateText({ model: deepseek("gpt-99"), ...options }), (error) => error.statusCode === 404 || error.statusCode === 400);
});

test("an abort ends a stream and the service goes on", async () => {
  const abort = new AbortController();
  const result = streamText({ model: deepseek("deepseek-reasoner"), ...options, abortSignal: abort.signal });
  for await (const part of result.fullStream) if (part.type === "reasoning-delta") { abort.abort(); break; }
  assert.equal((await generateText({ model: deepseek("deepseek-reasoner"), ...options })).text.trim(), "1242");
});
