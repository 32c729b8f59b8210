#!/usr/bin/env python3
"""`limpid chat` in a terminal, as a person uses it: keys go in, and the test looks at what is on the screen.
Usage: chat_terminal_test.py LIMPID [unittest's arguments]"""
import fcntl
import json
import os
import re
import select
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from scripted_model import make_model  # noqa: E402
from terminal_screen import Screen  # noqa: E402

LIMPID = None
FOLDER = tempfile.TemporaryDirectory(prefix="limpid-terminal-")
PATIENCE = int(os.environ.get("PATIENCE", "60"))  # seconds; a busy machine under a sanitizer is slow
LEFT, UP, DOWN, HOME, END_KEY = "\x1b[D", "\x1b[A", "\x1b[B", "\x01", "\x05"
CTRL_C, CTRL_D, CTRL_Z, CTRL_T = "\x03", "\x04", "\x1a", "\x14"
THOUGHT = ["Let", " me", " think", ",", " step", " by", " step", ".", " Hmm", "."]


def model(name):
    return os.path.join(FOLDER.name, name + ".gguf")


def setUpModule():
    make_model(model("thinker"), THOUGHT, ["Hello", " 你好", " 🌍", " and", " goodbye", "."], "Thinker")
    make_model(model("talker"), THOUGHT, ["One", " two", " three", ",", " "], "Talker", answer_ends=False)
    make_model(model("writer"), THOUGHT, [
        "A sent", "ence of words that end in the mid", "dle of rows", ".", " 你好世界你好世界你好世界 ", "and Donau", "dampf",
        "schifffahrtskapitän", " it is.\n", "```\nlong line of code that is not broken\n```\n", "Done",
        " with exactly thirty columns", "\n", "End."], "Writer", thinks=False)
    make_model(model("plain"), THOUGHT, ["Plain", " talk", "."], "Plain", thinks=False)
    make_model(model("evil"), ["Hm\x1b[31m", "\u009b32m."], ["Title\x1b]0;owned\x07", " of\u009b33m it", "."], "Evil\x1b[35m\u009b36m name",
               thinks=False)
    make_model(model("broken"), THOUGHT, ["Never", "."], "Broken", template="{% if %}")


def environment(**more):
    kept = {key: os.environ[key] for key in ("PATH", "HOME", "ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS",
                                             "LIMPID_ISA") if key in os.environ}
    return {**kept, "TERM": "xterm", "LC_ALL": "C.UTF-8", "LIMPID_HOME": FOLDER.name, **more}


class Session:
    """The program in a terminal of its own."""

    def __init__(self, name="thinker", *options, columns=80, rows=24, env=None):
        self.screen = Screen(columns, rows)
        self.raw = b""
        self.status = None
        path = [] if name is None else [name if os.path.sep in name else model(name)]  # None: limpid chooses
        self.master, self.slave = os.openpty()  # the slave is kept: the terminal stays after the program
        self.window(columns, rows)
        self.before = termios.tcgetattr(self.slave)
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(self.slave, termios.TIOCSCTTY, 0)
            for fd in range(3):
                os.dup2(self.slave, fd)
            greedy = [] if "--temp" in options else ["--temp", "0"]
            os.execve(LIMPID, [LIMPID, "chat", *path, "-t", "1", *greedy, *options], env or environment())

    def window(self, columns, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def resize(self, columns, rows):
        self.screen.resize(columns, rows)
        self.window(columns, rows)

    def read(self, seconds):
        if select.select([self.master], [], [], seconds)[0]:
            data = os.read(self.master, 65536)
            self.raw += data
            self.screen.feed(data)
            return True
        return False

    def keys(self, text):
        os.write(self.master, text.encode())

    def wait(self, what, until):
        end = time.monotonic() + PATIENCE
        while not until():
            if time.monotonic() > end:
                raise AssertionError(f"{what}: did not come. The screen:\n{self.screen.text()}\n{self.raw[-300:]!r}")
            self.read(0.05)

    def wait_text(self, text, times=1):
        self.wait(repr(text), lambda: self.screen.text().count(text) >= times)

    def wait_line(self, text):
        """The line of the cursor reads so, and goes on to."""
        self.wait(f"the line {text!r}", lambda: self.screen.line() == text and not self.read(0.15))

    def wait_prompt(self):
        self.wait_line(">")

    def say(self, text):
        """A line at the prompt, and until the next prompt."""
        row = self.screen.row
        self.keys(text + "\r")
        self.wait("the line", lambda: self.screen.row > row)
        self.wait_prompt()

    def ended(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def wait_end(self):
        self.wait("the end", self.ended)
        while self.read(0.05):
            pass
        return self.status

    def modes_are_back(self):
        return termios.tcgetattr(self.slave) == self.before and self.raw.rfind(b"\x1b[?2004l") > self.raw.rfind(
            b"\x1b[?2004h")

    def leave(self):
        self.keys(CTRL_D)
        return self.wait_end()

    def messages(self):
        path = os.path.join(FOLDER.name, "saved.json")
        self.say("/save " + path)
        with open(path, encoding="utf-8") as file:
            return json.load(file)["messages"]

    def close(self):
        if not self.ended():
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        os.close(self.master)
        os.close(self.slave)


class ChatTest(unittest.TestCase):
    def session(self, *arguments, **options):
        session = Session(*arguments, **options)
        self.addCleanup(session.close)
        return session

    def at_prompt(self, *arguments, **options):
        session = self.session(*arguments, **options)
        session.wait_prompt()
        return session


class CtrlC(ChatTest):
    def test_once_it_answers_and_at_the_prompt_it_leaves(self):
        s = self.at_prompt()
        s.keys("Hi\r")
        s.wait_text("Hmm.", 3)
        self.assertIn(b"\x1b[2mLet\x1b[0m", s.raw)  # dimmed
        self.assertIn(b"\x1b[1m>\x1b[0m ", s.raw)  # bold ends with the prompt
        self.assertNotIn("Hello", s.screen.text())
        s.keys(CTRL_C)
        s.wait_text("thought for")
        s.wait_text("Hello 你好 🌍 and goodbye.")
        s.wait_prompt()
        self.assertRegex(s.screen.text(), r"\d tokens/s.*context.*cached")
        self.assertNotIn("stopped", s.screen.text())
        said = s.messages()
        self.assertEqual(said[1]["content"], "Hello 你好 🌍 and goodbye.")
        self.assertTrue(said[1]["reasoning_content"].startswith("Let me think, step by step. Hmm."))
        time.sleep(0.4)
        s.keys(CTRL_C)
        self.assertEqual(s.wait_end(), 0)
        self.assertTrue(s.modes_are_back())

    def test_again_it_stops(self):
        s = self.at_prompt("talker")
        s.keys("Hi\r")
        s.wait_text("Hmm.", 2)
        s.keys(CTRL_C)
        s.wait_text("One two three,", 2)
        s.keys(CTRL_C)
        s.wait_text("(stopped)")
        s.wait_prompt()
        self.assertTrue(s.messages()[1]["content"].startswith("One two three,"))

    def test_a_late_one_does_not_leave(self):
        s = self.at_prompt("talker", "--budget", "5")
        s.keys("Hi\r")
        s.wait_text("One two three,", 2)
        s.keys(CTRL_C + CTRL_C)  # two where one was enough
        s.wait_prompt()
        self.assertFalse(s.ended())
        s.say("/budget")
        self.assertIn("5 tokens", s.screen.text())


class Editing(ChatTest):
    def test_keys(self):
        s = self.at_prompt("plain")
        s.keys("abcd" + LEFT + LEFT + "X")
        s.wait_line("> abXcd")
        s.keys("\x7f")
        s.wait_line("> abcd")
        s.keys(HOME + "<" + END_KEY + ">")
        s.wait_line("> <abcd>")
        s.keys(" two words\x17")
        s.wait_line("> <abcd> two")
        s.keys(HOME + "\x0b")
        s.wait_prompt()
        s.keys("\x19")
        s.wait_line("> <abcd> two")

    def test_tab_completes_commands(self):
        s = self.at_prompt("plain")
        s.keys("/he\t")
        s.wait("/help", lambda: s.screen.line() == "> /help" and s.screen.column == 8)
        s.keys("\x15/s\t")  # save, stats, system: nothing more to say
        s.wait_line("> /s")
        s.keys("t\t")
        s.wait_line("> /stats")
        s.keys("\x15a\tb")  # no command
        s.wait_line("> ab")

    def test_history(self):
        s = self.at_prompt("plain")
        s.say("first message")
        s.say("second message")
        s.keys(UP)
        s.wait_line("> second message")
        s.keys(UP)
        s.wait_line("> first message")
        s.keys(DOWN)
        s.wait_line("> second message")
        s.keys(DOWN)
        s.wait_prompt()

    def test_wide_characters(self):
        s = self.at_prompt("plain")
        s.keys("你好世界🌍")
        s.wait_line("> 你好世界🌍")
        self.assertEqual(s.screen.column, 12)
        s.keys(LEFT + LEFT + "\x7f")
        s.wait_line("> 你好界🌍")
        self.assertEqual(s.screen.column, 6)
        s.keys("é")
        s.wait_line("> 你好é界🌍")
        s.keys("\r")
        s.wait_text("Plain talk.")
        s.wait_prompt()
        self.assertEqual(s.messages()[0]["content"], "你好é界🌍")

    def test_wide_characters_wrap_whole(self):
        s = self.at_prompt("plain", columns=21, rows=30)
        start = s.screen.row
        s.keys("你好世界" * 6)
        s.wait_line(wrapped("你好世界" * 6, 21)[-1])
        self.assertEqual([s.screen.line(start + i) for i in range(3)], wrapped("你好世界" * 6, 21))
        s.keys("\x7f" * 10)
        s.wait("ten gone", lambda: s.screen.text().rstrip().endswith("> 你好世界你好世界你\n好世界你好") and not s.read(0.2))
        s.keys("\r")
        s.wait_text("Plain talk.")
        s.wait_prompt()
        self.assertEqual(s.messages()[0]["content"], ("你好世界" * 6)[:14])


def wrapped(text, columns):
    lines, line, used = [], "> ", 2
    for c in text:
        if used + 2 > columns:
            lines.append(line)
            line, used = "", 0
        line, used = line + c, used + 2
    return lines + [line]


class Pasting(ChatTest):
    TEXT = "\x1b[200~one\rtwo 二\rthree\x1b[201~"

    def test_lines_are_one_message(self):
        s = self.at_prompt("plain")
        s.keys(self.TEXT)
        s.wait_line("three")
        time.sleep(0.2)
        self.assertNotIn("Plain talk.", s.screen.text())
        s.keys(" four\r")
        s.wait_text("Plain talk.")
        s.wait_prompt()
        said = s.messages()
        self.assertEqual([m["role"] for m in said], ["user", "assistant"])
        self.assertEqual(said[0]["content"], "one\ntwo 二\nthree four")

    def test_during_an_answer(self):
        s = self.at_prompt()
        s.keys("Hi\r")
        s.wait_text("Hmm.", 2)
        s.keys(self.TEXT)
        s.wait_text("Hmm.", 8)
        self.assertNotIn("three", s.screen.text())
        s.keys(CTRL_C)
        s.wait_text("three")
        s.wait_line("three")
        self.assertEqual(s.screen.text().count("thought for"), 1)

    def test_much(self):
        s = self.at_prompt("plain")
        text = "\n".join(f"line {i} of a long paste" for i in range(200))
        s.keys("\x1b[200~" + text.replace("\n", "\r") + "\x1b[201~")
        s.wait_line("line 199 of a long paste")
        s.keys("\r")
        s.wait_text("Plain talk.")
        s.wait_prompt()
        self.assertEqual(s.messages()[0]["content"], text)

    def test_alt_enter_begins_a_line(self):
        s = self.at_prompt("plain")
        s.keys("one\x1b\rtwo")
        s.wait_line("two")
        s.keys("\r")
        s.wait_text("Plain talk.")
        s.wait_prompt()
        self.assertEqual(s.messages()[0]["content"], "one\ntwo")


class Typing(ChatTest):
    def test_during_an_answer_waits_for_the_prompt(self):
        s = self.at_prompt()
        s.keys("Hi\r")
        s.wait_text("Hmm.", 2)
        s.keys("the next wörds")
        s.wait_text("Hmm.", 8)
        self.assertNotIn("next", s.screen.text())
        s.keys(CTRL_C)
        s.wait_line("> the next wörds")
        self.assertEqual(s.screen.text().count("next"), 1)
        self.assertIn("Hello 你好 🌍 and goodbye.", s.screen.text())

    def test_while_loading_is_not_shown_twice(self):
        s = self.session("plain")
        s.keys("early")
        s.wait_line("> early")


class Window(ChatTest):
    def test_another_width_while_typing(self):
        s = self.at_prompt("plain", columns=60, rows=20)
        text = "the quick brown fox jumps over the lazy dog and runs away from it"
        s.keys(text)
        s.wait("all", lambda: s.screen.text().endswith("runs away from it"[-7:]) and not s.read(0.2))
        for columns in (30, 100, 24, 60):
            s.resize(columns, 20)
            shown = "> " + text
            lines = [shown[i:i + columns].rstrip() for i in range(0, len(shown), columns)]
            s.wait(f"{columns} columns", lambda: s.screen.text().rstrip().split("\n")[-len(lines):] == lines and not s.read(0.3))
            self.assertEqual(s.screen.text().count("> the quick"), 1, s.screen.text())
        s.keys("\r")
        s.wait_text("Plain talk.")
        s.wait_prompt()
        self.assertEqual(s.messages()[0]["content"], text)

    def test_another_width_during_an_answer(self):
        s = self.at_prompt(columns=60)
        s.keys("Hi\r")
        s.wait_text("Hmm.", 2)
        s.resize(30, 20)
        s.keys(CTRL_C)
        s.wait_prompt()
        s.keys("a" * 40)
        s.wait_line("a" * 12)


class Wrapping(ChatTest):
    def test_between_words(self):
        s = self.at_prompt("writer", columns=32)
        s.keys("Hi\r")
        s.wait_text("End.")
        s.wait_prompt()
        lines = s.screen.text().split("> Hi\n")[1].split("\n")
        self.assertEqual(lines[:11], [
            "A sentence of words that end in", "the middle of rows. 你好世界你好", "世界你好世界 and",
            "Donaudampfschifffahrtskapitän it", "is.", "```", "long line of code that is not br", "oken", "```",
            "Done with exactly thirty columns", "End."])


class Ending(ChatTest):
    def test_signals_leave_the_terminal_as_it_was(self):
        for sig in (signal.SIGTERM, signal.SIGHUP):
            for thinking in (False, True):
                with self.subTest(signal=sig, thinking=thinking):
                    s = self.at_prompt()
                    if thinking:
                        s.keys("Hi\r")
                        s.wait_text("Hmm.", 2)
                    os.kill(s.pid, sig)
                    s.wait_end()
                    self.assertTrue(s.modes_are_back())
                    self.assertNotIn("Hello", s.screen.text())

    def test_end_of_input(self):
        s = self.at_prompt("plain")
        self.assertEqual(s.leave(), 0)
        self.assertTrue(s.modes_are_back())

    def test_an_error_leaves_the_terminal_as_it_was(self):
        s = self.session("/nowhere/x.gguf")
        self.assertEqual(s.wait_end(), 2)
        self.assertEqual(termios.tcgetattr(s.slave), s.before)

    def test_stopped_and_gone_on(self):
        for thinking in (False, True):
            with self.subTest(thinking=thinking):
                s = self.at_prompt()
                s.keys("Hi\r" if thinking else "abc")
                s.wait_text("Hmm." if thinking else "> abc")
                s.keys(CTRL_Z)
                s.wait("stopped", lambda: os.WIFSTOPPED(os.waitpid(s.pid, os.WNOHANG | os.WUNTRACED)[1]))
                while s.read(0.1):
                    pass
                self.assertTrue(s.modes_are_back())
                os.kill(s.pid, signal.SIGCONT)
                if thinking:
                    s.keys(CTRL_C)
                    s.wait_text("Hello")
                    s.wait_prompt()
                else:
                    s.keys("d")
                    s.wait("abcd", lambda: s.screen.line().endswith("> abcd"))


class Commands(ChatTest):
    def test_help_names_every_command(self):
        s = self.at_prompt("plain", rows=60)
        s.say("/help")
        for name in "help system think budget retry edit undo save load stats model tokens".split():
            self.assertIn("/" + name, s.screen.text())
        self.assertLessEqual(max(len(line) for line in s.screen.text().split("\n")), 80)

    def test_system_retry_edit_undo(self):
        s = self.at_prompt("plain")
        s.say("/system Be brief.")
        s.say("/system")
        self.assertIn("Be brief.", s.screen.text().split("/system\n")[-1])
        s.say("one")
        s.say("/retry")
        self.assertEqual(s.screen.text().count("Plain talk."), 2)
        s.keys("/edit\r")
        s.wait_line("> one")
        s.keys("!\r")
        s.wait_text("Plain talk.", 3)
        s.wait_prompt()
        said = s.messages()
        self.assertEqual([m["content"] for m in said], ["Be brief.", "one!", "Plain talk."])
        s.keys("/undo\r")
        s.wait_line("> one!")
        s.keys("\x15")
        s.wait_prompt()
        self.assertEqual(len(s.messages()), 1)
        s.say("/system -")
        self.assertEqual(s.messages(), [])
        s.say("/retry")
        self.assertIn("nothing was said yet", s.screen.text())
        s.say("/nonsense")
        self.assertIn("no such command", s.screen.text())

    def test_save_load_model_stats(self):
        s = self.at_prompt("plain")
        s.say("//etc is a folder")
        said = s.messages()
        self.assertEqual(said[0]["content"], "/etc is a folder")
        s.say("/load " + os.path.join(FOLDER.name, "saved.json"))
        self.assertEqual(s.messages(), said)
        s.say("/load /nowhere.json")
        self.assertIn("/nowhere.json", s.screen.text())
        s.say("/model " + model("thinker"))
        s.say("/model")
        self.assertIn("thinker (", s.screen.text())
        s.say("/model /nowhere.gguf")
        s.say("/budget 10")
        s.say("again")
        self.assertIn("Hello 你好", s.screen.text())
        s.say("/stats")
        self.assertRegex(s.screen.text(), r"answer +2\d tokens, 1\d of them thinking")

    def test_think_and_budget(self):
        s = self.at_prompt(rows=50)
        s.say("/budget 25")
        s.say("/budget")
        self.assertIn("25 tokens", s.screen.text())
        s.say("Hi")
        self.assertIn("Let me think", s.screen.text())
        s.say("/think off")
        before = s.screen.text().count("Let me think")
        s.say("Hi")
        self.assertEqual(s.screen.text().count("Let me think"), before)
        s.say("/think auto")
        s.say("/think hide")
        s.say("Hi")
        self.assertEqual(s.screen.text().count("Let me think"), before)
        self.assertEqual(s.screen.text().count("thought for"), 2)
        self.assertNotIn("thinking, ", s.screen.text())  # the counter is gone
        s.say("/think show")
        self.assertEqual(s.screen.text().count("Let me think"), 2 * before)
        s.say("/think")
        self.assertIn("auto", s.screen.text().split("/think\n")[-1])
        s.say("/think nonsense")
        self.assertIn("usage: /think", s.screen.text())

    def test_the_thinking_can_be_changed(self):
        s = self.at_prompt("thinker", "--budget", "10")
        s.say("Hi")
        s.keys("/think edit\r")
        s.wait_text("> Let me think, step by step. Hmm.")
        s.keys("\x15I know\r")
        s.wait_text("Hello 你好 🌍 and goodbye.", 2)
        s.wait_prompt()
        said = s.messages()
        self.assertEqual(len(said), 2)
        self.assertTrue(said[1]["reasoning_content"].startswith("I know"), said)

    def test_the_thinking_folds_while_it_streams(self):
        s = self.at_prompt()
        s.keys("Hi\r")
        s.wait_text("Hmm.", 6)
        s.keys(CTRL_T)
        s.wait("folded", lambda: "Hmm." not in s.screen.text() and "thinking, " in s.screen.text())
        s.keys(CTRL_T)
        s.wait_text("Hmm.", 7)
        self.assertNotIn("thinking, ", s.screen.text())
        s.keys(CTRL_T)
        s.wait("folded", lambda: "Hmm." not in s.screen.text())
        s.keys(CTRL_C)
        s.wait_text("Hello 你好")
        s.wait_prompt()
        self.assertRegex(s.screen.text(), r"> Hi\nthought for [\d.]+ s\n\nHello 你好 🌍 and goodbye\.")

    def test_tokens(self):
        s = self.at_prompt("plain", "--temp", "1")
        s.say("/tokens")
        self.assertIn("nothing was answered", s.screen.text())
        s.say("Hi")
        s.say("/tokens 3")
        self.assertRegex(s.screen.text(), r"\d+\.\d %  '.*'.*\d+\.\d %")


class Plain(ChatTest):
    def test_no_color(self):
        s = self.at_prompt("thinker", "--budget", "20", env=environment(NO_COLOR="1"))
        s.say("Hi")
        s.say("/tokens")
        s.say("/help")
        self.assertIn("Hello 你好 🌍 and goodbye.", s.screen.text())
        self.assertIsNone(re.search(rb"\x1b\[[0-9;]+m", s.raw))

    def test_from_a_pipe_line_by_line(self):
        result = subprocess.run([LIMPID, "chat", model("thinker"), "-t", "1", "--temp", "0", "--budget", "5"],
                                input="Hi\n\n/budget\nAgain", capture_output=True, text=True, env=environment(),
                                timeout=PATIENCE)
        answer = "Hello 你好 🌍 and goodbye.\n"
        self.assertEqual(result.stdout, answer + "5 tokens\n" + answer)
        self.assertEqual(result.stderr, "")
        self.assertEqual(result.returncode, 0)

    def piped(self, text, name, *options):
        return subprocess.run([LIMPID, "chat", model(name), "-t", "1", "--temp", "0", *options], input=text,
                              capture_output=True, text=True, env=environment(), timeout=PATIENCE)

    def test_a_pipe_hears_that_an_answer_was_cut_off(self):
        result = self.piped("Hi\n", "talker", "-c", "100", "--budget", "5")
        self.assertTrue(result.stdout.startswith("One two three,"), result.stdout)
        self.assertRegex(result.stderr, r"\Alimpid: cut off after \d+ tokens: the context of 100 is full\n\Z")
        self.assertEqual(result.returncode, 0)
        result = self.piped("Hi\n", "talker", "-c", "100")
        self.assertEqual(result.stdout, "\n")
        self.assertRegex(result.stderr, r"\Alimpid: cut off after \d+ tokens, all of them thinking: the context of 100 is full\n\Z")

    def test_a_pipe_hears_that_an_answer_was_stopped(self):
        with subprocess.Popen([LIMPID, "chat", model("talker"), "-t", "1", "--temp", "0", "--budget", "5"],
                              stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              env=environment()) as chat:
            chat.stdin.write(b"Hi\n")
            chat.stdin.flush()
            self.assertEqual(chat.stdout.read(1), b"O")
            chat.terminate()
            self.assertEqual(chat.communicate(timeout=PATIENCE)[1], b"limpid: stopped\n")
            self.assertEqual(chat.returncode, 1)

    def test_a_pipe_ends_where_the_context_is_full(self):
        long = "a" * 150
        result = self.piped(f"Hi\n{long}\n\nHi\n{long}\n", "plain", "-c", "100")
        self.assertEqual(result.stdout, "Plain talk.\n")
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertIn("leave no room for an answer in a context of 100: /undo forgets", result.stderr)
        self.assertEqual(result.returncode, 1)
        result = self.piped(f"Hi\n{long}\n/budget\n//Hi\n", "plain", "-c", "100")  # which makes no room
        self.assertEqual(result.stdout, "Plain talk.\noff\n")
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertEqual(result.returncode, 1)

    def test_a_pipe_goes_on_where_a_command_makes_room(self):
        result = self.piped("Hi\nAgain\n/undo\nHi\n", "talker", "-c", "100", "--budget", "5")
        answers = result.stdout.splitlines()
        self.assertEqual(len(answers), 2, result.stdout)
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(re.findall("cut off|leave no room", result.stderr), ["cut off", "leave no room", "cut off"])
        self.assertEqual(result.returncode, 1)
        result = self.piped(f"Hi\n{'a' * 150}\n/edit Hello\nHi\n", "plain", "-c", "100")
        self.assertEqual(result.stdout, "Plain talk.\n" * 3)
        self.assertEqual(result.returncode, 1)

    def test_a_first_message_that_does_not_fit_is_told_nothing_of_undo(self):
        result = self.piped("a" * 150 + "\n", "plain", "-c", "100")
        self.assertEqual(result.stdout, "")
        self.assertRegex(result.stderr, r"context of 100: `limpid chat -c N` has room for up to 32768\n\Z")
        self.assertNotIn("/undo", result.stderr)
        self.assertEqual(result.returncode, 1)


class Failures(ChatTest):
    """What goes wrong leaves the conversation as it was, and says how it can go on."""

    def test_a_full_context_says_what_to_do_and_loses_nothing(self):
        s = self.at_prompt("plain", "-c", "100", columns=200)
        s.say("Hi")
        s.say("Hi")
        kept = s.messages()
        self.assertEqual([m["role"] for m in kept], ["user", "assistant"] * 2)
        s.say("/system " + "a" * 150)
        for times, failing in (1, "/retry"), (2, "/edit Hello"):
            s.keys(failing + "\r")
            s.wait_text("leave no room", times)
            self.assertIn("/undo", s.screen.text())
            self.assertIn("-c N", s.screen.text())
            s.wait_prompt()
            s.keys(UP)
            s.wait_line("> " + failing)  # what failed can be changed and sent again
            s.keys("\x15")
            s.wait_prompt()
            s.say("/system -")
            self.assertEqual(s.messages(), kept, failing)
            s.say("/system " + "a" * 150)
        s.say("/system -")
        s.say("/retry")
        self.assertEqual(s.messages(), kept)

    def test_a_message_that_does_not_fit_is_not_in_the_way_of_undo(self):
        s = self.at_prompt("plain", "-c", "100", columns=200)
        long = "a" * 150
        s.say(long)
        s.wait_text("leave no room")
        self.assertNotIn("/undo", s.screen.text())  # there is nothing to forget
        s.say("Hi")
        s.say(long)
        s.wait_text("leave no room", 2)
        self.assertIn("/undo forgets", s.screen.text())
        s.keys(UP)
        s.wait_line("> " + long)
        s.keys("\x15/undo\r")
        s.wait_line("> Hi")
        s.keys("\x15")
        s.wait_prompt()
        self.assertEqual(s.messages(), [])

    def test_a_loaded_message_that_does_not_fit_is_kept(self):
        path = os.path.join(FOLDER.name, "long.json")
        said = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Plain talk."},
                {"role": "user", "content": "a" * 150}]
        with open(path, "w", encoding="utf-8") as file:
            json.dump(said, file)
        s = self.at_prompt("plain", "-c", "100", columns=200)
        s.say("/load " + path)
        s.wait_text("leave no room")
        self.assertEqual(s.messages(), said)
        s.keys("/undo\r")
        s.wait_line("> " + "a" * 150)
        s.keys("\x15")
        s.wait_prompt()
        self.assertEqual(s.messages(), said[:2])

    def test_a_model_that_cannot_be_loaded_brings_the_old_one_back(self):
        s = self.at_prompt("plain")
        s.say("Hi")
        s.say("/model " + model("broken"))
        s.wait_text("limpid:")
        s.say("/model " + model("nowhere"))
        s.say("Again")
        s.wait_text("Plain talk.", 2)
        self.assertEqual(len(s.messages()), 4)

    def test_another_model_after_ctrl_c(self):
        s = self.at_prompt("talker")
        s.keys("Hi\r")
        s.wait_text("Hmm.", 1)
        s.keys(CTRL_C)
        s.wait_text("One two three,")
        s.keys(CTRL_C)
        s.wait_text("(stopped)")
        s.wait_prompt()
        s.say("/model " + model("plain"))
        self.assertNotIn("loading", s.screen.text())
        s.say("Hi")
        s.wait_text("Plain talk.")

    def test_stats_have_the_speed_beside_what_memory_gives(self):
        s = self.at_prompt("plain", "--cache", "q8")
        s.say("Hi")
        s.say("/stats")
        s.wait_text("sampling")
        self.assertRegex(s.screen.text(), r"speed +[\d.]+ tokens/s, .* read for each: [\d.]+ GB/s of [\d.]+ \(\d+ %\)")
        self.assertRegex(s.screen.text(), r"machine +1 threads, (scalar|avx2|avx512), cache in q8")


class Escapes(ChatTest):
    """A model and a file command no terminal."""

    BAD = (b"\x1b]0", b"\x1b[31m", b"\x1b[35m", b"\xc2\x9b")

    def in_terminal(self, *words):
        s = Session.__new__(Session)
        s.screen, s.raw, s.status = Screen(120, 40), b"", None
        s.master, s.slave = os.openpty()
        s.window(120, 40)
        s.pid = os.fork()
        if s.pid == 0:
            os.setsid()
            fcntl.ioctl(s.slave, termios.TIOCSCTTY, 0)
            for fd in range(3):
                os.dup2(s.slave, fd)
            os.execve(LIMPID, [LIMPID, *words], environment())
        self.addCleanup(s.close)
        self.assertEqual(s.wait_end(), 0, s.screen.text())
        for bad in self.BAD:
            self.assertNotIn(bad, s.raw, words)
        return s

    def test_chat(self):
        s = self.at_prompt("evil")
        s.say("Hi")
        s.wait_text("Title]0;owned of33m it.")
        s.say("/tokens")
        for bad in self.BAD:
            self.assertNotIn(bad, s.raw)

    def test_run_and_its_context(self):
        s = self.in_terminal("run", model("evil"), "-p", "Hi", "--temp", "0", "-t", "1", "-c", "200")
        self.assertIn("Title]0;owned of33m it.", s.screen.text())
        self.assertIn("evil, 200 tokens of context", s.screen.text())
        self.in_terminal("run", model("evil"), "-p", "Hi", "--temp", "0", "-t", "1", "--json")
        piped = subprocess.run([LIMPID, "run", model("evil"), "-p", "Hi", "--temp", "0", "-t", "1"], capture_output=True,
                               env=environment(), timeout=PATIENCE)
        self.assertEqual(piped.stdout, "Title\x1b]0;owned\x07 of\u009b33m it.\n".encode())
        self.assertEqual(piped.stderr, b"")

    def test_inspect(self):
        s = self.in_terminal("inspect", model("evil"))
        self.assertIn("Evil\\x1b[35m\\u009b36m name", s.screen.text())
        self.in_terminal("inspect", model("evil"), "--json", "--tensors")


class Run(unittest.TestCase):
    def test_json_says_what_every_run_can_say(self):
        done = subprocess.run([LIMPID, "run", model("plain"), "-p", "Hi", "--temp", "0", "-t", "1", "-c", "300", "--cache", "bf16",
                               "--json"], capture_output=True, env=environment(), timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)
        out = json.loads(done.stdout)
        machine = out["machine"]
        self.assertIn(machine["isa"], ("scalar", "avx2", "avx512"))
        self.assertEqual((machine["threads"], machine["context"], machine["cache"]), (1, 300, "bf16"))
        rate = out["timings"]["decode_tps"]
        self.assertGreater(rate, 0)
        self.assertAlmostEqual(machine["achieved_gbs"], rate * machine["bytes_per_token"] / 1e9)
        self.assertGreater(machine["memory_gbs"], 0)
        self.assertEqual(len(out["logits_hash"]), 16)


if __name__ == "__main__":
    LIMPID = os.path.abspath(sys.argv.pop(1))
    unittest.main()
