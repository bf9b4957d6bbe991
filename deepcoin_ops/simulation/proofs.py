"""What the facts of a night offer as proof, by the law alone."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.model import InstrumentType
from deepcoin_ops.domain.orders import OrderList


def find_proofs(facts: Sequence[f.AnyFact], settle_s: float) -> dict[InstrumentType, list[f.PositionsRead]]:
    """Find the positions reads that began a settle time after the last answer of any call, by type."""
    settled_s, found = -math.inf, defaultdict(list)
    for fact in reversed(facts):
        match fact:
            case f.CallIntended() | f.CallAnswered() | f.FlattenOpened():
                settled_s = fact.at_s
                break
            case f.PositionsRead():
                found[fact.instrument_type].append(fact)
            case _:
                pass
    from_s = settled_s + settle_s
    return {name: [read for read in reversed(reads) if read.started_s >= from_s] for name, reads in found.items()}


def find_lists(
    facts: Sequence[f.AnyFact], shows: Mapping[tuple[f.Read, float], float]
) -> dict[tuple[OrderList, str | None], float]:
    """Find the moment that the newest list of each kind shows."""
    found: dict[tuple[OrderList, str | None], float] = {}
    for fact in facts:
        if isinstance(fact, f.OrdersRead):
            lane = f.Lane.RESTING if fact.order_list is OrderList.RESTING else f.Lane.TRIGGER
            read = f.Read(lane=lane, order_list=fact.order_list, about=fact.instrument_id or "")
            found[fact.order_list, fact.instrument_id] = shows[read, round(fact.started_s, 6)]
    return found
