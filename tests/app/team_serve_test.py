#!/usr/bin/env python3
"""A team end to end: `limpid admin` makes the first admin, `limpid serve --team` runs the built-in model, people sign up, chat and
pay; the service is killed in the middle of an answer and the books balance afterwards. Usage: team_serve_test.py LIMPID"""
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

limpid = sys.argv[1]
patience = float(os.environ.get("PATIENCE", "60"))


def admin(data, *words, text="", code=0):
    done = subprocess.run([limpid, "admin", "--data", data, *words], input=text, capture_output=True, text=True, timeout=patience)
    assert done.returncode == code, f"{words}: {done.returncode}, expected {code}: {done.stdout}{done.stderr}"
    return done.stdout.strip() if code == 0 else done.stderr.strip()


class Service:
    def __init__(self, data):
        self.process = subprocess.Popen([limpid, "serve", "r1-nano", "--team", "--port", "0", "--data", data, "--access-log", "false"],
                                        stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        self.port = int(re.search(r":(\d+)\s*$", line).group(1))

    def send(self, method, path, body=None, key="", cookie="", csrf=""):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=patience)
        headers = {}
        if body is not None:
            headers["Content-Type"] = "application/json"
        if key:
            headers["Authorization"] = "Bearer " + key
        if cookie:
            headers["Cookie"] = cookie
        if csrf:
            headers["X-CSRF-Token"] = csrf
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, json.loads(text) if text.startswith(("{", "[")) else text, answer.headers

    def chat(self, key, **more):
        return self.send("POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": "What is 3 + 4?"}], "max_tokens": 400, **more}, key)

    def end(self, how):
        self.process.send_signal(how)
        return self.process.wait(patience)


def log_in(service, name, password):
    status, body, headers = service.send("POST", "/api/login", {"name": name, "password": password})
    assert status == 200, body
    return {"cookie": headers["Set-Cookie"].split(";")[0], "csrf": body["csrf_token"]}


def charges(service, key, count):
    """The ledger once it has so many charges: settling waits for nobody."""
    end = time.monotonic() + patience
    while True:
        ledger = service.send("GET", "/api/ledger", key=key)[1]["entries"]
        if sum(entry["kind"] == "charge" for entry in ledger) >= count:
            return ledger
        assert time.monotonic() < end, ledger


def main(data):
    # On the command line, before anything is served.
    admin(data, "add", "root", "--admin", text="root's password\n")
    assert "taken" in admin(data, "add", "Root", text="another password\n", code=2)
    assert "password" in admin(data, "add", "eve", text="short\n", code=2)
    assert "gold" in admin(data, "add", "eve", "--tier", "gold", text="long enough\n", code=2)
    code = admin(data, "code", "--tier", "paid", "--credit", "0.50", "--note", "a friend")
    assert re.fullmatch(r"[A-Z0-9]{5}(-[A-Z0-9]{5}){3}", code), code
    assert "a friend" in admin(data, "codes") and code not in admin(data, "codes")
    assert '"shed_at"' in admin(data, "config")
    assert "nobody" in admin(data, "ban", "nobody", code=2)
    admin(data, code=2)

    service = Service(data)
    # A second service on the same data is refused, the command line is not.
    second = subprocess.run([limpid, "serve", "r1-nano", "--team", "--port", "0", "--data", data], capture_output=True, text=True, timeout=patience)
    assert second.returncode == 1 and "already" in second.stderr, second
    status, body, _ = service.send("POST", "/api/signup", {"name": "ada", "password": "ada's password", "code": code})
    assert status == 201 and body["account"]["tier"] == "paid", body
    status, _, _ = service.send("POST", "/api/signup", {"name": "bob", "password": "bob's password", "code": code})
    assert status == 403
    ada = log_in(service, "ada", "ada's password")
    status, body, _ = service.send("POST", "/api/keys", {"name": "test"}, **ada)
    assert status == 201, body
    key = body["key"]
    assert service.chat("")[0] == 401 and service.chat("sk-wrong")[0] == 401

    # An answer costs what the price list says, and the balance has it.
    status, body, _ = service.chat(key)
    assert status == 200, body
    usage = body["usage"]
    hit, miss, written = (usage[name] for name in ("prompt_cache_hit_tokens", "prompt_cache_miss_tokens", "completion_tokens"))
    expected = -(-(hit * 140000 + miss * 550000 + written * 2190000) // 1000000)
    ledger = charges(service, key, 1)
    micros = lambda amount: round(float(amount) * 1e6)
    assert micros(ledger[0]["amount"]) == -expected, (ledger[0], usage)
    assert micros(service.send("GET", "/user/balance", key=key)[1]["balance_infos"][0]["total_balance"]) == 500000 - expected
    rows = service.send("GET", "/api/usage", key=key)[1]["usage"]
    assert len(rows) == 1 and rows[0]["completion_tokens"] == written and rows[0]["requests"] == 1, rows

    # The cookie alone does not chat, with the token it does.
    assert service.send("POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]}, cookie=ada["cookie"])[0] == 403
    assert service.send("POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 5}, **ada)[0] == 200

    # What the command line does counts at once.
    left = micros(charges(service, key, 2)[0]["balance"])
    admin(data, "top-up", "ada", f"-0.{left - 100:06}")
    status, body, _ = service.chat(key, max_tokens=100000)
    assert status == 402 and body["error"]["code"] == "insufficient_balance", body
    assert admin(data, "top-up", "ada", "10").startswith("ada has 10.0")
    admin(data, "ban", "ada", "--reason", "testing")
    status, body, _ = service.chat(key)
    assert status == 403 and "testing" in body["error"]["message"], body
    admin(data, "unban", "ada")
    key_id = key[3:15]
    assert key_id in admin(data, "keys", "ada")
    second_key = admin(data, "key", "ada", "--scopes", "chat,usage", "--days", "5")
    assert service.chat(second_key)[0] == 200
    assert service.send("GET", "/v1/models", key=second_key)[0] == 403
    admin(data, "revoke", "ada", key_id)
    assert service.chat(key)[0] == 401

    # Killed in the middle of a stream: the answer is charged for what had come.
    connection = http.client.HTTPConnection("127.0.0.1", service.port, timeout=patience)
    connection.request("POST", "/v1/chat/completions",
                       json.dumps({"messages": [{"role": "user", "content": "Count."}], "stream": True, "max_tokens": 4000, "logit_bias": {}}),
                       {"Content-Type": "application/json", "Authorization": "Bearer " + second_key})
    answer = connection.getresponse()
    for _ in range(20):
        answer.readline()
    assert service.end(signal.SIGKILL) == -signal.SIGKILL
    connection.close()
    service = Service(data)
    assert admin(data, "audit").endswith("the books balance")
    last = service.send("GET", "/api/ledger?limit=1", key=second_key)[1]["entries"][0]
    assert last["kind"] == "charge" and float(last["amount"]) < 0, last
    assert "r1-nano" in admin(data, "usage", "ada")

    # Many at once, then a quiet end.
    statuses = []
    threads = [threading.Thread(target=lambda: statuses.append(service.chat(second_key, max_tokens=20)[0])) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert statuses == [200] * 8, statuses
    root = log_in(service, "root", "root's password")
    load = service.send("GET", "/api/admin/load", **root)[1]
    assert load["admitted"] == 8 and load["recovered_at_start"] <= 1, load
    assert service.send("GET", "/api/admin/queue", **root)[1]["models"][0]["model"] == "r1-nano"
    assert service.send("GET", "/api/admin/users", **root)[1]["users"][0]["name"] == "ada"
    assert service.end(signal.SIGTERM) == 0
    audit = admin(data, "audit")
    assert " 0 of them open" in audit and audit.endswith("the books balance"), audit
    admin(data, "rm", "ada")
    assert " ada " not in admin(data, "users") and admin(data, "audit").endswith("the books balance")


with tempfile.TemporaryDirectory() as folder:
    main(folder)
print("a team from the first admin to the last audit")
