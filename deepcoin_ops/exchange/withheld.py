"""What may not outlive a request: the headers that sign it, wherever an error or an answer would carry them on.

Crash reporters show the local variables of every frame, a page of some proxy repeats the headers it was sent, and answers
are kept in the ledger for good.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from urllib.parse import quote

_NAMES = ("DC-ACCESS-KEY", "DC-ACCESS-SIGN", "DC-ACCESS-PASSPHRASE")
# A passphrase is chosen by a person: one that is shorter, or only digits, could be a part of an honest answer.
_SHORTEST = 8
_BLANK = b"*"
_LETTERS = re.compile(r"[A-Za-z0-9]+")


class SignedHeaders(dict[str, str]):
    """Headers of a signed request. Their text tells the names only."""

    def __repr__(self) -> str:
        return f"SignedHeaders({', '.join(self)}; values not shown)"

    __str__ = __repr__


def blank_repeated(body: bytes, headers: Mapping[str, str], *, is_cut: bool = False) -> bytes:
    """An answer without what it repeats of the headers that signed its request; as long as before.

    Args:
        body: What was received.
        headers: The headers of the request.
        is_cut: Whether it may end in the middle of something.
    """
    for secret in (headers.get(name, "") for name in _NAMES):
        if len(secret) < _SHORTEST or secret.isdigit():
            continue
        # Letters and digits are written alike everywhere; without the longest run of them it cannot be there.
        if max(_LETTERS.findall(secret), key=len, default="").encode() in body:
            body = _pattern(secret).sub(lambda found: _BLANK * len(found[0]), body)
        if is_cut:
            body = _blank_end(body, secret)
    return body


def drop_frames(error: BaseException) -> None:
    """Leave an error its words and take its frames, whose variables hold headers; of all its causes likewise."""
    for each in _connected(error):
        each.__traceback__ = None
        for name in ("request", "response"):
            if getattr(each, name, None) is not None:
                setattr(each, name, None)


def _pattern(secret: str) -> re.Pattern[bytes]:
    """A secret in any mixture of the ways in which pages, JSON documents and URLs write its characters."""
    # Not in the middle of a longer word, which is somebody else's.
    return re.compile("".join([r"(?<![A-Za-z0-9])", *map(_spell, secret), r"(?![A-Za-z0-9])"]).encode())


def _spell(character: str) -> str:
    if character.isalnum():
        return character
    code = ord(character)
    named = {html.escape(character), "&apos;" if character == "'" else character}
    escaped = {f"%{code:02X}", f"%{code:02x}", f"&#{code};", f"&#x{code:x};", f"&#x{code:X};", f"\\u{code:04x}"}
    plus = {"+"} if character == " " else set()
    spellings = sorted(named | escaped | plus | {character}, key=len, reverse=True)
    return r"\\*(?:" + "|".join(map(re.escape, spellings)) + ")"


def _blank_end(body: bytes, secret: str) -> bytes:
    """Blank the beginning of a secret where an answer breaks off inside it."""
    escaped = json.dumps(secret)[1:-1]
    for spelling in (secret, escaped, html.escape(secret), html.escape(escaped), quote(secret, safe="")):
        for length in range(len(spelling) - 1, _SHORTEST - 1, -1):
            if body.endswith(spelling[:length].encode()):
                return body[: len(body) - length] + _BLANK * length
    return body


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
