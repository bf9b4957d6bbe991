"""Each numbered rule of the core, and what it is without it: a rule whose absence no oracle notices is no rule.

`without` takes a rule away for as long as its block runs; `watching` counts where rules made a difference. Rules that
nothing but the wire or the shell can break are not here: they have tests there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from deepcoin_ops.core import choose, judge, reads, rules
from deepcoin_ops.core.known import NEVER_S
from deepcoin_ops.simulation.night import Night
from deepcoin_ops.simulation.script import draw

# Rule → the module it is in, its function, and what stands in its place.
RULES: dict[str, tuple[Any, str, Callable[..., Any]]] = {
    "S1": (rules, "s1_find_stop", lambda state, _now_s: None if state.may_send else ("READ_ONLY", "")),
    "S2": (rules, "s2_is_ready", lambda state: state.is_read),
    "S3": (rules, "s3_is_fresh", lambda state, each, _now_s: state.newest(each.instrument_type) is not None),
    "S4": (rules, "s4_has_room", lambda _state: True),
    "S5": (rules, "s5_has_evidence", lambda _state, _each: True),
    "S6": (rules, "s6_is_paused", lambda _state: False),
    "S7": (rules, "s7_is_spent", lambda _state, _each: False),
    "S8": (rules, "s8_find_excess", lambda _state: None),
    "S9": (rules, "s9_in_order", lambda state: list(reversed(state.ranked))),
    "S10": (rules, "s10_blocked_until_s", lambda _state, _each: NEVER_S),
    "S11": (rules, "s11_list_kept", lambda _state, _each: []),
    "S12": (rules, "s12_names_rows", lambda _each: False),
    "S14": (choose, "may_still_send", lambda _state, _call, _intended_s, _now_s: True),
    "K1": (rules, "k1_has_to_go", lambda _state, order: order.attempts < 10),
    "K2": (rules, "k2_is_still_shown", lambda _state, order: order.gone_s == math.inf),
    "K3": (rules, "k3_may_leave", lambda _state, _order: True),
    "R1": (
        reads,
        "r1_positions_due_s",
        lambda state, of_type, _now_s: math.inf if state.newest(of_type) else state.opened_s,
    ),
    "R2": (reads, "r2_trigger_due_s", lambda _state, _each: math.inf),
    "R3": (reads, "r3_history_due", lambda _state: ()),
    "R4": (reads, "r4_not_before_s", lambda _state, _read: NEVER_S),
    "F1": (judge, "f1_counts_from_s", lambda state: state.opened_s),
    "F2": (judge, "f2_is_absent", lambda _state, each, counting: not counting[-1].contracts.get(each.instrument_id)),
    "F3": (judge, "f3_is_doubtful", lambda _counting: False),
    "F4": (judge, "f4_has_opening_order", lambda _state, _each: False),
    "F5": (judge, "f5_is_whole", lambda _counting, _each, _settle_s: True),
    "F6": (judge, "f6_positions_from_s", lambda _state, _each: NEVER_S),
    "F7": (judge, "f7_is_shown_closed", lambda _state, _each: True),
    "F8": (judge, "f8_is_unlisted", lambda _state, _each: False),
}


# Rule → whether it made a difference, by what its function found.
_MAKES_A_DIFFERENCE: dict[str, Callable[[Any], bool]] = {
    **dict.fromkeys(("S2", "S3", "S4", "S5", "S14", "K1", "K2", "K3", "F2", "F5", "F7"), lambda found: not found),
    **dict.fromkeys(("S6", "S7", "S11", "S12", "F3", "F4", "F8"), bool),
    **dict.fromkeys(("S1", "S8"), lambda found: found is not None),
    **dict.fromkeys(("S10", "R4", "F6"), lambda found: found > NEVER_S),
    **dict.fromkeys(("R1", "R2"), lambda found: found < math.inf),
    "S9": lambda found: len(found) > 1,
    "R3": bool,
    "F1": lambda found: found == math.inf,
}


@contextmanager
def watching(fired: set[str]) -> Iterator[None]:
    """Add to a set each rule that makes a difference."""
    kept = {rule: getattr(module, name) for rule, (module, name, _instead) in RULES.items()}
    for rule, (module, name, _instead) in RULES.items():
        setattr(module, name, _watch(rule, kept[rule], fired))
    try:
        yield
    finally:
        for rule, (module, name, _instead) in RULES.items():
            setattr(module, name, kept[rule])


def _watch(rule: str, find: Callable[..., Any], fired: set[str]) -> Callable[..., Any]:
    makes_a_difference = _MAKES_A_DIFFERENCE[rule]

    def found(*arguments: Any, **more: Any) -> Any:
        value = find(*arguments, **more)
        value = list(value) if rule == "R3" else value
        if rule not in fired and makes_a_difference(value):
            fired.add(rule)
        return value

    return found


@contextmanager
def without(rule: str) -> Iterator[None]:
    """Take a rule away."""
    module, name, instead = RULES[rule]
    kept = getattr(module, name)
    setattr(module, name, instead)
    try:
        yield
    finally:
        setattr(module, name, kept)


def bite(rule: str, seed: int) -> list[str]:
    """Play a night without a rule: what the oracles, or the core's own assertions, found wrong."""
    with without(rule):
        try:
            return Night(draw(seed)).play().violations
        except AssertionError as error:
            return [f"assertion: {error}"]


def search(rule: str, seeds: range) -> tuple[int, str] | None:
    """The first seed of which the night goes wrong without a rule, with what was found; None where none does."""
    for seed in seeds:
        found = bite(rule, seed)
        if found:
            return seed, found[0]
    return None
