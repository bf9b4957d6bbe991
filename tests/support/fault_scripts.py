"""Fault scripts by call number: which call of an endpoint goes wrong, and which one in every so many. Draws from a seed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

from deepcoin_ops.paper.faults import Fault, FaultAction


def strike(endpoint: str, calls: Mapping[int, Mapping[str, Any]]) -> list[Fault]:
    """Faults that strike the calls of an endpoint by their numbers.

    A fault does not count a call that an earlier line of the script has taken, so that the numbers on the lines are not
    those of the calls.

    Args:
        endpoint: The end of its path. No other line of the script may be about it.
        calls: What goes wrong, as fields of `Fault`, by the number of the call, counted from 1.
    """
    return [Fault(endpoint=endpoint, call=call - taken, **calls[call]) for taken, call in enumerate(sorted(calls))]


def one_in(every: int, calls: int, chance: random.Random) -> list[int]:
    """The numbers of calls of which one in every so many is struck: one, drawn anew, in each run of that many calls."""
    return [start + chance.randint(1, every) for start in range(0, calls, every)]


def hang_in_turns(calls: list[int]) -> dict[int, dict[str, Any]]:
    """These calls are never answered; the first is executed all the same, the second is not, and so on in turns."""
    return {call: {"action": FaultAction.HANG, "is_executed": turn % 2 == 0} for turn, call in enumerate(calls)}
