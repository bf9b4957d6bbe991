"""The point of the ledger that a day's files were built from, as each file carries it. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class TableHead:
    """The ledger head that a file was built from.

    `seq` 0 means that the ledger had nothing on that day, an empty `ledger_id` that there was no ledger. `altered` tells by
    account what in the day's entries was not what had been recorded; empty when they were intact. `due_at` is the deadline
    of the day's flatten, empty without one, and `is_past_due` whether it was over when the day was judged.
    """

    ledger_id: str
    seq: int
    hashes: Mapping[str, str]
    altered: Mapping[str, str] = field(default_factory=dict)
    due_at: str = ""
    is_past_due: bool = False

    def knows_more_than(self, other: TableHead) -> bool:
        """Whether this one, of the same ledger, was read or judged later."""
        is_judged_later = self.due_at == other.due_at and self.is_past_due and not other.is_past_due
        return self.seq > other.seq or (self.seq == other.seq and is_judged_later)

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
