"""What may not outlive a request: the headers that sign it, wherever an error or an answer would carry them on.

Crash reporters show the local variables of every frame, a page of some proxy repeats the headers it was sent, and answers
are kept in the ledger for good.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote, quote_plus

_NAMES = ("DC-ACCESS-KEY", "DC-ACCESS-SIGN", "DC-ACCESS-PASSPHRASE")
# A passphrase is chosen by a person: one that is shorter, or only digits, could be a part of an honest answer.
_SHORTEST = 8
_BLANK = b"*"


class SignedHeaders(dict[str, str]):
    """Headers of a signed request. Their text tells the names only."""

    def __repr__(self) -> str:
        return f"SignedHeaders({', '.join(self)}; values not shown)"

    __str__ = __repr__


def blank_repeated(body: bytes, headers: Mapping[str, str]) -> bytes:
    """An answer without what it repeats of the headers that signed its request; as long as before.

    Args:
        body: What was received.
        headers: The headers of the request.
    """
    for secret in (headers.get(name, "") for name in _NAMES):
        if len(secret) < _SHORTEST or secret.isdigit():
            continue
        for form in (each for each in _spellings(secret) if each in body):
            # Not in the middle of a longer word, which is somebody else's.
            whole = rb"(?<![A-Za-z0-9])" + re.escape(form) + rb"(?![A-Za-z0-9])"
            body = re.sub(whole, _BLANK * len(form), body)
    return body


def drop_frames(error: BaseException) -> None:
    """Leave an error its words and take its frames, whose variables hold headers; of all its causes likewise."""
    for each in _connected(error):
        each.__traceback__ = None
        for name in ("request", "response"):
            if getattr(each, name, None) is not None:
                setattr(each, name, None)


def _spellings(secret: str) -> set[bytes]:
    """A header's value as pages and JSON documents write it."""
    escaped = json.dumps(secret)[1:-1]
    return {each.encode() for each in (secret, escaped, html.escape(secret), quote(secret, safe=""), quote_plus(secret))}


def _connected(error: BaseException) -> Iterator[BaseException]:
    """An error and all errors that it refers to, each once."""
    seen: dict[int, BaseException] = {}
    waiting: list[object] = [error]
    while waiting:
        found = waiting.pop()
        if isinstance(found, BaseException) and id(found) not in seen:
            seen[id(found)] = found
            waiting += [found.__cause__, found.__context__, getattr(found, "reason", None), *found.args]
    yield from seen.values()
