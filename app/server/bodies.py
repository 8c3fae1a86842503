"""The body of a request, read whole before anything else sees it: no more than it may be long, whatever its headers say."""

from __future__ import annotations

from starlette.types import Message, Receive


class TooLarge(Exception):
    """More came than may come."""


class Gone(Exception):
    """The client hung up before all of it came."""


async def whole_body(receive: Receive, most: int) -> bytes:
    """All of it.

    Raises:
        TooLarge: it is longer than `most` bytes; the rest is not read.
        Gone: the client hung up.
    """
    body, more = bytearray(), True
    while more:
        message = await receive()
        if message["type"] != "http.request":
            raise Gone
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > most:
            raise TooLarge
    return bytes(body)


def once_more(body: bytes, receive: Receive) -> Receive:
    """A way to receive the body that was read, and then what comes after it."""
    parts: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive_again() -> Message:
        return parts.pop() if parts else await receive()

    return receive_again
