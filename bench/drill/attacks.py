"""What comes at the service. Each attack: async (context, seconds, tally); tally counts what came back, by name. `context` has
port, keys by tier (free, crowd), connections, clients, the model's context, a seed, and the program of bench/flood.cpp."""
import asyncio
import json
import random

from . import wire
from .flood import flood
from .hold import connections

CHAT = "/v1/chat/completions"


def count(tally, answer, what=""):
    name = str(answer.status) if answer.status else "cut: " + answer.error
    tally[f"{name}{' ' + what if what else ''}"] += 1
    if answer.status in (429, 503) and "retry-after" not in answer.headers:
        tally["without Retry-After"] += 1


async def repeat(context, seconds, tally, clients, make):
    """make(i, dice) gives (what, bytes, source); each client sends its next when it has an answer."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds

    async def client(number):
        dice = random.Random(context.seed * 1000003 + number)
        while loop.time() < until:
            what, data, source = make(number, dice)
            count(tally, await wire.send(context.port, data, source, seconds=max(1.0, until + 15 - loop.time())), what)
            await asyncio.sleep(0)  # so that refusals at once do not starve the other clients

    await asyncio.gather(*(client(number) for number in range(clients)))


def chat(content, key, **more):
    return wire.request_bytes("POST", CHAT, {"messages": [{"role": "user", "content": content}], "max_tokens": 16, **more}, key)


def short_prompts(context, keys, label):
    """Short prompts, answers of 400 tokens."""
    dice = random.Random(context.seed)
    return [(label, chat(f"What is {dice.randint(2, 9)} + {dice.randint(2, 9)}?", keys[i % len(keys)], max_tokens=400, ignore_eos=True))
            for i in range(40)]


async def overload(context, seconds, tally, keep=True):
    """A hundred times as many clients as are answered at a time, each with its next short prompt as soon as the last was answered or
    refused: from accounts with limits, without, and from strangers."""
    mixed = [entry for trio in zip(short_prompts(context, context.crowd, "crowd"), short_prompts(context, context.free, "free"),
                                   short_prompts(context, ["sk-" + "x" * 50], "stranger")) for entry in trio]
    found, facts = await flood(context.flood, context.port, seconds, context.clients, mixed, keep, 200)
    for what, number in found.items():
        label, status = what.split(" ")
        tally["without Retry-After" if label == "bare" else f"{status} {label}"] += number
    tally["requests sent"] += int(facts["sent"])
    tally["seconds"] += round(facts["seconds"])


async def reconnecting(context, seconds, tally):
    """The same with a connection for every request."""
    await overload(context, seconds, tally, keep=False)


def malformed(dice):
    good = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
    return dice.choice([
        b"", b"{", b"[]", b"null", b'"text"', b"{}", b'{"messages": 5}', b'{"messages": [5]}', b'{"messages": []}',
        b'{"messages": [{"role": "user", "content": "\xff\xfe"}]}', b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
        b'{"messages": [{"role": "user", "content": "a"}], "max_tokens": 1e999}',
        b'{"messages": [{"role": "user", "content": "a"}], "max_tokens": -1}',
        b'{"messages": [{"role": "user", "content": "a"}], "n": 1000000000}',
        b'{"messages": [{"role": "user", "content": "a"}], "temperature": "hot", "stop": [' + b'"a",' * 50000 + b'"b"]}',
        b'{"messages": [{"role": "user", "content": "a"}], "logit_bias": {"99999999": 1e300}, "max_tokens": 2}',
        b'{"messages": [' + b'{"role": "user", "content": ""},' * 100000 + b'{"role": "user", "content": "a"}], "max_tokens": 2}',
        b'{"a": 1' + b', "a": 1' * 100000 + b"}", b'{"x": ' + b"9" * 1000000 + b"}", b"[" * dice.randint(1, 200),
        json.dumps({**good, "model": "x" * 1000000}).encode(), json.dumps({**good, "user": "x" * 100000}).encode(),
        json.dumps({**good, "tools": [{"type": "function", "function": {"name": "f" * 1000}}] * 2000}).encode(),
        json.dumps({**good, "messages": [{"role": "tool", "content": "x"}]}).encode(), bytes(dice.randbytes(2000))])


async def bodies(context, seconds, tally):
    giant = wire.request_bytes("POST", CHAT, b"x" * 64, context.crowd[0]).replace(b"Content-Length: 64", b"Content-Length: 99999999999")
    wide = wire.request_bytes("POST", CHAT, b'{"messages": [' + b"1," * 4000000 + b"1]}", context.crowd[0])

    def make(number, dice):
        kind = dice.randrange(20)
        if kind == 0:
            return "giant", giant, ""
        if kind == 1:
            return "8 MB list", wide, ""
        return "malformed", wire.request_bytes("POST", CHAT, malformed(dice), dice.choice(context.crowd)), ""
    await repeat(context, seconds, tally, 16, make)


async def depth(context, seconds, tally):
    deep = 100000
    good = '{"messages": [{"role": "user", "content": "a"}], "max_tokens": 2, '
    shapes = ["[" * deep, '{"a":' * deep, "[" * deep + "]" * deep, '{"a":' * deep + "1" + "}" * deep,
              good + '"tools": ' + "[" * deep + "]" * deep + "}", good + '"x": ' + '{"a":' * deep + "1" + "}" * deep + "}",
              good + '"response_format": {"type": "json_schema", "json_schema": {"name": "d", "schema": ' + '{"items":' * deep + "{}" + "}" * deep + "}}}"]
    requests = [wire.request_bytes("POST", CHAT, shape.encode(), context.crowd[0]) for shape in shapes]
    await repeat(context, seconds, tally, 16, lambda number, dice: ("deep", dice.choice(requests), ""))


def bombs():
    def text(pattern):
        return {"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}, "required": ["a"]}
    doubling = {f"d{i}": {"type": "object", "properties": {"l": {"$ref": f"#/$defs/d{i + 1}"}, "r": {"$ref": f"#/$defs/d{i + 1}"}}} for i in range(40)}
    doubling["d40"] = {"type": "string"}
    wide = {f"e{i}": {"allOf": [{"$ref": f"#/$defs/e{i + 1}"}] * 20} for i in range(12)}
    wide["e12"] = {"anyOf": [{"minLength": i} for i in range(100)]}
    names = {f"p{i}": {"type": "string", "pattern": f"^(a|b){{{i % 50}}}.*c.{{9}}$"} for i in range(400)}
    return [text("((((a{99}){99}){99}){99}){99}"), text("(a|a|a)*" * 60 + "b"), text(".*a.{1999}"), text("(.*a.{12}){20}"), text("(x+x+)+y" * 200),
            text("(" * 5000), text("[" + "\\u0100-\\uffff" * 700 + "]{2000}"), text("^(?=a)(?=b)"), {"$defs": doubling, "$ref": "#/$defs/d0"},
            {"$defs": wide, "$ref": "#/$defs/e0"}, {"$ref": "#"}, {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}, {"type": "object", "properties": names},
            {"enum": [f"value {i}" for i in range(20000)]}, {"type": "string", "minLength": 10**12}, {"type": "array", "minItems": 10**9, "items": {}},
            {"anyOf": [{"type": "object", "properties": {f"k{i}": {"const": i}}} for i in range(2000)]}, {"type": "integer", "multipleOf": 7 * 10**17},
            {"type": "integer", "minimum": -10**18, "maximum": 10**18, "exclusiveMinimum": 3}, {"const": "x" * 900000}]


async def grammars(context, seconds, tally):
    requests = [chat("Give me JSON.", context.crowd[i % len(context.crowd)],
                     response_format={"type": "json_schema", "json_schema": {"name": "bomb", "strict": True, "schema": schema}})
                for i, schema in enumerate(bombs())]
    await repeat(context, seconds, tally, 8, lambda number, dice: ("bomb", dice.choice(requests), ""))


async def stuffed(context, seconds, tally):
    """Prompts as long as the context, longer, and of what tokenizers like least."""
    length = context.length
    fits = ["7 " * (length // 2 - 60), "a b " * (length // 5)]
    longer = ["word " * (2 * length), "x" * (10 * length), "12 + " * 200000, "é𝔘\u200d" * 100000, " " * 1000000, "a" * 8000000]
    tries = [("fits", chat(text, context.crowd[i % len(context.crowd)])) for i, text in enumerate(fits)]
    tries += [("longer", chat(text, context.crowd[i % len(context.crowd)])) for i, text in enumerate(longer)]
    await repeat(context, seconds, tally, 8, lambda number, dice: (*dice.choice(tries), ""))


async def keys(context, seconds, tally):
    letters = "ABCDEFGHJKMNPQRSTVWXYZabcdefghijkmnopqrstuvwxyz0123456789"

    def make(number, dice):
        guess = dice.choice([
            lambda: "sk-" + "".join(dice.choices(letters, k=50)),
            lambda: context.crowd[0][:15] + "".join(dice.choices(letters, k=len(context.crowd[0]) - 15)),  # a real id, another secret
            lambda: context.crowd[0][:-1] + dice.choice(letters.replace(context.crowd[0][-1], "")), lambda: "x" * dice.randint(1, 9000),
            lambda: "' OR 1=1 --"])()
        return "guess", chat("Hi", guess), ""
    await repeat(context, seconds, tally, 32, make)


async def logins(context, seconds, tally):
    """Half from one address, half from a thousand."""
    def make(number, dice):
        body = {"name": dice.choice(["root", "payer0", f"nobody{dice.randint(0, 9999)}"]), "password": f"guess {dice.random()}"}
        many = number % 2 == 1
        source = f"127.1.{dice.randint(0, 3)}.{dice.randint(1, 250)}" if many else "127.0.0.9"
        return "many addresses" if many else "one address", wire.request_bytes("POST", "/api/login", body), source
    await repeat(context, seconds, tally, 16, make)


def fuzzed(dice, key):
    data = bytearray(chat("Hi", key)) if dice.random() < 0.8 else bytearray(dice.randbytes(dice.randint(1, 3000)))
    for _ in range(dice.randint(0, 6)):
        at = dice.randrange(len(data))
        way = dice.randrange(5)
        if way == 0:
            data[at] = dice.randrange(256)
        elif way == 1:
            del data[at:at + dice.randint(1, 20)]
        elif way == 2:
            data[at:at] = dice.randbytes(dice.randint(1, 20))
        elif way == 3:
            data[at:at] = dice.choice([b"\r\n", b"\r\n\r\n", b"\0", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 5\r\n", b"Expect: 100-continue\r\n",
                                       b"%00", b"/../" * 50, b"\xff" * 100, b"A" * 70000, b"Host: evil\r\n", b"ffffffffffffffff\r\n"])
        else:
            data += data[:at]
        if not data:
            data = bytearray(b"\r\n")
    return bytes(data)


async def wires(context, seconds, tally):
    await repeat(context, seconds, tally, 32, lambda number, dice: ("", fuzzed(dice, context.free[0]) + b"\r\n\r\n", ""))


ATTACKS = {"idle and slow connections": connections, "overload by short prompts": overload, "overload, new connections": reconnecting,
           "giant and malformed bodies": bodies, "JSON 100,000 deep": depth, "regex and grammar bombs": grammars,
           "stuffed prompts": stuffed, "key guessing": keys, "login guessing": logins, "fuzzed HTTP": wires}


async def together(context, seconds, tally):
    await asyncio.gather(*(attack(context, seconds, tally) for attack in ATTACKS.values()))
