#!/usr/bin/env python3
"""The menu that `limpid chat` begins with where no model was named: keys, what is remembered, and nothing where nobody can be asked.
Usage: chat_menu_test.py LIMPID [unittest's arguments]"""
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import chat_terminal_test as terminal  # noqa: E402

QUESTION = "Which model do you want to talk to?"
WAITING = "asks again:"
CLOSED = "http://127.0.0.1:9"  # nobody listens there
setUpModule = terminal.setUpModule


class MenuTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="limpid-menu-")
        self.addCleanup(folder.cleanup)
        self.home = folder.name

    def environment(self, **more):
        return terminal.environment(LIMPID_HOME=self.home, HF_ENDPOINT=CLOSED, HF_HUB_CACHE=self.home + "/cache", **more)

    def limpid(self, *words, text=""):
        return subprocess.run([terminal.LIMPID, *words], input=text, capture_output=True, text=True, env=self.environment(),
                              timeout=terminal.PATIENCE)

    def add(self, name, model="thinker"):
        done = self.limpid("models", "add", terminal.model(model), "--name", name)
        self.assertEqual(done.returncode, 0, done.stderr)

    def built_in(self):
        return any(model.get("built_in") for model in json.loads(self.limpid("models", "--json").stdout))

    def start(self, *options, waits=True, **more):
        session = terminal.Session(None, *options, rows=40, columns=100, env=self.environment(**more))
        self.addCleanup(session.close)
        if waits:
            session.wait_text(WAITING)
        return session

    def key_of(self, session, name):
        return re.search(r"(\d)  " + re.escape(name) + "  ", session.screen.text()).group(1)

    def chosen(self):
        with open(self.home + "/settings.json", encoding="utf-8") as file:
            return json.load(file)["chat_model"]

    def test_one_key_chooses_and_the_choice_is_remembered(self):
        self.add("mine")
        s = self.start()
        self.assertIn(QUESTION, s.screen.text())
        s.keys(self.key_of(s, "mine"))
        s.wait_prompt()
        s.leave()
        self.assertEqual(self.chosen(), "mine")
        again = self.start(waits=False)
        again.wait_prompt()
        self.assertNotIn(QUESTION, again.screen.text())
        again.leave()
        asked = self.start("--menu")
        asked.keys("q")
        self.assertEqual(asked.wait_end(), 0)
        self.assertEqual(self.chosen(), "mine")

    def test_every_way_out_leaves_the_terminal_as_it_was(self):
        self.add("mine")
        for key in ("q", "\x1b", terminal.CTRL_C, terminal.CTRL_D):
            s = self.start()
            s.keys(terminal.UP + "x0" + terminal.DOWN)  # no keys of the menu's
            s.read(0.3)
            self.assertFalse(s.ended())
            s.keys(key)
            self.assertEqual(s.wait_end(), 0, repr(key))
            self.assertEqual(terminal.termios.tcgetattr(s.slave), s.before)
        self.assertFalse(os.path.exists(self.home + "/settings.json"))

    def test_a_model_of_the_catalogue_that_is_here_needs_no_network(self):
        self.add("r1-distill-qwen-1.5b:Q4_K_M")
        s = self.start()
        if "DeepSeek-R1-Distill-Qwen-1.5B" not in s.screen.text():
            self.skipTest("not enough memory for it")
        self.assertRegex(s.screen.text(), r"DeepSeek-R1-Distill-Qwen-1.5B  1.12 GB here, about [\d.]+ tokens/s")
        s.keys(self.key_of(s, "DeepSeek-R1-Distill-Qwen-1.5B"))
        s.wait_prompt()
        self.assertEqual(self.chosen(), "r1-distill-qwen-1.5b:Q4_K_M")

    def test_what_cannot_be_fetched_brings_the_menu_back(self):
        s = self.start()
        if "DeepSeek-R1-Distill-Qwen-1.5B" not in s.screen.text():
            self.skipTest("not enough memory or disk for it")
        self.assertIn("; AIME ", s.screen.text())
        s.keys(self.key_of(s, "DeepSeek-R1-Distill-Qwen-1.5B"))
        s.wait_text(WAITING, 2)
        self.assertIn("127.0.0.1", s.screen.text())
        s.keys("q")
        self.assertEqual(s.wait_end(), 0)
        self.assertFalse(os.path.exists(self.home + "/settings.json"))

    def test_offline_shows_what_is_here_alone(self):
        self.add("mine")
        s = self.start("--menu", "--offline")
        self.assertIn("mine", s.screen.text())
        self.assertNotIn("to fetch", s.screen.text())
        s.keys(self.key_of(s, "mine"))
        s.wait_prompt()

    def test_a_choice_that_is_gone_is_asked_again(self):
        self.add("mine")
        with open(self.home + "/settings.json", "w", encoding="utf-8") as file:
            json.dump({"chat_model": "lost", "other": 1}, file)
        s = self.start()
        self.assertIn("lost was chosen before and is not here any more", s.screen.text())
        s.keys(self.key_of(s, "mine"))
        s.wait_prompt()
        with open(self.home + "/settings.json", encoding="utf-8") as file:
            self.assertEqual(json.load(file), {"chat_model": "mine", "other": 1})

    def test_a_dumb_terminal_sees_no_codes(self):
        self.add("mine")
        s = self.start(TERM="dumb")
        self.assertNotIn(b"\x1b", s.raw)
        s.keys(self.key_of(s, "mine"))
        s.wait_prompt()

    def test_where_nobody_can_be_asked(self):
        refused = self.limpid("chat", "--menu", text="Hi\n")
        self.assertEqual(refused.returncode, 2)
        self.assertIn("--menu needs a terminal", refused.stderr)
        self.add("mine", "plain")
        with open(self.home + "/settings.json", "w", encoding="utf-8") as file:
            json.dump({"chat_model": "mine"}, file)
        answered = self.limpid("chat", "-t", "1", "--temp", "0", text="Hi\n")
        self.assertEqual((answered.returncode, answered.stdout), (0, "Plain talk.\n"), answered.stderr)

    def test_the_model_that_is_built_in_comes_first(self):
        if not self.built_in():
            gone = self.limpid("chat", "r1-nano", text="Hi\n")
            self.assertEqual(gone.returncode, 2)
            self.assertIn("r1-nano is not in this program", gone.stderr)
            self.skipTest("no model is built in")
        s = self.start()
        self.assertIn("1  r1-nano", s.screen.text())
        s.keys("\r")
        s.wait_prompt()
        self.assertIn("r1-nano is a DeepSeek-V3", s.screen.text())
        s.say("What is 3 + 4?")
        s.say("3 + 5 = ?")  # every message by itself: no context fills up
        self.assertEqual(self.limpid("chat", "-t", "1", "--temp", "0", text="What is 3 + 4?\n").returncode, 0)


if __name__ == "__main__":
    terminal.LIMPID = os.path.abspath(sys.argv.pop(1))
    unittest.main()
