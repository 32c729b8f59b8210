"""Connections that only want to last: idle ones, heads and bodies by drops, streams that nobody reads or that are half closed."""
import asyncio
import itertools
import random

from . import wire

KINDS = ("idle", "slow head", "slow body", "slow reader", "half-open stream")


async def hold(context, kind, number, until, tally):
    loop = asyncio.get_running_loop()
    source = f"127.0.{1 + number // 250}.{1 + number % 250}"
    writer = None
    try:
        reader, writer = await wire.connect(context.port, source, 4096 if kind == "slow reader" else 0)
        drops = []
        if kind == "slow head":
            writer.write(b"GET /v1/models HTTP/1.1\r\n")
            drops = (f"X-{i}: {i}\r\n".encode() for i in itertools.count())
        elif kind == "slow body":
            writer.write(wire.request_bytes("POST", "/v1/chat/completions", key=context.crowd[0], more=("X-Slow: 1",)).replace(
                b"Content-Length: 0", b"Content-Length: 1000000"))
            drops = itertools.repeat(b"{")
        elif kind == "slow reader":  # much to read, asked for again and again, and nothing is ever read
            writer.transport.pause_reading()
            drops = itertools.repeat(wire.request_bytes("GET", "/openapi.json") * 8)
        elif kind == "half-open stream":
            body = {"messages": [{"role": "user", "content": "Count."}], "stream": True, "max_tokens": 2000}
            writer.write(wire.request_bytes("POST", "/v1/chat/completions", body, context.crowd[number % len(context.crowd)]))
            await asyncio.sleep(0.5)
            writer.write_eof()
        tally["opened: " + kind] += 1
        drops = iter(drops)
        while loop.time() < until:
            await asyncio.sleep(min(random.uniform(1.5, 2.5), max(0.01, until - loop.time())))
            if writer.is_closing() or reader.at_eof():
                tally["ended by the server: " + kind] += 1
                return
            drop = next(drops, None)
            if drop is not None and writer.transport.get_write_buffer_size() < 1 << 16:
                writer.write(drop)
        tally["still there: " + kind] += 1
    except (OSError, ValueError) as error:
        tally[f"{type(error).__name__}: {kind}"] += 1
    finally:
        if writer is not None:
            writer.transport.abort()


async def connections(context, seconds, tally):
    until = asyncio.get_running_loop().time() + seconds
    tasks = []
    for number in range(context.connections):
        tasks.append(asyncio.create_task(hold(context, KINDS[number % len(KINDS)], number, until, tally)))
        if number % 50 == 49:
            await asyncio.sleep(0.01)
    await asyncio.gather(*tasks)
