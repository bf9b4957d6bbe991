"""The ledger's word held against the paper exchange's own truth: positions, orders, and every request. Pure.

The truth is the account's part of what the exchange tells beside its wire; nothing on the real exchange corresponds to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deepcoin_ops.domain.model import CloseAttempt, InstrumentVerdict, Outcome
from deepcoin_ops.domain.orders import CancelAttempt


@dataclass(frozen=True)
class Comparison:
    """What the ledger says of one instrument beside what the exchange did and holds.

    `sends` pairs each attempt's outcome with whether the exchange executed that request.
    """

    instrument_id: str
    verdict: str
    sends: tuple[tuple[str, bool], ...]
    truly_open: str
    agrees: bool


@dataclass(frozen=True)
class OrderComparison:
    """What the ledger says of one order beside what became of it.

    `cancels` pairs the outcome of each cancel that was about it with whether the exchange executed that request.
    """

    order_id: str
    instrument_id: str
    kind: str
    effect: str
    cancels: tuple[tuple[str, bool], ...]
    truth: str
    agrees: bool


def compare(
    verdicts: Sequence[InstrumentVerdict], attempts: Sequence[CloseAttempt], truth: Mapping[str, Any]
) -> list[Comparison]:
    """Hold the ledger against the exchange's truth, instrument by instrument.

    They agree when a verdict says closed exactly where the exchange holds no open row, every request that reached the
    exchange is an attempt of the ledger and the other way round, what was accepted was executed, what was refused was not.

    Args:
        verdicts: The flatten's verdicts.
        attempts: The flatten's attempts, in the order of their sends.
        truth: The account's part of the exchange's truth channel.
    """
    open_rows: dict[str, list[str]] = {}
    for row in truth["open"]:
        size = f"{row['position_side']} {row['quantity_contracts']}"
        open_rows.setdefault(row["instrument_id"], []).append(size)
    comparisons = []
    for verdict in verdicts:
        instrument_id = verdict.instrument_id
        sent = [
            attempt.outcome
            for attempt in attempts
            if attempt.intent.instrument_id == instrument_id and attempt.outcome is not Outcome.NOT_SENT
        ]
        executed = [
            bool(request["is_executed"]) for request in truth["close_requests"] if request["instrument_id"] == instrument_id
        ]
        is_told = len(sent) == len(executed) and all(map(_is_true, sent, executed))
        comparisons.append(
            Comparison(
                instrument_id=instrument_id,
                verdict=verdict.verdict.value,
                sends=tuple((outcome.value, was) for outcome, was in zip(sent, executed, strict=False)),
                truly_open=", ".join(open_rows.get(instrument_id, [])) or "nothing",
                agrees=is_told and verdict.verdict.is_closed == (instrument_id not in open_rows),
            )
        )
    return comparisons


def pair_cancels(
    cancels: Iterable[CancelAttempt], truth: Mapping[str, Any]
) -> tuple[list[tuple[CancelAttempt, bool]], bool]:
    """The cancels that were sent, each beside whether the exchange executed it.

    Each endpoint is paced by itself, so that its requests arrive in the order in which they were sent.

    Args:
        cancels: The flatten's cancels, in the order of their sends.
        truth: The account's part of the exchange's truth channel.

    Returns:
        The pairs; and whether ledger and exchange agree: as many requests on both sides, what was accepted was executed,
        what was refused was not.
    """
    sent: dict[str, list[CancelAttempt]] = {}
    for cancel in cancels:
        if cancel.outcome is not Outcome.NOT_SENT:
            sent.setdefault(cancel.intent.endpoint, []).append(cancel)
    arrived: dict[str, list[bool]] = {}
    for request in truth["cancel_requests"]:
        arrived.setdefault(request["path"], []).append(bool(request["is_executed"]))
    pairs = [pair for path, mine in sent.items() for pair in zip(mine, arrived.get(path, []), strict=False)]
    is_whole = {path: len(mine) for path, mine in sent.items()} == {path: len(found) for path, found in arrived.items()}
    return pairs, is_whole and all(_is_true(cancel.outcome, is_executed) for cancel, is_executed in pairs)


def compare_orders(
    verdicts: Sequence[InstrumentVerdict], pairs: Sequence[tuple[CancelAttempt, bool]], truth: Mapping[str, Any]
) -> list[OrderComparison]:
    """Hold the ledger against the exchange's truth, order by order. None of the orders may fill by itself.

    They agree when an order of an instrument that was not flattened still waits, untouched and unnamed; and when of the
    others none that can open a position waits in what is called flat, none waits whose cancel was accepted, and none was
    cancelled by a request that the ledger does not know.

    Args:
        verdicts: The flatten's verdicts; an instrument without one was not flattened.
        pairs: The flatten's cancels that were sent, from `pair_cancels`.
        truth: The account's part of the exchange's truth channel.
    """
    flat = {verdict.instrument_id: verdict.verdict.is_flat for verdict in verdicts}
    compared = []
    for order in truth["orders"]:
        about = [(cancel.outcome, executed) for cancel, executed in pairs if _is_about(cancel, order)]
        is_working, is_flat = bool(order["is_working"]), flat.get(order["instrument_id"])
        if is_flat is None:
            agrees = is_working and not about
        else:
            is_opener_left = is_flat and is_working and not order["is_closing"]
            is_accepted = any(outcome is Outcome.ACCEPTED for outcome, _ in about)
            is_known = order["cancel_arrival"] is None or any(executed for _, executed in about)
            agrees = is_known and not is_opener_left and not (is_working and is_accepted)
        compared.append(
            OrderComparison(
                order_id=order["order_id"],
                instrument_id=order["instrument_id"],
                kind=order["kind"],
                effect="can only close" if order["is_closing"] else "can open",
                cancels=tuple((outcome.value, executed) for outcome, executed in about),
                truth="waits" if is_working else order["state"],
                agrees=agrees,
            )
        )
    return compared


def _is_about(cancel: CancelAttempt, order: Mapping[str, Any]) -> bool:
    """Whether a cancel names an order, or all orders of its kind and instrument."""
    intent = cancel.intent
    if intent.order_ids:
        return order["order_id"] in intent.order_ids
    return order["kind"] == intent.kind.lower() and order["instrument_id"] in intent.instrument_ids


def _is_true(outcome: Outcome, is_executed: bool) -> bool:
    """Whether what the exchange did is one of the things that an outcome claims."""
    if outcome is Outcome.ACCEPTED:
        return is_executed
    return not (outcome is Outcome.REFUSED and is_executed)
