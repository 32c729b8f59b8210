"""The official Python package `anthropic` against a running limpid (started by run.py)."""
import asyncio
import json
import os
import unittest

import anthropic
import pydantic

URL = os.environ["LIMPID_URL"]
MODEL, TOOLS = "r1-nano", "nano-tools"
SUM = [{"role": "user", "content": "What is 347 + 895?"}]
THINKS = {"type": "enabled", "budget_tokens": 1024}
SILENT = {"type": "disabled"}
WEATHER = {"name": "get_weather", "description": "The weather of a place", "input_schema": {
    "type": "object", "properties": {"place": {"type": "string", "maxLength": 12}, "unit": {"enum": ["celsius", "fahrenheit"]}},
    "required": ["place", "unit"], "additionalProperties": False}}
CLOCK = {"name": "clock", "input_schema": {"type": "object", "properties": {"hour": {"type": "boolean"}}, "required": ["hour"],
                                           "additionalProperties": False}}


def client(path=""):
    return anthropic.Anthropic(base_url=URL + path, api_key="none", max_retries=0, timeout=120)


# The package no longer knows temperature, top_p and top_k, which older ones send; seed is limpid's own.
def ask(messages=None, *, at=None, body=None, **options):
    options = {"model": MODEL, "max_tokens": 400, "messages": messages or SUM, "thinking": THINKS, **options}
    return (at or client()).messages.create(extra_body={"seed": 7, **(body or {})}, **options)


def said(message):
    """The content, without what the package's helpers add to it."""
    return [(block.type, getattr(block, "thinking", None) or getattr(block, "text", None)) for block in message.content]


class Messages(unittest.TestCase):
    def test_thinking_and_text(self):
        message = ask()
        self.assertEqual([block.type for block in message.content], ["thinking", "text"])
        thinking, text = message.content
        self.assertTrue(thinking.thinking.strip())
        self.assertTrue(thinking.signature)
        self.assertTrue(text.text.strip())
        self.assertEqual((message.type, message.role, message.model, message.stop_reason), ("message", "assistant", MODEL, "end_turn"))
        self.assertTrue(message.id.startswith("msg_"))

    def test_without_thinking(self):
        message = ask(thinking=SILENT, max_tokens=32)
        self.assertEqual([block.type for block in message.content], ["text"])

    def test_deepseeks_address(self):
        self.assertEqual(ask(at=client("/anthropic")).content, ask().content)

    def test_claudes_names_at_deepseeks_address(self):
        self.assertEqual(ask(model="claude-sonnet-5", at=client("/anthropic")).content, ask().content)

    def test_usage(self):
        first = ask([{"role": "user", "content": "What is 21 + 57? " * 12}], max_tokens=4)
        second = ask([{"role": "user", "content": "What is 21 + 57? " * 12}], max_tokens=4)
        for message in (first, second):
            self.assertEqual(message.usage.output_tokens, 4)
            self.assertEqual(message.stop_reason, "max_tokens")
        self.assertGreaterEqual(second.usage.cache_read_input_tokens, 64)
        self.assertEqual(first.usage.input_tokens + first.usage.cache_read_input_tokens, second.usage.input_tokens + second.usage.cache_read_input_tokens)

    def test_count_tokens(self):
        count = client().messages.count_tokens(model=MODEL, messages=SUM, thinking=THINKS)
        usage = ask().usage
        self.assertEqual(count.input_tokens, usage.input_tokens + usage.cache_read_input_tokens)

    def test_stop_sequences(self):
        message = ask(thinking=SILENT, stop_sequences=["4"], body={"temperature": 0})
        self.assertEqual((message.stop_reason, message.stop_sequence), ("stop_sequence", "4"))
        self.assertNotIn("4", message.content[0].text)

    def test_continues_what_the_assistant_began(self):
        message = ask([*SUM, {"role": "assistant", "content": "The sum is 12"}], thinking=SILENT, max_tokens=8)
        self.assertFalse(message.content[0].text.startswith("The sum"))

    def test_content_blocks_system_and_what_was_thought(self):
        before = ask()
        blocks = [{"role": "user", "content": [{"type": "text", "text": "What is 347 + 895?", "cache_control": {"type": "ephemeral"}}]},
                  {"role": "assistant", "content": before.content}, {"role": "user", "content": "And 1 + 2?"}]
        self.assertTrue(ask(blocks, system=[{"type": "text", "text": "Answer briefly."}], metadata={"user_id": "u-1"},
                            body={"top_k": 20, "top_p": 0.9}).content)

    def test_output_format(self):
        class Answer(pydantic.BaseModel):
            right: bool

        message = client().messages.parse(model=MODEL, max_tokens=100, messages=SUM, thinking=SILENT, output_format=Answer)
        self.assertIsInstance(message.parsed_output.right, bool)

    def test_models(self):
        self.assertIn(MODEL, [model.id for model in client().models.list()])


class Streams(unittest.TestCase):
    def test_events(self):
        whole = ask()
        kinds = []
        for event in ask(stream=True):
            kinds.append(event.type)
        self.assertEqual((kinds[0], kinds[-2], kinds[-1]), ("message_start", "message_delta", "message_stop"))
        with client().messages.stream(model=MODEL, max_tokens=400, messages=SUM, thinking=THINKS, extra_body={"seed": 7}) as stream:
            seen = [event.type for event in stream]
            final = stream.get_final_message()
        self.assertLessEqual({"thinking", "signature", "text", "content_block_stop"}, set(seen))
        self.assertEqual(said(final), said(whole))
        self.assertEqual((final.stop_reason, final.usage.output_tokens), (whole.stop_reason, whole.usage.output_tokens))

    def test_closed(self):
        with client().messages.stream(model=MODEL, max_tokens=400, messages=SUM, thinking=THINKS) as stream:
            next(iter(stream))
        self.assertTrue(ask().content)

    def test_many(self):
        async def crowd():
            async with anthropic.AsyncAnthropic(base_url=URL, api_key="none", max_retries=0, timeout=240) as many:
                return await asyncio.gather(*(many.messages.create(model=MODEL, max_tokens=200, messages=SUM, thinking=THINKS,
                                                                   extra_body={"seed": user % 4}) for user in range(16)))
        contents = [message.content for message in asyncio.run(crowd())]
        self.assertEqual(contents[:4] * 4, contents)


class Tools(unittest.TestCase):
    def call(self, **options):
        return ask(model=TOOLS, thinking=SILENT, tools=[WEATHER, CLOCK], **options)

    def test_named(self):
        for seed in range(4):
            message = self.call(body={"seed": seed}, tool_choice={"type": "tool", "name": "get_weather", "disable_parallel_tool_use": True})
            [call] = [block for block in message.content if block.type == "tool_use"]
            self.assertEqual((message.stop_reason, call.name, set(call.input)), ("tool_use", "get_weather", {"place", "unit"}))

    def test_any_streamed(self):
        whole = self.call(body={"seed": 3}, tool_choice={"type": "any", "disable_parallel_tool_use": True})
        with client().messages.stream(model=TOOLS, max_tokens=400, messages=SUM, thinking=SILENT, tools=[WEATHER, CLOCK],
                                      tool_choice={"type": "any", "disable_parallel_tool_use": True}, extra_body={"seed": 3}) as stream:
            kinds = [event.type for event in stream]
            final = stream.get_final_message()
        self.assertGreater(kinds.count("input_json"), 4)  # as they are written, a token at a time
        self.assertEqual([(b.name, b.input) for b in final.content if b.type == "tool_use"],
                         [(b.name, b.input) for b in whole.content if b.type == "tool_use"])

    def test_the_result_goes_back(self):
        message = self.call(body={"seed": 1}, tool_choice={"type": "tool", "name": "clock", "disable_parallel_tool_use": True})
        call = next(block for block in message.content if block.type == "tool_use")
        back = [*SUM, {"role": "assistant", "content": message.content},
                {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "12:30"}]}]}]
        self.assertTrue(ask(back, model=TOOLS, thinking=SILENT, tools=[CLOCK], tool_choice={"type": "none"}, max_tokens=16).usage.output_tokens)


class Errors(unittest.TestCase):
    def refused(self, kind, **options):
        with self.assertRaises(kind) as caught:
            ask(**options)
        body = caught.exception.body
        self.assertEqual(body["type"], "error")
        self.assertTrue(body["error"]["message"])
        return body["error"]

    def test_no_such_model(self):
        self.assertEqual(self.refused(anthropic.NotFoundError, model="claude-99")["type"], "not_found_error")

    def test_wrong_form_and_values(self):
        self.assertIn("messages", self.refused(anthropic.BadRequestError, messages="hello")["message"])
        for options in ({"body": {"temperature": 9}}, {"max_tokens": 0}, {"thinking": {"type": "sometimes"}}, {"tool_choice": {"type": "tool", "name": "nobody"}},
                        {"messages": [{"role": "system", "content": 5}]}, {"thinking": {"type": "enabled"}}):
            with self.subTest(options=options):
                self.assertEqual(self.refused(anthropic.BadRequestError, **options)["type"], "invalid_request_error")

    def test_max_tokens_is_required(self):
        with self.assertRaises(anthropic.BadRequestError) as caught:
            client().post("/v1/messages", body={"model": MODEL, "messages": SUM}, cast_to=object)
        self.assertIn("max_tokens", json.dumps(caught.exception.body))

    def test_an_image_is_refused(self):
        image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
        self.assertIn("image", self.refused(anthropic.BadRequestError, messages=[{"role": "user", "content": [image]}])["message"])


if __name__ == "__main__":
    unittest.main()
