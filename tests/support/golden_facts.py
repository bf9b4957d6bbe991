"""Golden files: how each kind of fact is stored, and the words that its fields may hold, kept for ever.

    .venv/bin/python tests/support/golden_facts.py

writes the files and words that are missing. It never writes over a file and takes no word away: ledgers hold them, and they
have to be read for ever.
"""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec

from deepcoin_ops.domain.facts import Fact
from deepcoin_ops.ledger.chain import FIRST_PREVIOUS_HASH, build_fact_hash
from deepcoin_ops.ledger.encoding import KINDS, build_body, read_row
from deepcoin_ops.ledger.records import Recorded

GOLDEN = Path(__file__).resolve().parents[1] / "unit" / "ledger" / "golden"
WORDS = GOLDEN.with_name("golden_words.json")
_PLAIN: dict[type, tuple[object, object]] = {
    int: (7, 0),
    float: (1234.0625, 0.0),
    Decimal: (Decimal("-12500.00120"), Decimal("0E-8")),
    datetime: (datetime(2026, 3, 1, 23, 55, 0, 123, UTC), datetime(2026, 3, 1, tzinfo=UTC)),
}
# What may not be just any text: a close names the one instrument that it closes.
NAMED = {"instrument_ids": ("BTC-USDT-SWAP",)}


def build_samples(fact_type: type[Fact]) -> list[Any]:
    """Build two facts of a type from its fields: one with all of them set, one with as little as it may have."""
    return [_build(fact_type, "", None, is_full=is_full) for is_full in (True, False)]


def name_golden_file(kind: str) -> str:
    """Name the golden file of a kind."""
    return f"{kind.replace('/', '-')}.json"


def read_bodies(path: Path) -> list[str]:
    """Read the bodies in a golden file: a JSON array with one of them on each line."""
    return [line.removesuffix(",") for line in path.read_text().splitlines()[1:-1]]


def read_stored(kind: str, body: str, **changes: Any) -> Recorded:
    """Read a body as the ledger does when it stands in a row that is what was recorded."""
    row = {
        "seq": 1,
        "account": "main",
        "trading_day": "2026-03-01",
        "flatten_id": None,
        "kind": kind,
        "recorded_at": "2026-03-01T23:55:00.000000+00:00",
        "once_key": None,
        "body": body,
        "raw": None,
        "previous_hash": FIRST_PREVIOUS_HASH,
    } | changes
    return read_row(row | {"fact_hash": build_fact_hash(row)})


def find_words() -> dict[str, list[str]]:
    """Find the enumerations that facts use, each with its words."""
    found = {each.__name__: [str(word.value) for word in each] for kind in KINDS.values() for each in _find_enums(kind)}
    return dict(sorted(found.items()))


def read_words(path: Path = WORDS) -> dict[str, list[str]]:
    """Read the words that were ever recorded."""
    return json.loads(path.read_text()) if path.exists() else {}


def add_words(path: Path = WORDS) -> None:
    """Add the words that are not among those recorded yet."""
    known, found = read_words(path), find_words()
    merged = {name: list(dict.fromkeys([*known.get(name, []), *found.get(name, [])])) for name in {*known, *found}}
    path.write_text(json.dumps(merged, indent=2, sort_keys=True) + "\n")


def write_missing(folder: Path = GOLDEN) -> list[Path]:
    """Write the golden files that are missing, and name them."""
    written = []
    for kind, fact_type in KINDS.items():
        path = folder / name_golden_file(kind)
        if not path.exists():
            bodies = [build_body(sample) for sample in build_samples(fact_type)]
            path.write_text("[\n" + ",\n".join(bodies) + "\n]\n")
            written.append(path)
    return written


def _build(hint: Any, name: str, default: object, *, is_full: bool) -> Any:
    """Build a value of an annotated type; where there is a choice, a full one is not the default."""
    if name in NAMED:
        return NAMED[name]
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        [inner] = [each for each in arguments if each is not type(None)]
        return _build(inner, name, default, is_full=True) if is_full else None
    if origin is tuple:
        return tuple(_build(arguments[0], name, None, is_full=each) for each in (True, False)) if is_full else ()
    if origin in (dict, Mapping):
        return {key: _build(arguments[1], key, None, is_full=True) for key in ("BTC-USDT-SWAP", "ключ")} if is_full else {}
    if hint is bool:
        return default is not True if is_full else default is True
    if hint is str:
        return f'{name} – „é漢字🜁“ \\ "\n' if is_full else ""
    if issubclass(hint, Enum):
        members = list(hint)
        return next(each for each in reversed(members) if each != default) if is_full else members[0]
    if hint in _PLAIN:
        return _PLAIN[hint][0 if is_full else 1]
    return hint(**{each: _build(*rest, is_full=is_full) for each, rest in find_fields(hint).items()})


def _find_enums(hint: Any) -> Iterator[type[Enum]]:
    arguments = typing.get_args(hint)
    if arguments:
        for each in arguments:
            yield from _find_enums(each)
    elif isinstance(hint, type) and issubclass(hint, Enum):
        yield hint
    elif dataclasses.is_dataclass(hint) or (isinstance(hint, type) and issubclass(hint, msgspec.Struct)):
        for each, *_rest in find_fields(hint).values():
            yield from _find_enums(each)


def find_fields(record: type) -> dict[str, tuple[Any, str, object]]:
    """Find each field of a record with its type, its name and its default."""
    if issubclass(record, msgspec.Struct):
        return {each.name: (each.type, each.name, each.default) for each in msgspec.structs.fields(record)}
    hints = typing.get_type_hints(record)
    return {each.name: (hints[each.name], each.name, each.default) for each in dataclasses.fields(record)}


if __name__ == "__main__":
    add_words()
    for path in write_missing():
        print(f"written: {path.relative_to(GOLDEN.parents[3])}")  # noqa: T201 - a script for a person
