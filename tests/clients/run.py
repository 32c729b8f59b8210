#!/usr/bin/env python3
"""Starts `limpid serve` on a free port and lets one client's tests loose on it.

    run.py LIMPID SCRIPT [arguments]

SCRIPT is a *_test.py of this folder (unittest, run by the Python that has the clients) or a *.test.mjs (node --test). It finds the service by
LIMPID_URL, and two models by name: r1-nano, and nano-tools, the same weights with a chat template that shows tools. Exit status 77 (skipped)
where the client libraries are missing; fetch.py gets them.
"""
import contextlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import fetch  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent
SKIPPED = 77
START_SECONDS = 60

# Tools in Hermes' form, by name only: the context has 512 tokens.
TOOL_TEMPLATE = """{{ bos_token }}{% if tools %}{{ '<｜User｜>Functions, called by <tool_call>{"name": NAME, "arguments": {...}}</tool_call>: ' }}{% for tool in tools %}{{ tool['function']['name'] }} {% endfor %}{% endif %}{% for message in messages %}{% if message['role'] == 'user' %}{{ '<｜User｜>' + message['content'] }}{% elif message['role'] == 'system' %}{{ '<｜User｜>' + message['content'] }}{% elif message['role'] == 'tool' %}{{ '<｜User｜><tool_response>\n' + message['content'] + '\n</tool_response>' }}{% elif message['role'] == 'assistant' %}{{ '<｜Assistant｜>' + (message['content'] or '') }}{% for call in message['tool_calls'] or [] %}{{ '<tool_call>\n' + call['function'] | tojson + '\n</tool_call>' }}{% endfor %}{{ '<｜end▁of▁sentence｜>' }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '<｜Assistant｜>' }}{% if enable_thinking is defined and enable_thinking %}{{ '<think>\n' }}{% elif enable_thinking is defined %}{{ '<think>\n\n</think>\n\n' }}{% endif %}{% endif %}"""


def model_with_tools(folder):
    source = fetch.REPO / "weights" / "r1-nano"
    target = pathlib.Path(folder) / "nano-tools"
    shutil.copytree(source, target)
    config = json.loads((target / "tokenizer_config.json").read_text())
    config["chat_template"] = TOOL_TEMPLATE
    (target / "tokenizer_config.json").write_text(json.dumps(config))
    return target


@contextlib.contextmanager
def service(limpid, models, *arguments):
    """A running `limpid serve`; gives its address. It must end by itself, with status 0, when asked to."""
    process = subprocess.Popen([limpid, "serve", *models, "--port", "0", "--access-log", "false", *arguments], stdout=subprocess.PIPE, text=True)
    timer = threading.Timer(START_SECONDS, process.kill)
    timer.start()
    try:
        said = process.stdout.readline()  # "limpid serves MODEL at URL"
        timer.cancel()
        if " at http" not in said:
            raise SystemExit(f"limpid serve said {said!r} and ended with status {process.wait(30)}")
        yield said.split()[-1]
        if process.poll() is not None:
            raise SystemExit(f"limpid serve ended with status {process.returncode} under the tests")
        process.send_signal(signal.SIGTERM)
        status = process.wait(60)
        if status != 0:
            raise SystemExit(f"limpid serve ended with status {status} after SIGTERM")
    finally:
        timer.cancel()
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()


def main():
    limpid, script, *arguments = sys.argv[1:]
    limpid = str(pathlib.Path(limpid).resolve())
    script = HERE / script
    if script.suffix == ".mjs":
        if not fetch.have_node():
            print("skipped: no node, or none of its client packages; tests/clients/fetch.py gets them")
            return SKIPPED
        command = ["node", "--test", str(script)]
    else:
        if not fetch.have_python():
            print("skipped: no Python client packages; tests/clients/fetch.py gets them")
            return SKIPPED
        command = [str(fetch.PYTHON), str(script), *arguments]
    with tempfile.TemporaryDirectory() as folder, service(limpid, ["r1-nano", str(model_with_tools(folder))]) as url:
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        environment.update(LIMPID_URL=url, LIMPID_NODE_PACKAGES=str(fetch.NODE_PACKAGES), LIMPID_BINARY=limpid)
        return subprocess.run(command, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main())
