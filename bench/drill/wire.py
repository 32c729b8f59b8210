"""HTTP/1.1 as far as a drill needs it: requests whose every byte is ours, on asyncio, with a limit of time for everything."""
import asyncio
import json
import socket
import time


class Answer:
    """status 0: the connection ended, or the time did, before an answer; `error` says which."""

    def __init__(self, status=0, headers=None, body=b"", error=""):
        self.status, self.headers, self.body, self.error = status, headers or {}, body, error

    def json(self):
        return json.loads(self.body)


def request_bytes(method, path, body=b"", key="", more=()):
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
    head = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    if key:
        head.append("Authorization: Bearer " + key)
    if body or method == "POST":
        head += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return ("\r\n".join([*head, *more]) + "\r\n\r\n").encode() + body


async def connect(port, source="", receive_buffer=0):
    """source: another address of loopback (127.0.0.0/8), so that limits by address can be told apart."""
    plain = socket.socket()
    try:
        plain.setblocking(False)
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_buffer:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        if source:
            plain.bind((source, 0))
        await asyncio.get_running_loop().sock_connect(plain, ("127.0.0.1", port))
        return await asyncio.open_connection(sock=plain, limit=1 << 20)
    except BaseException:
        plain.close()
        raise


async def read_head(reader):
    line = (await reader.readline()).decode("latin-1").split(" ", 2)
    if len(line) < 2:
        raise ConnectionError("closed without an answer")
    headers = {}
    while (text := (await reader.readline()).decode("latin-1").strip()):
        name, _, value = text.partition(":")
        headers[name.strip().lower()] = value.strip()
    return int(line[1]), headers


async def chunks(reader, headers):
    """The body, in the pieces in which it comes."""
    if "chunked" in headers.get("transfer-encoding", ""):
        while (size := int((await reader.readline()).strip() or b"0", 16)):
            yield await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readline()
    elif (left := int(headers.get("content-length", 0))):
        yield await reader.readexactly(left)


async def send(port, data, source="", seconds=20):
    """Sends bytes, reads one answer, closes. A server that answers before it has read everything is heard."""
    writer = None
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await connect(port, source)
            writer.write(data)
            status, headers = await read_head(reader)
            body = b"".join([piece async for piece in chunks(reader, headers)])
            return Answer(status, headers, body)
    except TimeoutError:
        return Answer(error="no answer in time")
    except (OSError, asyncio.IncompleteReadError, ValueError) as error:
        return Answer(error=type(error).__name__)
    finally:
        if writer is not None:
            writer.transport.abort()


async def ask(port, method, path, body=b"", key="", source="", seconds=20, more=()):
    return await send(port, request_bytes(method, path, body, key, more), source, seconds)


async def stream_chat(port, key, text, max_tokens, seconds=60):
    """One chat. Gives (status, seconds to the first token, usage); a refusal has no first token."""
    body = {"messages": [{"role": "user", "content": text}], "max_tokens": max_tokens, "stream": True,
            "stream_options": {"include_usage": True}}
    begin, first, usage, writer = time.monotonic(), None, None, None
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await connect(port)
            writer.write(request_bytes("POST", "/v1/chat/completions", body, key))
            status, headers = await read_head(reader)
            pending = b""
            async for piece in chunks(reader, headers):
                pending += piece
                *lines, pending = pending.split(b"\n")
                for line in lines:
                    if status != 200 or not line.startswith(b"data: {"):
                        continue
                    event = json.loads(line[6:])
                    usage = event.get("usage") or usage
                    delta = (event.get("choices") or [{}])[0].get("delta", {})
                    if first is None and (delta.get("content") or delta.get("reasoning_content")):
                        first = time.monotonic() - begin
            return status, first, usage
    except (TimeoutError, OSError, asyncio.IncompleteReadError, ValueError):
        return 0, first, usage
    finally:
        if writer is not None:
            writer.transport.abort()
