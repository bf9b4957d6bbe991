"""The point of the ledger that a day's files were built from, as each file carries it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class TableHead:
    """The ledger head that a file was built from.

    `seq` 0 means that the ledger had nothing on that day, an empty `ledger_id` that there was no ledger. `altered` tells
    what in the day's entries was not what had been recorded; empty when they were intact.
    """

    ledger_id: str
    seq: int
    hashes: Mapping[str, str]
    altered: str = ""

    def to_json(self) -> str:
        """As a file carries it."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str | bytes) -> TableHead:
        """Read it back.

        Raises:
            ValueError: The text is not one.
            TypeError: It has other fields.
        """
        return cls(**json.loads(text))
