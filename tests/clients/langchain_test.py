"""LangChain's DeepSeek class against a running limpid (started by run.py)."""
import asyncio
import json
import os
import unittest
from typing import Literal

import openai
import pydantic
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_deepseek import ChatDeepSeek

URL = os.environ["LIMPID_URL"]
QUESTION = [SystemMessage("Be brief."), HumanMessage("What is 347 + 895?")]
NO_THINKING = {"extra_body": {"thinking": {"type": "disabled"}}}


def model(name="deepseek-reasoner", **options):
    return ChatDeepSeek(model=name, api_base=URL + "/v1", api_key="none", max_retries=0, timeout=120, temperature=options.pop("temperature", 0), **options)


@tool
def get_weather(place: Literal["Rome", "Paris"], celsius: bool) -> str:
    """The weather of a place."""
    return f"{place}: {celsius}"


class Answer(pydantic.BaseModel):
    """Whether the sum is right."""
    right: bool


class LangChain(unittest.TestCase):
    def test_invoke(self):
        reply = model().invoke(QUESTION)
        self.assertEqual(reply.content.strip(), "1242")
        self.assertTrue(reply.additional_kwargs["reasoning_content"])
        self.assertEqual(reply.response_metadata["finish_reason"], "stop")
        self.assertEqual(reply.usage_metadata["total_tokens"], reply.usage_metadata["input_tokens"] + reply.usage_metadata["output_tokens"])
        self.assertGreater(reply.usage_metadata["output_token_details"]["reasoning"], 0)
        self.assertIn("cache_read", reply.usage_metadata["input_token_details"])

    def test_stream(self):
        whole = model().invoke(QUESTION)
        chunks = list(model(stream_usage=True).stream(QUESTION))
        total = chunks[0]
        for chunk in chunks[1:]:
            total += chunk
        self.assertEqual(total.content, whole.content)
        self.assertEqual("".join(chunk.additional_kwargs.get("reasoning_content", "") for chunk in chunks), whole.additional_kwargs["reasoning_content"])
        self.assertEqual(total.usage_metadata["output_tokens"], whole.usage_metadata["output_tokens"])

    def test_batch(self):
        async def all_of_them():
            return await model().abatch([[HumanMessage(f"What is {n} + {n + 1}?")] for n in range(10, 26)])
        self.assertEqual(len([reply.content for reply in asyncio.run(all_of_them()) if reply.content]), 16)

    def test_history(self):
        reply = model().invoke([*QUESTION, model().invoke(QUESTION), HumanMessage("What is 12 + 30?")])
        self.assertTrue(reply.content)

    def test_structured_output(self):
        for method in ("function_calling", "json_mode", "json_schema"):
            with self.subTest(method=method):
                asked = model("nano-tools", **NO_THINKING, max_tokens=200)
                question = [HumanMessage("As JSON: is 2 + 2 = 5 right?")]
                structured = asked.with_structured_output(Answer, method=method, include_raw=True)
                try:
                    result = structured.invoke(question)
                except openai.LengthFinishReasonError:
                    self.assertEqual(method, "json_mode")  # the model is free to write an object that does not end
                    continue
                if method == "json_mode":  # or another object
                    self.assertIsInstance(json.loads(result["raw"].content), dict)
                else:
                    self.assertIsInstance(result["parsed"].right, bool, result)

    def test_tools(self):
        bound = model("nano-tools", **NO_THINKING, max_tokens=200).bind_tools([get_weather], tool_choice="any", parallel_tool_calls=False)
        reply = bound.invoke(QUESTION)
        [call] = reply.tool_calls
        self.assertEqual((call["name"], set(call["args"])), ("get_weather", {"place", "celsius"}))
        streamed = None
        for chunk in bound.stream(QUESTION):
            streamed = chunk if streamed is None else streamed + chunk
        self.assertEqual((streamed.tool_calls[0]["name"], streamed.tool_calls[0]["args"]), (call["name"], call["args"]))
        after = model("nano-tools", **NO_THINKING, max_tokens=16).bind_tools([get_weather]).invoke(
            [*QUESTION, reply, ToolMessage("cold", tool_call_id=call["id"])])
        self.assertIsInstance(after, AIMessage)

    def test_error(self):
        with self.assertRaises((openai.NotFoundError, openai.BadRequestError)):
            model("gpt-99").invoke(QUESTION)


if __name__ == "__main__":
    unittest.main()
