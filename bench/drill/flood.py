"""bench/flood.cpp from Python: compiled when it is first asked for (CXX, or c++), run as a process of its own. It brings ten thousand
requests a second and more, where asyncio brings some hundred."""
import asyncio
import os
import subprocess

SOURCE = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "flood.cpp")


def build(folder):
    """The program's path, in `folder`."""
    program = os.path.join(folder, "flood")
    if not os.path.exists(program):
        subprocess.run([os.environ.get("CXX", "c++"), "-O2", "-std=c++20", SOURCE, "-o", program], check=True)
    return program


async def flood(program, port, seconds, clients, requests, keep=True, addresses=0):
    """requests: [(label, bytes)]. Gives (what came back by "LABEL STATUS", {"sent", "opened", "seconds"})."""
    data = b"".join(f"{label} {len(body)}\n".encode() + body for label, body in requests)
    process = await asyncio.create_subprocess_exec(program, str(port), str(seconds), str(clients), "keep" if keep else "new", str(addresses),
                                                   stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
    said, _ = await process.communicate(data)
    tally, facts = {}, {}
    for line in said.decode().splitlines():
        what, _, number = line.rpartition(" ")
        if what in ("sent", "opened", "seconds"):
            facts[what] = float(number)
        else:
            tally[what] = int(number)
    return tally, facts
