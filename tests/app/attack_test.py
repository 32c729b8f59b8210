#!/usr/bin/env python3
"""bench/attack for a moment: nothing of it kills the service, makes it fail, grow or charge wrongly, and paying users are answered
meanwhile. No word about speed. Usage: attack_test.py LIMPID [--sanitized]
--sanitized: built with a sanitizer, which keeps what was freed: memory is not held against its bounds."""
import asyncio
import collections
import os
import sys
import time
import types

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "bench"))
from drill import books, flood, wire  # noqa: E402
from drill.attacks import ATTACKS, together  # noqa: E402
from drill.payers import Payers  # noqa: E402
from drill.service import Service, allow_many_files  # noqa: E402

SECONDS = 1.5
GROWTH_MB = 400  # what the attacks all together may leave beyond what each left alone
MOST_MB = 700  # beyond the memory at rest, at any time: the bodies that are held (128 MB) and what parsing makes of them
NEAR_MB = 128  # beyond it when all is over: the vocabulary for grammars, compiled grammars, caches


def refusals_are_whole(name, tally):
    failed = [what for what in tally if what.startswith("500")]
    assert not failed, f"{name}: {failed} in {dict(tally)}"
    assert not tally["without Retry-After"], f"{name}: refusals without Retry-After: {dict(tally)}"


def expected(tallies):
    """That each attack reached what it was meant for: a drill that nobody notices shows nothing."""
    def some(name, *words):
        found = sum(number for what, number in tallies[name].items() if what.startswith(words))
        assert found > 0, f"{name}: none of {words} in {dict(tallies[name])}"
    some("idle and slow connections", "opened: slow body")
    some("overload by short prompts", "429 free")
    some("giant and malformed bodies", "400 malformed")
    some("JSON 100,000 deep", "400 deep")
    some("regex and grammar bombs", "400 bomb", "422 bomb")
    some("stuffed prompts", "400 longer")
    some("key guessing", "401 guess")
    some("login guessing", "401")
    some("fuzzed HTTP", "400")
    assert not any(what.startswith("200") for what in tallies["key guessing"]), "a guessed key was let in"
    assert not any(what.startswith("200") for what in tallies["login guessing"]), "a guessed password was let in"


async def storm(service, context, payers):
    tallies = {}
    for name, attack in ATTACKS.items():
        tallies[name] = collections.Counter()
        await attack(context, SECONDS, tallies[name])
        assert service.alive(), f"{name}: the server ended with {service.process.returncode}: {service.said()[-3000:]}"
        print(f"{name}: {sum(tallies[name].values())} answers and ends, {service.memory_mb():.0f} MB", flush=True)
    at_first = service.memory_mb()
    tallies["together"] = collections.Counter()
    await together(context, SECONDS, tallies["together"])
    assert service.alive(), f"the server ended with {service.process.returncode}: {service.said()[-3000:]}"
    assert await books.quiet(service), "requests still run 30 s after the last"
    return tallies, service.memory_mb() - at_first


def memory_is_given_back(service, at_rest):
    assert service.memory_mb("VmHWM") < at_rest + MOST_MB, f"{at_rest:.0f} MB at rest, {service.memory_mb('VmHWM'):.0f} MB at most"
    until = time.monotonic() + 30  # what lies in pieces goes back every 5 s
    while service.memory_mb() > at_rest + NEAR_MB and time.monotonic() < until:
        time.sleep(0.2)
    print(f"{service.memory_mb():.0f} MB at the end, {service.memory_mb('VmHWM'):.0f} MB at most")
    assert service.memory_mb() <= at_rest + NEAR_MB, f"{at_rest:.0f} MB at rest, {service.memory_mb():.0f} MB when all is over"


def main(limpid, sanitized):
    allow_many_files()
    service = Service(limpid, arguments=["--parallel", "8", "--threads", "1"])
    try:
        users = {f"payer{i}": service.account(f"payer{i}", "paid", "100") for i in range(2)}
        context = types.SimpleNamespace(
            port=service.port, seed=int.from_bytes(os.urandom(3), "big"), connections=200, clients=100, length=2048, flood=flood.build(service.folder.name),
            free=[service.account(f"free{i}", "free") for i in range(2)], crowd=[service.account(f"crowd{i}", "crowd") for i in range(2)])
        print("seed", context.seed, flush=True)
        payers = Payers(service.port, users)
        at_rest = service.memory_mb()
        tallies, growth = asyncio.run(storm(service, context, payers))
        chats = payers.end()
        for name, tally in tallies.items():
            refusals_are_whole(name, tally)
        expected(tallies)
        unanswered = [chat for chat in chats if chat["first"] is None]
        assert len(chats) > 10 and not unanswered, f"{len(chats)} chats, without an answer: {unanswered[:5]}"
        faults, audited = asyncio.run(books.audit(service, users, chats))
        assert not faults and audited["balanced"], faults
        if not sanitized:
            assert growth < GROWTH_MB, f"{growth:.0f} MB more behind all attacks together than behind one after the other"
            memory_is_given_back(service, at_rest)
        assert service.end() == 0 and not service.said(), service.said()
        print(f"{len(chats)} chats of paying users answered and charged rightly; {audited['requests']} requests in the books; "
              f"{at_rest:.0f} MB at rest")
    finally:
        service.close()


main(os.path.abspath(sys.argv[1]), "--sanitized" in sys.argv)
