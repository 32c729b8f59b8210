#!/usr/bin/env python3
"""`limpid serve` as its users have it: the program, a socket, r1-nano. Usage: serve_test.py LIMPID"""
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

LIMPID = sys.argv.pop(1)
PATIENCE = float(os.environ.get("PATIENCE", "60"))
QUESTION = [{"role": "user", "content": "What is 347 + 895?"}]
PATH = "/v1/chat/completions"


class Server:
    def __init__(self, *arguments, env=None):
        self.errors = tempfile.TemporaryFile("w+")
        clean = {name: value for name, value in os.environ.items() if not name.startswith("LIMPID_")}
        self.home = tempfile.TemporaryDirectory()
        self.process = subprocess.Popen([LIMPID, "serve", "r1-nano", "-t", "2", *(arguments or ["--port", "0"])], stdout=subprocess.PIPE, stderr=self.errors,
                                        text=True, env={**clean, "LIMPID_HOME": self.home.name, **(env or {})})
        self.line = self.process.stdout.readline()
        found = re.search(r"at (https?)://(.*):(\d+)$", self.line.strip())
        if not found:
            raise AssertionError(f"no address in {self.line!r}: {self.log()}")
        self.port = int(found.group(3))

    def log(self):
        self.errors.seek(0)
        return self.errors.read()

    def connection(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)

    def call(self, method, path, body=None, headers=None):
        connection = self.connection()
        connection.request(method, path, None if body is None else json.dumps(body), headers or {})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, text

    def ask(self, **fields):
        status, body = self.call("POST", PATH, {"messages": QUESTION, "temperature": 0, **fields})
        assert status == 200, body
        return json.loads(body)

    def stream(self, **fields):
        connection = self.connection()
        connection.request("POST", PATH, json.dumps({"messages": QUESTION, "temperature": 0, "stream": True, **fields}))
        return connection, connection.getresponse()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        self.process.stdout.close()
        return code


def chunks(text):
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: {")]


def said(text, field="content"):
    return "".join(choice["delta"].get(field) or "" for chunk in chunks(text) for choice in chunk["choices"])


class Serve(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server()

    @classmethod
    def tearDownClass(cls):
        code = cls.server.stop()
        assert code == 0, code

    def test_answers_right(self):
        answer = self.server.ask()
        self.assertEqual(answer["model"], "r1-nano")
        self.assertIn("1242", answer["choices"][0]["message"]["content"])
        self.assertTrue(answer["choices"][0]["message"]["reasoning_content"])

    def test_a_stream_says_the_same(self):
        whole = self.server.ask()["choices"][0]["message"]
        connection, response = self.server.stream()
        text = response.read().decode()
        connection.close()
        self.assertTrue(text.endswith("data: [DONE]\n\n"))
        self.assertEqual(said(text), whole["content"])
        self.assertEqual(said(text, "reasoning_content"), whole["reasoning_content"])

    def test_sixty_four_at_once_get_what_one_alone_gets(self):
        alone = self.server.ask(seed=7, temperature=0.8, logprobs=True)["choices"]
        answers = [None] * 64

        def ask(i):
            answers[i] = self.server.ask(seed=7, temperature=0.8, logprobs=True)["choices"]

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for i, answer in enumerate(answers):
            self.assertEqual(answer, alone, i)

    def test_who_hangs_up_is_cancelled(self):
        connection, response = self.server.stream(max_tokens=100000, logit_bias=self.never_ending())
        response.read(2000)
        self.assertEqual(self.running(), 1)
        connection.sock.shutdown(socket.SHUT_RDWR)
        response.close()
        connection.close()
        until = time.time() + PATIENCE
        while self.running() and time.time() < until:
            time.sleep(0.01)
        self.assertEqual(self.running(), 0)

    def never_ending(self):
        """A bias that lets the model never end: its own end tokens are banned."""
        ids = []
        for text in ("<｜end▁of▁sentence｜>", "<|im_end|>", "<|endoftext|>"):
            tokens = json.loads(self.server.call("POST", "/tokenize", {"content": text, "parse_special": True})[1])["tokens"]
            if len(tokens) == 1:
                ids += tokens
        self.assertTrue(ids)
        return {str(i): -100 for i in ids}

    def running(self):
        metrics = self.server.call("GET", "/metrics")[1]
        return int(float(re.search(r'^limpid_engine_running\{.*\} (.*)$', metrics, re.M).group(1)))

    def test_a_stream_is_resumed(self):
        connection, response = self.server.stream(resumable=True)
        begin = response.read(900).decode(errors="ignore")
        connection.close()
        response.close()
        begin = begin[:begin.rindex("\n\n")]
        answer = chunks(begin)[0]["id"]
        last = int(re.findall(r"^id: (\d+)$", begin, re.M)[0])
        status, rest = self.server.call("GET", f"{PATH}/{answer}/stream", headers={"Last-Event-ID": str(last)})
        self.assertEqual(status, 200)
        self.assertEqual([int(i) for i in re.findall(r"^id: (\d+)$", rest, re.M)][0], last + 1)
        self.assertEqual(said(rest), self.server.ask()["choices"][0]["message"]["content"])

    def test_experts_are_told(self):
        choice = self.server.ask(limpid={"experts": True})["choices"][0]
        tokens = choice["limpid"]["experts"]
        self.assertGreater(len(tokens), 10)
        self.assertTrue(all(layer["ids"] for token in tokens for layer in token["layers"]))

    def test_json_is_json(self):
        choice = self.server.ask(response_format={"type": "json_schema", "json_schema": {"name": "sum", "schema": {
            "type": "object", "properties": {"sum": {"type": "integer", "minimum": 0, "maximum": 9999}}, "required": ["sum"], "additionalProperties": False}}})["choices"][0]
        self.assertEqual(list(json.loads(choice["message"]["content"])), ["sum"])

    def test_errors_have_their_status(self):
        self.assertEqual(self.server.call("POST", PATH, {"messages": []})[0], 400)
        self.assertEqual(self.server.call("POST", PATH, {"messages": QUESTION, "n": 0})[0], 422)
        self.assertEqual(self.server.call("GET", "/nowhere")[0], 404)
        self.assertEqual(self.server.call("GET", "/health", headers={"Host": "evil.example"})[0], 403)
        self.assertEqual(self.server.call("POST", PATH, {"messages": QUESTION, "model": "../../etc/passwd"})[0], 404)

    def test_the_log_has_lines_and_no_words(self):
        self.server.ask(messages=[{"role": "user", "content": "a secret word"}])
        log = self.server.log()
        self.assertRegex(log, r"POST /v1/chat/completions 200 \d+ bytes")
        self.assertNotIn("secret", log)


class Alone(unittest.TestCase):
    def test_a_term_lets_answers_end(self):
        server = Server()
        connection, response = server.stream()
        begin = response.read(300)
        server.process.send_signal(signal.SIGTERM)
        text = (begin + response.read()).decode()
        self.assertTrue(text.endswith("data: [DONE]\n\n"))
        connection.close()
        self.assertEqual(server.process.wait(PATIENCE), 0)
        server.process.stdout.close()

    def test_flags_before_environment_before_file(self):
        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            json.dump({"api_key": "from-file", "port": 1, "access_log": False}, file)
            file.flush()
            server = Server("--config", file.name, "--port", "0", env={"LIMPID_API_KEY": "from-environment", "LIMPID_PORT": "2"})
            try:
                self.assertEqual(server.call("GET", "/v1/models", headers={"Authorization": "Bearer from-file"})[0], 401)
                self.assertEqual(server.call("GET", "/v1/models", headers={"Authorization": "Bearer from-environment"})[0], 200)
                self.assertEqual(server.log(), "")
            finally:
                self.assertEqual(server.stop(), 0)

    def test_what_cannot_be_is_said(self):
        for arguments, words in ((["--host", "0.0.0.0"], "nothing would keep strangers out"), (["--port", "x"], "--port: expected a number"),
                                 (["--cert", "x.pem"], "belong together"), (["no-such-model"], "no-such-model")):
            result = subprocess.run([LIMPID, "serve", *arguments], capture_output=True, text=True, timeout=PATIENCE)
            self.assertEqual(result.returncode, 2, arguments)
            self.assertIn(words, result.stderr)

    def test_prompts_are_in_the_log_only_where_that_is_asked_for(self):
        for flags in ((), ("--log-prompts",)):
            server = Server("--port", "0", *flags)
            server.ask(messages=[{"role": "user", "content": "a rather\nsecret sum: 2 + 2?"}], max_tokens=4)
            self.assertEqual(server.stop(), 0)
            lines = [line for line in server.log().splitlines() if "secret" in line]
            self.assertEqual(len(lines), len(flags), server.log())
            for line in lines:
                self.assertRegex(line, r"^prompt req_\w+: .*a rather.*secret sum: 2 \+ 2\?")

    def test_a_port_that_is_taken(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            result = subprocess.run([LIMPID, "serve", "r1-nano", "--port", str(port)], capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(result.returncode, 1)
        self.assertIn(str(port), result.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
