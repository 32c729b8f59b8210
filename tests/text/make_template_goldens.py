#!/usr/bin/env python3
"""Renders chat templates with Hugging Face transformers, for tests/text/template_test.cpp.

usage: make_template_goldens.py            writes data/template_goldens.json and data/jinja_goldens.json
       make_template_goldens.py DIR OUT    the same conversations through every *.jinja in DIR, to OUT

Needs transformers >= 5 and jinja2. A golden is {template, conversation, add_generation_prompt, variables, text}; without text where
Hugging Face refuses to render. Messages get the special tokens of the family that the template belongs to.
"""
import json
import pathlib
import sys

from transformers.utils.chat_template_utils import _compile_jinja_template, render_jinja_template

HERE = pathlib.Path(__file__).parent
DATA = HERE / "data"

TOOLS = [
    {"type": "function", "function": {"name": "get_weather", "description": "The weather of a city <now> & \"later\"",
     "parameters": {"type": "object", "properties": {"city": {"type": "string", "description": "e.g. Zürich"}, "days": {"type": "integer", "default": 1},
                    "units": {"type": "string", "enum": ["C", "F"]}}, "required": ["city"]}}},
    {"type": "function", "function": {"name": "get_time", "description": "", "parameters": {"type": "object", "properties": {}}}},
]


def special_tokens(name):
    if name.startswith("deepseek") or "DeepSeek" in name:
        return {"bos_token": "<｜begin▁of▁sentence｜>", "eos_token": "<｜end▁of▁sentence｜>"}
    if "llama-3" in name.lower():
        return {"bos_token": "<|begin_of_text|>", "eos_token": "<|eot_id|>"}
    if name.startswith(("kimi", "moonlight")):
        return {"bos_token": "[BOS]", "eos_token": "<|im_end|>"}
    if name.startswith("smollm2"):
        return {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>"}
    return {"eos_token": "<|im_end|>"}


def render(source, conversation, prompt, variables):
    try:
        rendered, _ = render_jinja_template([conversation["messages"]], tools=conversation.get("tools"), chat_template=source,
                                            add_generation_prompt=prompt, **variables)
        return {"text": rendered[0]}
    except Exception:  # whatever it is, Hugging Face gives no text
        return {}


def template_goldens(folder):
    conversations = json.loads((DATA / "template_conversations.json").read_text())
    for conversation in conversations.values():
        if "tools" in conversation:
            conversation["tools"] = TOOLS
    goldens = []
    for path in sorted(folder.glob("*.jinja")):
        source = path.read_text()
        tokens = special_tokens(path.stem)
        if "date_string" in source:
            tokens["date_string"] = "26 Jul 2024"  # not the day of the run
        switches = [{}]
        if "thinking" in source.replace("enable_thinking", ""):
            switches += [{"thinking": True}]
        if "enable_thinking" in source:
            switches += [{"enable_thinking": True}, {"enable_thinking": False}]
        for name, conversation in conversations.items():
            prompt = name != "ends_with_answer"
            for switch in switches if name in ("single", "thinking", "one_call") else switches[:1]:
                golden = {"template": path.stem, "conversation": name, "add_generation_prompt": prompt, "variables": {**tokens, **switch}}
                goldens.append({**golden, **render(source, conversation, prompt, golden["variables"])})
    return goldens


def jinja_goldens():
    """Pieces of the language: each line of data/jinja_cases.txt is a template (a JSON string) over the variables below."""
    variables = json.loads((DATA / "jinja_variables.json").read_text())
    out = []
    for line in (DATA / "jinja_cases.txt").read_text().splitlines():
        if not line.strip():
            continue
        source = json.loads(line)
        try:
            out.append({"template": source, "text": _compile_jinja_template(source).render(**variables)})
        except Exception:
            out.append({"template": source})
    return out


def lines(values):
    return "[\n" + ",\n".join(json.dumps(value, ensure_ascii=False) for value in values) + "\n]"


def write(path, goldens, tools=None):
    text = lines(goldens)
    if tools is not None:
        text = '{"tools": ' + json.dumps(tools, ensure_ascii=False) + ',\n"goldens": ' + text + "}"
    path.write_text(text + "\n")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        write(pathlib.Path(sys.argv[2]), template_goldens(pathlib.Path(sys.argv[1])), TOOLS)
    else:
        write(DATA / "template_goldens.json", template_goldens(DATA / "templates"), TOOLS)
        write(DATA / "jinja_goldens.json", jinja_goldens())
