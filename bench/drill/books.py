"""Was anybody charged wrongly? The ledger added up anew by the service, and held against what the paying users counted themselves."""
import json
import time

from . import wire

PRICE = {"prompt_cache_hit_tokens": 140000, "prompt_cache_miss_tokens": 550000, "completion_tokens": 2190000}  # service.TIERS, in millionths


def cost(usage):
    return -(-sum(usage[name] * price for name, price in PRICE.items()) // 1000000)


async def quiet(service, seconds=30):
    """Waits until no request runs and every charge is written. False: not in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        answer = await wire.ask(service.port, "GET", "/api/admin/load", key=service.admin_key)
        if answer.status == 200:
            load = answer.json()
            if load["running"] == 0 and load["admitted"] == load["settled"] + load["released"] and load["database"]["waiting"] == 0:
                return True
        time.sleep(0.1)
    return False


def faults_of(service, user, chats):
    own = [chat["usage"] for chat in chats if chat["user"] == user and chat["usage"]]
    cut = sum(1 for chat in chats if chat["user"] == user and chat["status"] in (0, 200) and not chat["usage"])
    entries = [entry for entry in json.loads(service.admin("ledger", user, "--limit", "1000000")) if entry["kind"] == "charge"]
    booked = -sum(round(float(entry["amount"]) * 1e6) for entry in entries)
    rows = json.loads(service.admin("usage", user, "--json"))
    told = {"requests": len(own), "charged": sum(map(cost, own)), **{name: sum(usage[name] for usage in own) for name in PRICE}}
    found = {"requests": len(entries), "charged": booked, **{name: sum(row[name] for row in rows) for name in PRICE}}
    if cut == 0 and told != found:
        return [f"{user}: counted {told}, booked {found}"]
    # One that was cut off costs something between nothing and all it may: its prompt (two digits longer than others) and what payers.py lets it write.
    hit, miss, written = PRICE
    prompt = max((usage[hit] + usage[miss] for usage in own), default=64) + 2
    most = {"requests": told["requests"] + cut, written: told[written] + cut * 24, "prompts": told[hit] + told[miss] + cut * prompt}
    within = all(found[name] <= most[name] for name in ("requests", written)) and found[hit] + found[miss] <= most["prompts"]
    if cut and not (within and all(told[name] <= found[name] for name in told)):
        return [f"{user}: counted {told} and {cut} cut off, booked {found}"]
    return []


async def audit(service, users, chats):
    """(what is wrong, the audit's own words)"""
    faults = [] if await quiet(service) else ["requests still run, or charges are not written, 30 s after the last"]
    answer = await wire.ask(service.port, "GET", "/api/admin/audit", key=service.admin_key)
    if answer.status != 200:
        return [*faults, f"/api/admin/audit answered {answer.status} {answer.error}"], {}
    books = answer.json()
    faults += books["faults"] + (["open requests: %d" % books["open"]] if books["open"] else [])
    for user in users:
        faults += faults_of(service, user, chats)
    return faults, books
