"""How an answer leaves the socket: whole, or broken the way a network breaks it. No exchange logic.

The broken ways write to the transport itself, because HTTP libraries refuse to send a wrong answer.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from datetime import datetime
from email.utils import format_datetime

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from deepcoin_ops.paper.answers import Answer, Delivery

TRANSPORT_KEY = "paper.transport"
MARK = {"X-Paper": "1"}
CUT_STATUS_LINE = b"HTTP/1.1 200 O"
LINGER_ZERO = struct.pack("ii", 1, 0)


def build_headers(answer: Answer, now: datetime) -> dict[str, str]:
    """The answer's headers: its own, the exchange's clock, and the mark of the paper exchange."""
    return {**answer.headers, "Date": format_datetime(now, usegmt=True), **(MARK if answer.is_marked else {})}


async def deliver(
    answer: Answer, now: datetime, closing: asyncio.Event, scope: Scope, receive: Receive, send: Send
) -> None:
    """Send an answer the way it says.

    Args:
        answer: What to send.
        now: The exchange's clock, for the Date header.
        closing: Ends a hanging request when the server stops.
        scope: The ASGI scope, carrying the transport.
        receive: The ASGI channel that tells when the client is gone.
        send: The ASGI channel of whole answers.
    """
    headers = build_headers(answer, now)
    transport: asyncio.Transport = scope[TRANSPORT_KEY]
    match answer.delivery:
        case Delivery.WHOLE:
            await Response(answer.body, answer.status, headers)(scope, receive, send)
            return
        case Delivery.HANG:
            await _wait_for_either(closing, receive)
        case Delivery.RESET:
            # Lingering for zero seconds turns the close into a TCP reset.
            connection: socket.socket = transport.get_extra_info("socket")
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_ZERO)
            transport.abort()
        case Delivery.DISCONNECT:
            transport.close()
        case Delivery.TRUNCATED_BODY:
            transport.write(_head(answer, headers) + answer.body[: len(answer.body) // 2])
        case Delivery.CUT_STATUS_LINE:
            transport.write(CUT_STATUS_LINE)
    transport.close()
    await _wait_until_gone(receive)


def _head(answer: Answer, headers: dict[str, str]) -> bytes:
    lines = [f"HTTP/1.1 {answer.status} OK", f"Content-Length: {len(answer.body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


async def _wait_until_gone(receive: Receive) -> None:
    """Return once the connection is down; a server that answers nothing before that would be told off by uvicorn."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _wait_for_either(closing: asyncio.Event, receive: Receive) -> None:
    waits = [asyncio.ensure_future(closing.wait()), asyncio.ensure_future(_wait_until_gone(receive))]
    await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()
