"""Responses on the wire, also the broken ones: hangs, resets and truncations happen on the socket."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from datetime import timedelta

from starlette.types import Message, Receive, Send

from fetcher.simulator.exchange import Answer
from fetcher.simulator.faults import Delivery

LINGER_NOT = struct.pack("ii", 1, 0)
"""SO_LINGER of zero: closing sends a reset instead of a normal end (FIN)."""
UNANNOUNCED = 1024
"""Bytes by which the declared length of a truncated stream exceeds its real length."""


async def read_body(receive: Receive) -> bytes:
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            break
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            break
    return b"".join(chunks)


async def deliver(answer: Answer, delivery: Delivery, receive: Receive, send: Send) -> int:
    """Send the response as the delivery specifies; return the body's bytes that were sent.

    ``send`` must be uvicorn's own, because only its connection can be broken.
    """
    if delivery.hang is not None:
        if not await _until_gone(delivery.hang, receive):
            _close(send, reset=True)
        return 0
    if delivery.delay and await _until_gone(delivery.delay, receive):
        return 0
    if delivery.reset:
        _close(send, reset=True)
        return 0
    if answer.stream is not None and not delivery.truncate:
        return await _stream(answer, answer.stream(), send)
    body = answer.encoded()
    cut = len(body) // 2 if delivery.truncate else len(body)
    length = len(body) + (UNANNOUNCED if delivery.truncate and not body else 0)
    await send(_start(answer, length))
    await send({"type": "http.response.body", "body": body[:cut], "more_body": delivery.truncate})
    if delivery.truncate:
        _close(send, reset=False)
    return cut


def _start(answer: Answer, length: int | None) -> Message:
    headers = [(name.encode(), value.encode("latin-1")) for name, value in answer.headers.items()]
    if length or answer.stream is not None:
        headers.append((b"content-type", answer.content_type.encode()))
    if length is not None and answer.status not in (204, 304):
        headers.append((b"content-length", str(length).encode()))
    return {"type": "http.response.start", "status": answer.status, "headers": headers}


async def _stream(answer: Answer, chunks: AsyncIterator[bytes], send: Send) -> int:
    await send(_start(answer, None))
    sent = 0
    async for chunk in chunks:
        sent += len(chunk)
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await asyncio.sleep(0)  # a long listing must not delay the other requests
    await send({"type": "http.response.body", "body": b"", "more_body": False})
    return sent


async def _until_gone(duration: timedelta, receive: Receive) -> bool:
    """Wait for a duration; return True at once if the client disconnects before its end."""
    try:
        async with asyncio.timeout(duration.total_seconds()):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True


def _close(send: Send, *, reset: bool) -> None:
    """Close the connection under uvicorn. ASGI has no message for it, so this uses the transport directly."""
    cycle = getattr(send, "__self__", None)
    transport: asyncio.Transport | None = getattr(cycle, "transport", None)
    if cycle is None or transport is None:
        raise RuntimeError("connections can only be broken when served by uvicorn")
    cycle.response_started = cycle.response_complete = cycle.disconnected = True  # so that uvicorn sends nothing more
    if not reset:
        transport.close()
        return
    connection: socket.socket = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    transport.abort()
