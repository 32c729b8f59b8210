"""Paying users who chat all the time, in a process of their own, so that the attacker's work in Python is not in their times.
Each chat becomes one line of JSON on standard output; a line on standard input ends them. Run by bench/attack."""
import asyncio
import json
import os
import random
import subprocess
import sys
import threading
import time

from . import wire


async def user(port, name, key, pause, max_tokens, ending, out):
    dice = random.Random(name)
    while not ending.is_set():
        a, b = dice.randint(2, 99), dice.randint(2, 99)
        begin = time.monotonic()
        status, first, usage = await wire.stream_chat(port, key, f"What is {a} + {b}?", max_tokens)
        out.write(json.dumps({"user": name, "at": begin, "status": status, "first": first, "usage": usage}) + "\n")
        out.flush()
        await asyncio.sleep(pause * dice.uniform(0.5, 1.5))


async def main(port, users, pause, max_tokens):
    ending = asyncio.Event()
    loop = asyncio.get_running_loop()
    threading.Thread(target=lambda: (sys.stdin.readline(), loop.call_soon_threadsafe(ending.set)), daemon=True).start()
    await asyncio.gather(*(user(port, name, key, pause, max_tokens, ending, sys.stdout) for name, key in users.items()))


class Payers:
    """Starts that process and gathers what it says."""

    def __init__(self, port, users, core=None, pause=0.15, max_tokens=24):
        here = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        pin = None if core is None else lambda: os.sched_setaffinity(0, {core})
        self.process = subprocess.Popen([sys.executable, "-m", "drill.payers", json.dumps([port, users, pause, max_tokens])], cwd=here,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=pin)
        self.chats = []
        self.reader = threading.Thread(target=self.read, daemon=True)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            self.chats.append(json.loads(line))

    def between(self, begin, end):
        return [chat for chat in list(self.chats) if begin <= chat["at"] < end]

    def end(self):
        """No new chats; those that run end. Gives all of them."""
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        self.process.wait(90)
        self.reader.join(10)
        self.process.stdin.close()
        self.process.stdout.close()
        return self.chats


if __name__ == "__main__":
    asyncio.run(main(*json.loads(sys.argv[1])))
