"""`limpid serve --team` on a free port, with a folder of its own: accounts, keys, what the process takes, what its books say."""
import json
import os
import re
import resource
import signal
import subprocess
import tempfile

TIERS = {
    "default_tier": "free", "waiting_list": False, "capacity": 0,
    "prices": {"*": {"cached": "0.14", "prompt": "0.55", "completion": "2.19"}},
    "tiers": {
        # As the built-in one: what its limits refuse costs nearly nothing.
        "free": {"priority": 0, "concurrency": 2, "context": 32768, "shed_at": 0.5,
                 "requests": {"minute": 10, "day": 300}, "tokens": {"minute": 65536, "day": 500000}},
        # Free without limits of its own: only the load refuses it.
        "crowd": {"priority": 0, "shed_at": 0.5},
        "paid": {"priority": 10, "charged": True, "concurrency": 16, "shed_at": 0.9},
    },
}


def allow_many_files(wanted=16384):
    """For this process and those it starts: as many open files as the system lets it have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return max(soft, most)


class Service:
    def __init__(self, limpid, core=None, arguments=(), model="r1-nano", wrap=()):
        self.limpid = limpid
        self.folder = tempfile.TemporaryDirectory(prefix="limpid-attack-")
        self.data = os.path.join(self.folder.name, "team")
        os.mkdir(self.data, 0o700)
        with open(os.path.join(self.data, "team.json"), "w") as file:
            json.dump(TIERS, file)
        self.log = open(os.path.join(self.folder.name, "log"), "w+")
        self.admin("add", "root", "--admin", text="a password of the drill\n")
        self.admin_key = self.admin("key", "root", "--scopes", "admin,usage,chat,models").split()[0]
        pin = None if core is None else lambda: os.sched_setaffinity(0, {core})
        self.process = subprocess.Popen(
            [*wrap, limpid, "serve", model, "--team", "--port", "0", "--data", self.data, "--access-log", "false", "--offline", *arguments],
            stdout=subprocess.PIPE, stderr=self.log, text=True, preexec_fn=pin)
        line = self.process.stdout.readline()
        found = re.search(r":(\d+)\s*$", line)
        if not found:
            raise RuntimeError(f"limpid serve did not start: {line}{self.said()}")
        self.port = int(found.group(1))

    def admin(self, *words, text=""):
        done = subprocess.run([self.limpid, "admin", "--data", self.data, *words], input=text, capture_output=True, text=True, timeout=60)
        if done.returncode != 0:
            raise RuntimeError(f"limpid admin {' '.join(words)}: {done.stderr}")
        return done.stdout.strip()

    def account(self, name, tier, credit=""):
        self.admin("add", name, "--tier", tier, text=f"the password of {name}\n")
        if credit:
            self.admin("top-up", name, credit)
        return self.admin("key", name).split()[0]

    def said(self):
        self.log.flush()
        self.log.seek(0)
        return self.log.read()

    def alive(self):
        return self.process.poll() is None

    def memory_mb(self, field="VmRSS"):
        with open(f"/proc/{self.process.pid}/status") as file:
            return int(re.search(field + r":\s+(\d+)", file.read()).group(1)) / 1024

    def processor_seconds(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self):
        """The exit code of a polite end; kills what does not end in time."""
        if self.alive():
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def close(self):
        if self.alive():
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()
        self.log.close()
        self.folder.cleanup()
