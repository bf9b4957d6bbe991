"""Where alerts go: the addresses of one environment variable, each told apart by its number and never shown.

An address holds a password or a token. It is in no repr, no message and no file; beside its number only the word before
`://` is ever told. A bad one is a problem with a number and not an error: it must keep neither the other addresses nor a
flatten from their work.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field

from deepcoin_ops.settings_problems import sentence

ALERT_URLS_VARIABLE = "DEEPCOIN_OPS_ALERT_URLS"

_SCHEME = r"[A-Za-z][A-Za-z0-9+.-]*://"
# A comma or a space inside an address is no end of it, unless another address follows.
_BETWEEN = re.compile(rf"[\s,]+(?={_SCHEME})")
_WHOLE = re.compile(rf"{_SCHEME}[^\s]+", re.ASCII)
# Enough to tell a handful of addresses apart, and too little to find out an address by trying.
_ID_CHARACTERS = 8


@dataclass(frozen=True)
class AlertAddress:
    """One address. `number` counts from 1 in the variable."""

    number: int
    url: str = field(repr=False)

    @property
    def name(self) -> str:
        """What a person is told of it: its number and its kind of service."""
        return f"address {self.number} ({self.url.partition('://')[0].lower()})"

    @property
    def address_id(self) -> str:
        """By what the outbox knows it again when the order in the variable has changed."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:_ID_CHARACTERS]


@dataclass(frozen=True)
class AlertAddresses:
    """The addresses that can be used, and a line for each that cannot."""

    usable: tuple[AlertAddress, ...] = ()
    problems: tuple[str, ...] = ()


def parse_alert_urls(text: str) -> AlertAddresses:
    """The addresses in the variable's text, which are apart by space or comma; each once."""
    usable, problems = [], []
    pieces = [piece for each in _BETWEEN.split(text) if (piece := each.strip(" \t\r\n,"))]
    for number, url in enumerate(dict.fromkeys(pieces), 1):
        if _WHOLE.fullmatch(url):
            usable.append(AlertAddress(number, url))
            continue
        told = sentence("an apprise URL such as mailto://... or slack://...", "something else (not shown)")
        problems.append(f"environment: {ALERT_URLS_VARIABLE}: address {number}: {told}")
    return AlertAddresses(tuple(usable), tuple(problems))
