"""The smallest script that still goes wrong: what can be left out of a night without setting it right is left out."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from deepcoin_ops.domain.limits import Limits
from deepcoin_ops.simulation.script import Habits, Script

_MOST_TRIES = 3000
_STAYS = ("seed", "instruments", "habits", "limits")


def shrink(script: Script, is_wrong: Callable[[Script], bool]) -> Script:
    """Leave out of a script whatever can be left out while it stays wrong.

    Args:
        script: One that is wrong.
        is_wrong: Plays a script and says whether it goes wrong in the same way.
    """
    tries = 0
    has_shrunk = True
    while has_shrunk:
        has_shrunk = False
        for smaller in _list_smaller(script):
            tries += 1
            if tries > _MOST_TRIES:
                return script
            if is_wrong(smaller):
                script, has_shrunk = smaller, True
                break
    return script


def _list_smaller(script: Script) -> Iterator[Script]:
    """Scripts with one thing less, the largest things first."""
    for name in script.instruments if len(script.instruments) > 1 else ():
        yield _without_instrument(script, name)
    for field in dataclasses.fields(Script):
        value = getattr(script, field.name)
        if field.name in _STAYS or value == field.default:
            continue
        if isinstance(value, tuple | frozenset) and field.name not in ("freeze", "ledger_lost"):
            parts = sorted(value) if isinstance(value, frozenset) else value
            for number in range(len(parts)):
                less = [*parts[:number], *parts[number + 1 :]]
                part: dict[str, Any] = {field.name: type(value)(less)}
                yield dataclasses.replace(script, **part)
        else:
            yield dataclasses.replace(script, **_usual(field))
    for field in dataclasses.fields(Habits):
        if getattr(script.habits, field.name) != field.default:
            yield dataclasses.replace(script, habits=dataclasses.replace(script.habits, **_usual(field)))
    usual = Limits()
    for limit in Limits.__struct_fields__:
        if getattr(script.limits, limit) != getattr(usual, limit):
            limits = msgspec.structs.replace(script.limits, **{limit: getattr(usual, limit)})
            yield dataclasses.replace(script, limits=limits)


def _usual(field: dataclasses.Field[Any]) -> dict[str, Any]:
    return {field.name: field.default}


def _without_instrument(script: Script, name: str) -> Script:
    def keep(values: tuple[Any, ...], place: int) -> tuple[Any, ...]:
        return tuple(value for value in values if value[place] != name)

    named: dict[str, Any] = {
        field: getattr(script, field) - {name}
        for field in ("copied", "unlisted", "unreadable", "market_closed", "misnamed", "listless")
    }
    return dataclasses.replace(
        script,
        instruments=tuple(each for each in script.instruments if each != name),
        positions=keep(script.positions, 0),
        orders=tuple(each for each in script.orders if each.instrument_id != name),
        reopens=keep(script.reopens, 1),
        closes=keep(script.closes, 1),
        places=keep(script.places, 1),
        **named,
    )
