"""What the official Python packages make of a team's refusals: 402, 429 and 503 are their own kinds of error, and who retries waits as long as
Retry-After says. Starts services of its own (the one by run.py is not asked)."""
import contextlib
import json
import os
import pathlib
import subprocess
import tempfile
import unittest
from unittest import mock

import anthropic
import openai

import run

MODEL = "r1-nano"
LIMPID = os.environ["LIMPID_BINARY"]
SUM = [{"role": "user", "content": "What is 347 + 895?"}]
TIERS = {
    "currency": "USD", "default_tier": "free", "prices": {"*": {"cached": "1", "prompt": "1", "completion": "1"}},
    "tiers": {"free": {}, "charged": {"charged": True}, "slow": {"requests": {"minute": 1}}, "shed": {"shed_at": 0}},
}


def admin(data, *words, text=""):
    return subprocess.run([LIMPID, "admin", "--data", data, *words], input=text, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


class Limits(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.ends = contextlib.ExitStack()
        data = cls.ends.enter_context(tempfile.TemporaryDirectory())
        (pathlib.Path(data) / "team.json").write_text(json.dumps(TIERS))
        cls.keys = {}
        for tier in TIERS["tiers"]:
            admin(data, "add", "user-" + tier, "--tier", tier, text="a long password\n")
            cls.keys[tier] = admin(data, "key", "user-" + tier).split()[-1]
        cls.url = cls.ends.enter_context(run.service(LIMPID, [MODEL], "--team", "--data", data))

    @classmethod
    def tearDownClass(cls):
        cls.ends.close()

    def openai(self, tier, retries=0, **options):
        with openai.OpenAI(base_url=self.url + "/v1", api_key=self.keys[tier], max_retries=retries, timeout=120) as client:
            return client.chat.completions.create(model=MODEL, messages=SUM, temperature=0, **options)

    def anthropic(self, tier, retries=0, **options):
        with anthropic.Anthropic(base_url=self.url + "/anthropic", api_key=self.keys[tier], max_retries=retries, timeout=120) as client:
            return client.messages.create(model=MODEL, messages=SUM, max_tokens=400, **options)

    def refused(self, kind, status, ask, tier, **options):
        with self.assertRaises(kind) as caught:
            ask(tier, **options)
        self.assertEqual(caught.exception.status_code, status)
        self.assertTrue(caught.exception.request_id or caught.exception.response.headers["x-request-id"])
        return caught.exception

    def test_who_may_is_answered(self):
        self.assertEqual(self.openai("free").choices[0].message.content.strip(), "1242")
        self.assertTrue(self.anthropic("free").content)

    def test_402(self):
        for options in ({}, {"stream": True}):
            error = self.refused(openai.APIStatusError, 402, self.openai, "charged", **options)
            self.assertEqual((error.type, error.code), ("insufficient_balance", "insufficient_balance"))
            kind = getattr(anthropic, "PaymentRequiredError", anthropic.APIStatusError)
            error = self.refused(kind, 402, self.anthropic, "charged", **options)
            self.assertEqual(error.body["error"]["type"], "billing_error")
            self.assertNotIn("retry-after", error.response.headers)

    def test_429_and_retry_after(self):
        self.openai("slow")
        self.waits(openai.RateLimitError, 429, self.openai, "openai._base_client.time.sleep", "slow")
        error = self.waits(anthropic.RateLimitError, 429, self.anthropic, "anthropic._base_client.time.sleep", "slow")
        self.assertEqual(error.body["error"]["type"], "rate_limit_error")

    def test_503_and_retry_after(self):
        error = self.waits(openai.InternalServerError, 503, self.openai, "openai._base_client.time.sleep", "shed")
        self.assertEqual(error.type, "overloaded_error")
        kind = getattr(anthropic, "ServiceUnavailableError", anthropic.InternalServerError)
        error = self.waits(kind, 503, self.anthropic, "anthropic._base_client.time.sleep", "shed")
        self.assertEqual(error.body["error"]["type"], "overloaded_error")

    def waits(self, kind, status, ask, sleep, tier):
        """Two retries, each behind as long as was said then."""
        slept = []
        with mock.patch(sleep, slept.append):
            error = self.refused(kind, status, ask, tier, retries=2)
        said = int(error.response.headers["retry-after"])
        self.assertGreater(said, 0)
        self.assertLessEqual(said, 60)
        self.assertEqual(len(slept), 2)
        for wait in slept:  # whole seconds as they were said, a moment earlier: no back-off of the client's own
            self.assertEqual(wait, int(wait))
            self.assertLessEqual(abs(wait - said), 2)
        return error


if __name__ == "__main__":
    unittest.main()
