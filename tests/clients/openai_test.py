"""The official Python package `openai` against a running limpid (started by run.py)."""
import json
import os
import time
import unittest
import urllib.request

import openai
import pydantic

import run

URL = os.environ["LIMPID_URL"]
MODEL, TOOLS = "r1-nano", "nano-tools"
SUM = [{"role": "user", "content": "What is 347 + 895?"}]
NO_THINKING = {"thinking": {"type": "disabled"}}
WEATHER = {"type": "function", "function": {"name": "get_weather", "description": "The weather of a place", "parameters": {
    "type": "object", "properties": {"place": {"type": "string", "maxLength": 12}, "unit": {"enum": ["celsius", "fahrenheit"]}},
    "required": ["place", "unit"], "additionalProperties": False}}}
CLOCK = {"type": "function", "function": {"name": "clock", "strict": True, "parameters": {
    "type": "object", "properties": {"hour": {"type": "boolean"}}, "required": ["hour"], "additionalProperties": False}}}


def client(path="/v1", **options):
    return openai.OpenAI(base_url=URL + path, api_key="none", max_retries=0, timeout=120, **options)


def ask(messages=None, *, model=MODEL, thinks=True, at=None, **options):
    if not thinks:
        options["extra_body"] = {**NO_THINKING, **options.get("extra_body", {})}
    return (at or client()).chat.completions.create(model=model, messages=messages or SUM, temperature=options.pop("temperature", 0), **options)


def metric(name):
    with urllib.request.urlopen(URL + "/metrics") as reply:
        lines = [line.rsplit(" ", 1) for line in reply.read().decode().splitlines() if line.startswith(name)]
    assert lines, f"/metrics has no {name}"
    return sum(float(value) for _, value in lines)


class Models(unittest.TestCase):
    def test_list_and_retrieve(self):
        ids = [model.id for model in client().models.list()]
        self.assertIn(MODEL, ids)
        self.assertIn(TOOLS, ids)
        model = client().models.retrieve(MODEL)
        self.assertEqual((model.id, model.object), (MODEL, "model"))
        self.assertIsInstance(model.created, int)

    def test_without_v1_as_deepseek_has_it(self):
        self.assertIn(MODEL, [model.id for model in client("").models.list()])


class Chat(unittest.TestCase):
    def test_answer_with_its_thinking(self):
        reply = ask()
        message = reply.choices[0].message
        self.assertEqual(message.content.strip(), "1242")
        self.assertTrue(message.reasoning_content.strip())
        self.assertNotIn("<think>", message.content + message.reasoning_content)
        self.assertEqual((reply.object, reply.model, message.role), ("chat.completion", MODEL, "assistant"))
        self.assertEqual(reply.choices[0].finish_reason, "stop")

    def test_usage(self):
        usage = ask().usage
        self.assertEqual(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens)
        self.assertEqual(usage.prompt_cache_hit_tokens + usage.prompt_cache_miss_tokens, usage.prompt_tokens)
        self.assertEqual(usage.prompt_tokens_details.cached_tokens, usage.prompt_cache_hit_tokens)
        self.assertGreater(usage.completion_tokens_details.reasoning_tokens, 0)
        self.assertLess(usage.completion_tokens_details.reasoning_tokens, usage.completion_tokens)

    def test_the_second_time_the_prompt_comes_from_the_cache(self):
        long = [{"role": "user", "content": "What is 31 + 57? " * 12 + str(time.time_ns())}]
        first, second = ask(long, max_tokens=4), ask(long, max_tokens=4)
        self.assertGreaterEqual(first.usage.prompt_tokens, 65)
        self.assertEqual(first.usage.prompt_tokens, second.usage.prompt_tokens)
        self.assertGreaterEqual(second.usage.prompt_cache_hit_tokens, 64)
        self.assertGreater(second.usage.prompt_cache_hit_tokens, first.usage.prompt_cache_hit_tokens)
        self.assertEqual(first.choices[0].message, second.choices[0].message)

    def test_stream_says_what_the_whole_answer_says(self):
        whole = ask(seed=7, temperature=1)
        thinking = content = ""
        finish, usage, chunks = None, None, 0
        for chunk in ask(seed=7, temperature=1, stream=True, stream_options={"include_usage": True}):
            self.assertEqual((chunk.object, chunk.model), ("chat.completion.chunk", MODEL))
            chunks += 1
            for choice in chunk.choices:
                thinking += getattr(choice.delta, "reasoning_content", None) or ""
                content += choice.delta.content or ""
                finish = choice.finish_reason or finish
            usage = chunk.usage or usage
        self.assertGreater(chunks, 5)
        self.assertEqual((thinking, content), (whole.choices[0].message.reasoning_content, whole.choices[0].message.content))
        self.assertEqual(finish, whole.choices[0].finish_reason)
        self.assertEqual(usage.completion_tokens, whole.usage.completion_tokens)

    def test_stream_helper(self):
        with client().chat.completions.stream(model=MODEL, messages=SUM, temperature=0) as stream:
            kinds = {event.type for event in stream}
            final = stream.get_final_completion()
        self.assertLessEqual({"chunk", "content.delta", "content.done"}, kinds)
        self.assertEqual(final.choices[0].message.content.strip(), "1242")

    def test_thinking_switched_off(self):
        message = ask(thinks=False, max_tokens=32).choices[0].message
        self.assertFalse(getattr(message, "reasoning_content", None))
        self.assertTrue(message.content)

    def test_deepseeks_names(self):
        self.assertTrue(ask(model="deepseek-reasoner").choices[0].message.reasoning_content)
        self.assertFalse(getattr(ask(model="deepseek-chat", max_tokens=16).choices[0].message, "reasoning_content", None))

    def test_what_deepseek_reasoner_could_not_do(self):
        for options in ({"tools": [CLOCK]}, {"response_format": {"type": "json_object"}}, {"logprobs": True}, {"top_logprobs": 2}):
            with self.subTest(options=options), self.assertRaises(openai.BadRequestError) as caught:
                ask(model="deepseek-reasoner", **options)
            self.assertEqual(caught.exception.param, next(iter(options)))

    def test_a_prefix_of_parts(self):
        for content in ("The sum is 12", [{"type": "text", "text": "The sum is 12"}]):
            reply = ask([*SUM, {"role": "assistant", "content": content, "prefix": True}], at=client("/beta"), max_tokens=8)
            self.assertFalse(reply.choices[0].message.content.startswith("The"))
            self.assertFalse(reply.choices[0].message.reasoning_content)

    def test_reasoning_effort(self):
        self.assertTrue(ask(reasoning_effort="high").choices[0].message.reasoning_content)

    def test_choices(self):
        options = {"n": 3, "temperature": 2, "seed": 3, "max_tokens": 48, "thinks": False}
        reply = ask(**options)
        self.assertEqual([choice.index for choice in reply.choices], [0, 1, 2])
        texts = [c.message.content for c in reply.choices]
        self.assertGreater(len(set(texts)), 1)
        streamed = ["", "", ""]
        for chunk in ask(**options, stream=True):
            for choice in chunk.choices:
                streamed[choice.index] += choice.delta.content or ""
        self.assertEqual(streamed, texts)

    def test_seed(self):
        def one(seed):
            return ask(seed=seed, temperature=2, max_tokens=40, thinks=False).choices[0].message.content
        self.assertEqual(one(11), one(11))
        self.assertGreater(len({one(seed) for seed in range(5)}), 1)

    def test_stop(self):
        reply = ask(stop=["42"])
        self.assertEqual(reply.choices[0].message.content.strip(), "12")
        self.assertEqual(reply.choices[0].finish_reason, "stop")

    def test_length(self):
        reply = ask(max_tokens=5)
        self.assertEqual((reply.choices[0].finish_reason, reply.usage.completion_tokens), ("length", 5))
        self.assertEqual(ask(max_completion_tokens=6).usage.completion_tokens, 6)

    def test_logprobs(self):
        reply = ask(thinks=False, logprobs=True, top_logprobs=3, max_tokens=24)
        tokens = reply.choices[0].logprobs.content
        text = b"".join(bytes(token.bytes or []) for token in tokens).decode()
        self.assertTrue(text.strip().startswith(reply.choices[0].message.content.strip()[:4]))
        for token in tokens:
            self.assertLessEqual(token.logprob, 0)
            self.assertEqual(len(token.top_logprobs), 3)
            self.assertGreaterEqual(token.top_logprobs[0].logprob, token.top_logprobs[-1].logprob)
        self.assertEqual(tokens[0].token, tokens[0].top_logprobs[0].token)  # temperature 0 takes the likeliest

    def test_logit_bias(self):
        reply = ask(thinks=False, logprobs=True, top_logprobs=1, max_tokens=1)
        ids = json.loads(urllib.request.urlopen(urllib.request.Request(
            URL + "/tokenize", json.dumps({"model": MODEL, "content": reply.choices[0].logprobs.content[0].token}).encode(),
            {"Content-Type": "application/json"})).read())["tokens"]
        other = ask(thinks=False, logprobs=True, max_tokens=1, logit_bias={str(ids[0]): -100})
        self.assertNotEqual(reply.choices[0].logprobs.content[0].token, other.choices[0].logprobs.content[0].token)

    def test_content_in_parts(self):
        parts = [{"role": "user", "content": [{"type": "text", "text": "What is 347 "}, {"type": "text", "text": "+ 895?"}]}]
        self.assertEqual(ask(parts).choices[0].message, ask().choices[0].message)


class Structured(unittest.TestCase):
    def test_json_object(self):
        reply = ask([{"role": "user", "content": "JSON: what is 2 + 3?"}], thinks=False, response_format={"type": "json_object"}, max_tokens=200,
                    temperature=1, seed=1)
        if reply.choices[0].finish_reason == "stop":
            self.assertIsInstance(json.loads(reply.choices[0].message.content), dict)

    def test_json_schema_by_parse(self):
        class Answer(pydantic.BaseModel):
            kind: str = pydantic.Field(pattern="^(sum|product)$")
            right: bool

        for seed in range(8):
            reply = client().chat.completions.parse(model=MODEL, messages=SUM, response_format=Answer, temperature=1.5, seed=seed,
                                                    extra_body=NO_THINKING)
            self.assertIn(reply.choices[0].message.parsed.kind, ("sum", "product"))

    def test_json_schema_after_thinking(self):
        schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"], "additionalProperties": False}
        reply = ask(response_format={"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}})
        self.assertTrue(reply.choices[0].message.reasoning_content)
        self.assertIsInstance(json.loads(reply.choices[0].message.content)["ok"], bool)

    def test_wrong_schema_is_refused(self):
        with self.assertRaises((openai.BadRequestError, openai.UnprocessableEntityError)) as caught:
            ask(response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "no such type"}}})
        self.assertIn("no such type", str(caught.exception))


class Tools(unittest.TestCase):
    def call(self, **options):
        return ask(model=TOOLS, thinks=False, tools=[WEATHER, CLOCK], temperature=1, **options)

    def test_one_that_is_named(self):
        for seed in range(4):
            reply = self.call(seed=seed, tool_choice={"type": "function", "function": {"name": "get_weather"}}, parallel_tool_calls=False)
            self.assertEqual(reply.choices[0].finish_reason, "tool_calls")
            [call] = reply.choices[0].message.tool_calls
            arguments = json.loads(call.function.arguments)
            self.assertEqual((call.type, call.function.name, set(arguments)), ("function", "get_weather", {"place", "unit"}))
            self.assertIn(arguments["unit"], ("celsius", "fahrenheit"))
            self.assertTrue(call.id)

    def test_some_call_is_required(self):
        whole = 0
        for seed in range(8):
            choice = self.call(seed=seed, tool_choice="required", parallel_tool_calls=seed % 2 == 0).choices[0]
            calls = choice.message.tool_calls
            self.assertGreaterEqual(len(calls), 1)
            self.assertEqual(len({call.id for call in calls}), len(calls))
            for call in calls:
                self.assertIn(call.function.name, ("get_weather", "clock"))
            # The model knows no tools and may call until its tokens are used up: then the last call is cut off.
            cut = choice.finish_reason == "length"
            whole += not cut
            for call in calls[:-1] if cut else calls:
                json.loads(call.function.arguments)
        self.assertGreaterEqual(whole, 4)  # one call at a time always ends

    def test_none(self):
        self.assertFalse(self.call(seed=1, tool_choice="none", max_tokens=32).choices[0].message.tool_calls)

    def test_stream(self):
        whole = self.call(seed=5, tool_choice="required", parallel_tool_calls=False).choices[0].message.tool_calls[0].function
        name = arguments = ""
        finish, pieces = None, 0
        for chunk in self.call(seed=5, tool_choice="required", parallel_tool_calls=False, stream=True):
            for choice in chunk.choices:
                finish = choice.finish_reason or finish
                for call in choice.delta.tool_calls or []:
                    self.assertEqual(call.index, 0)
                    self.assertEqual((bool(call.id), call.function.name is not None, call.function.arguments == ""), (not name,) * 3)
                    name += call.function.name or ""
                    arguments += call.function.arguments or ""
                    pieces += 1
        self.assertEqual((name, arguments, finish), (whole.name, whole.arguments, "tool_calls"))
        self.assertGreater(pieces, 4)  # as they are written, a token at a time

    def test_stream_helper(self):
        kinds = []
        with client().chat.completions.stream(model=TOOLS, messages=SUM, tools=[CLOCK], tool_choice="required", parallel_tool_calls=False, seed=5,
                                              extra_body=NO_THINKING) as stream:
            for event in stream:
                kinds.append(event.type)
            call = stream.get_final_completion().choices[0].message.tool_calls[0]
        self.assertGreater(kinds.count("tool_calls.function.arguments.delta"), 2)
        self.assertIsInstance(call.function.parsed_arguments["hour"], bool)

    def test_with_a_format_an_answer_is_calls_or_of_the_format(self):
        form = {"type": "json_schema", "json_schema": {"name": "verdict", "strict": True, "schema": {
            "type": "object", "properties": {"right": {"type": "boolean"}}, "required": ["right"], "additionalProperties": False}}}
        for seed in range(4):
            message = self.call(seed=seed, response_format=form, parallel_tool_calls=False).choices[0].message
            if message.tool_calls:
                self.assertIsNone(message.content)
            else:
                self.assertIsInstance(json.loads(message.content)["right"], bool)
        self.assertTrue(self.call(seed=1, response_format=form, tool_choice="required", parallel_tool_calls=False).choices[0].message.tool_calls)
        self.assertIn("right", json.loads(self.call(seed=1, response_format=form, tool_choice="none").choices[0].message.content))

    def test_the_result_goes_back(self):
        call = self.call(seed=1, tool_choice={"type": "function", "function": {"name": "clock"}}, parallel_tool_calls=False).choices[0].message
        back = [*SUM, call.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.tool_calls[0].id, "content": "12:30"}]
        reply = ask(back, model=TOOLS, thinks=False, tools=[CLOCK], tool_choice="none", max_tokens=16)
        self.assertGreater(reply.usage.completion_tokens, 0)


class Completions(unittest.TestCase):
    def test_text(self):
        whole = client().completions.create(model=MODEL, prompt="What is 2 + 3?", max_tokens=12, temperature=0)
        self.assertEqual((whole.object, whole.usage.completion_tokens), ("text_completion", 12))
        stream = client().completions.create(model=MODEL, prompt="What is 2 + 3?", max_tokens=12, temperature=0, stream=True)
        self.assertEqual("".join(choice.text for chunk in stream for choice in chunk.choices), whole.choices[0].text)

    def test_several_prompts_and_choices(self):
        reply = client().completions.create(model=MODEL, prompt=["1 + 1 =", "2 + 2 ="], n=2, max_tokens=4, temperature=1, seed=1)
        self.assertEqual(sorted(choice.index for choice in reply.choices), [0, 1, 2, 3])

    def test_logprobs(self):
        reply = client().completions.create(model=MODEL, prompt="3 + 4 =", max_tokens=5, temperature=0, logprobs=2)
        logprobs = reply.choices[0].logprobs
        self.assertEqual(len(logprobs.tokens), len(logprobs.token_logprobs))
        self.assertEqual(len(logprobs.top_logprobs[0]), 2)

    def test_fill_in_the_middle(self):
        reply = client("/beta").completions.create(model=MODEL, prompt="2 + 3 = ", suffix=" = 5", max_tokens=8, temperature=0)
        self.assertEqual(reply.object, "text_completion")
        self.assertGreater(reply.usage.completion_tokens, 0)

    def test_a_name_that_does_not_complete(self):
        with self.assertRaises(openai.BadRequestError) as caught:
            client("/beta").completions.create(model="deepseek-reasoner", prompt="def f(", suffix="return x", max_tokens=8)
        self.assertIn("deepseek-reasoner", str(caught.exception))


class Beta(unittest.TestCase):
    def test_prefix(self):
        messages = [*SUM, {"role": "assistant", "content": "The sum is 12", "prefix": True}]
        reply = ask(messages, at=client("/beta"), thinks=False, max_tokens=8)
        self.assertFalse(reply.choices[0].message.content.startswith("The sum is 12"))
        self.assertGreater(reply.usage.completion_tokens, 0)

    def test_prefix_of_the_thinking(self):
        messages = [*SUM, {"role": "assistant", "content": "", "reasoning_content": "7 + 5 = 12, so", "prefix": True}]
        message = ask(messages, at=client("/beta")).choices[0].message
        self.assertTrue(message.content)


class Errors(unittest.TestCase):
    def refused(self, kinds, **options):
        with self.assertRaises(kinds) as caught:
            client().chat.completions.create(**{"model": MODEL, "messages": SUM, **options})
        body = caught.exception.body
        self.assertEqual(set(body), {"message", "type", "param", "code"})
        self.assertTrue(body["message"])
        return caught.exception

    def test_no_such_model(self):
        error = self.refused((openai.NotFoundError, openai.BadRequestError), model="gpt-99")
        self.assertIn("gpt-99", error.message)
        with self.assertRaises(openai.NotFoundError):
            client().models.retrieve("gpt-99")

    def test_no_such_path(self):
        with self.assertRaises(openai.NotFoundError):
            client("/v7").models.list()

    def test_wrong_form(self):
        self.assertEqual(self.refused(openai.BadRequestError, messages="hello").body["param"], "messages")
        self.assertEqual(self.refused(openai.BadRequestError, messages=[{"role": "user"}]).body["param"], "messages[0].content")
        self.refused((openai.BadRequestError, openai.UnprocessableEntityError), messages=[])

    def test_wrong_values(self):
        for options in ({"temperature": -1}, {"top_p": 2}, {"n": 0}, {"max_tokens": -3}, {"messages": [{"role": "wizard", "content": "x"}]},
                        {"logprobs": True, "top_logprobs": 99, "extra_body": NO_THINKING}, {"reasoning_effort": "enormous"}):
            with self.subTest(options=options):
                self.refused((openai.UnprocessableEntityError, openai.BadRequestError), **options)

    def test_too_long_for_the_context(self):
        error = self.refused(openai.BadRequestError, messages=[{"role": "user", "content": "one two three " * 2000}])
        self.assertIn("512", error.message)

    def test_no_json(self):
        request = urllib.request.Request(URL + "/v1/chat/completions", b"{", {"Content-Type": "application/json"})
        with self.assertRaises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(request)
        self.assertEqual(caught.exception.code, 400)
        self.assertIn("error", json.loads(caught.exception.read()))
        caught.exception.close()


class Keys(unittest.TestCase):
    """A service of one person who set a key."""

    def test_only_who_shows_the_key(self):
        with run.service(os.environ["LIMPID_BINARY"], [MODEL], "--api-key", "sesame") as url:
            def chat(key):
                with openai.OpenAI(base_url=url + "/v1", api_key=key, max_retries=0, timeout=120) as asker:
                    return asker.chat.completions.create(model=MODEL, messages=SUM, temperature=0).choices[0].message.content
            self.assertEqual(chat("sesame").strip(), "1242")
            with self.assertRaises(openai.AuthenticationError) as caught:
                chat("mustard")
            self.assertEqual(caught.exception.body["code"], "invalid_api_key")
            self.assertNotIn("sesame", str(caught.exception))


class Cancelling(unittest.TestCase):
    def test_a_closed_stream_stops_the_work(self):
        started = metric("limpid_answers")
        streams = [ask(temperature=2, seed=s, stream=True, max_tokens=400, extra_body={"ignore_eos": True}) for s in range(4)]
        for stream in streams:
            next(iter(stream))
            stream.close()
        end = time.monotonic() + 10
        while metric("limpid_answers") > started and time.monotonic() < end:
            time.sleep(0.02)
        self.assertLessEqual(metric("limpid_answers"), started)
        self.assertEqual(ask().choices[0].message.content.strip(), "1242")


if __name__ == "__main__":
    unittest.main()
