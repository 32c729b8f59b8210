#!/usr/bin/env python3
"""`limpid serve --offline` has no socket but the one that it listens at, and those accepted there: in a network namespace with nothing
but loopback it starts and answers; its open sockets are looked at while it does; and where strace is there, every socket call is.
Usage: offline_test.py LIMPID. Exit code 77: not permitted here (the reason is printed)."""
import ctypes
import fcntl
import http.client
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP = 0x8913, 0x8914, 1
PATIENCE = float(os.environ.get("PATIENCE", "60"))


def alone():
    """Into a network namespace of its own, loopback up. False: the system does not allow it."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) != 0 and libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0:
        print("skipped: no network namespace may be made here:", os.strerror(ctypes.get_errno()))
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        name = struct.pack("16sH22x", b"lo", 0)
        flags = struct.unpack("16sH22x", fcntl.ioctl(any_socket, SIOCGIFFLAGS, name))[1]
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", flags | IFF_UP))
    with open("/proc/net/route") as routes:
        assert len(routes.readlines()) == 1, "a network namespace of its own has no route"
    return True


def start(limpid, home, wrap=()):
    process = subprocess.Popen([*wrap, limpid, "serve", "r1-nano", "--offline", "--port", "0", "--access-log", "false"], stdout=subprocess.PIPE, text=True,
                               env={**os.environ, "HOME": home, "XDG_CACHE_HOME": home, "LIMPID_HOME": home})
    line = process.stdout.readline()
    found = re.search(r":(\d+)\s*$", line)
    assert found, f"limpid serve did not start: {line}"
    return process, int(found.group(1))


def sockets_of(pid):
    """Inodes of every socket that the process has open."""
    found = set()
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            target = os.readlink(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            continue
        if target.startswith("socket:["):
            found.add(target[8:-1])
    return found


def sockets_at(pid, port):
    """Inodes of the TCP sockets whose local port this is, the listening one apart."""
    listening, accepted = set(), set()
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{pid}/net/{table}") as file:
            for line in file.readlines()[1:]:
                fields = line.split()
                if int(fields[1].rsplit(":", 1)[1], 16) == port:
                    (listening if fields[3] == "0A" else accepted).add(fields[9])
    return listening, accepted


def chat(port, looked):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    body = {"messages": [{"role": "user", "content": "What is 3 + 4?"}], "max_tokens": 60, "stream": True}
    connection.request("POST", "/v1/chat/completions", json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 200, answer.read()
    text = ""
    while (line := answer.readline().decode()):
        if line.startswith("data: {"):
            delta = json.loads(line[6:])["choices"][0]["delta"]
            text += (delta.get("content") or "") + (delta.get("reasoning_content") or "")
            looked()
    assert len(text) > 5, text
    connection.close()


def inside(limpid, home):
    process, port = start(limpid, home)
    seen = []

    def look():
        listening, accepted = sockets_at(process.pid, port)
        own = sockets_of(process.pid)
        assert len(listening) == 1 and listening <= own, (listening, own)
        assert own <= listening | accepted, f"sockets {own - listening - accepted} are neither the listening one nor accepted there"
        seen.append(len(own))

    look()
    chat(port, look)
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == 0
    assert seen[0] == 1 and max(seen) == 2 and len(seen) > 5, seen
    print(f"in a network namespace: {len(seen)} looks while it answered, one listening socket and the accepted one")


def traced(limpid, home):
    if shutil.which("strace") is None:
        return print("strace is not installed: its part is left out")
    if subprocess.run(["strace", "-o", os.devnull, "true"], capture_output=True).returncode != 0:
        return print("strace may not trace here: its part is left out")
    trace = os.path.join(home, "trace")
    process, port = start(limpid, home, ["strace", "-f", "-qq", "-e", "trace=socket,socketpair,bind,listen,accept,accept4,connect,sendto,sendmsg", "-o", trace])
    chat(port, lambda: None)
    with open(f"/proc/{process.pid}/task/{process.pid}/children") as file:
        os.kill(int(file.read().split()[0]), signal.SIGTERM)
    process.wait(PATIENCE)
    calls = [found.groups() for line in open(trace) if (found := re.match(r"\d+\s+(\w+)\((.*)", line))]
    names = [name for name, _ in calls]
    assert names.count("socket") == 1 and names.count("bind") == 1 and names.count("listen") == 1, calls
    assert names.count("accept") + names.count("accept4") >= 1, calls  # that the trace sees what there is
    assert not {"connect", "socketpair"} & set(names), calls
    assert all("sa_family" not in rest for name, rest in calls if name in ("sendto", "sendmsg")), calls
    print("by strace: " + ", ".join(f"{name} {names.count(name)}" for name in sorted(set(names))))


def main():
    limpid = os.path.abspath(sys.argv[-1])
    with tempfile.TemporaryDirectory() as home:
        if sys.argv[1] == "--inside":
            if not alone():
                return 77
            inside(limpid, home)
            return 0
        traced(limpid, home)
        return subprocess.run([sys.executable, os.path.abspath(__file__), "--inside", limpid]).returncode


sys.exit(main())
