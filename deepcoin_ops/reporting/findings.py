"""What broke, what was settled meanwhile, which codes the exchange answered with: rows in, lines of the page out. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from deepcoin_ops.domain.breaks import DEFINITIONS, BreakType, Severity
from deepcoin_ops.domain.error_codes import explain_code

_Row = Mapping[str, Any]

# What was flat anyway is in the count of verdicts, missing evidence is told for each account.
_TOLD_ELSEWHERE = {BreakType.ALREADY_FLAT, BreakType.EVIDENCE_UNAVAILABLE}


@dataclass(frozen=True)
class Break:
    """Something that somebody has to do. Sizes in contracts, values in USDT; None where nobody knows."""

    severity: str
    kind: str
    meaning: str
    account: str
    instrument_id: str | None
    position_side: str | None
    quantity_before_contracts: Decimal | None
    notional_before_usdt: Decimal | None
    quantity_after_contracts: Decimal | None
    notional_after_usdt: Decimal | None
    age_s: float | None
    evidence: str | None
    also_found: tuple[str, ...]
    outcomes: str
    error_codes: str
    reason: str
    what_to_do: str


@dataclass(frozen=True)
class Settled:
    """A kind of finding that nobody has to clear, and what it was found on."""

    kind: str
    meaning: str
    subjects: tuple[str, ...]


@dataclass(frozen=True)
class CodeCount:
    """A code, how often it came as an error item of an accepted close or as the refusal of a whole one, and its meaning."""

    code: str
    items: int
    refusals: int
    meaning: str
    advice: str
    source: str
    messages: tuple[str, ...]


def list_breaks(found: Sequence[_Row]) -> list[Break]:
    """The day's breaks: ERROR first, then the largest value first."""
    order = list(Severity)
    breaks = [_build_break(row) for row in found if row["is_break"]]

    def weight(each: Break) -> tuple[int, Decimal, str, str]:
        value = each.notional_before_usdt if each.notional_after_usdt is None else each.notional_after_usdt
        rank = order.index(Severity(each.severity))
        # What nobody can put a value on may be the largest of all.
        return rank, -(Decimal("Infinity") if value is None else value), each.account, each.instrument_id or ""

    return sorted(breaks, key=weight)


def list_settled(found: Sequence[_Row]) -> list[Settled]:
    """The day's findings that are no breaks, most serious kind first, without what the page tells in a place of its own."""
    subjects: dict[str, list[str]] = {}
    for row in found:
        for kind in _split(row["findings"]) if not row["is_break"] else ():
            subjects.setdefault(kind, []).append(_describe_subject(row))
    return [
        Settled(kind.value, DEFINITIONS[kind].meaning, tuple(subjects[kind.value]))
        for kind in BreakType
        if kind.value in subjects and kind not in _TOLD_ELSEWHERE
    ]


def count_codes(items: Sequence[_Row], attempts: Sequence[_Row]) -> list[CodeCount]:
    """Every code of the day, the most frequent first.

    Args:
        items: The rows of `close_errors`.
        attempts: The rows of `close_attempts`; their outer code counts where it is not 0.
    """
    refused = [row for row in attempts if row["error_code"] not in (None, "", "0")]
    counted = []
    for code in dict.fromkeys([row["error_code"] for row in (*items, *refused)]):
        own = [row for row in items if row["error_code"] == code]
        meaning = explain_code(code)
        counted.append(
            CodeCount(
                code=code or "no code",
                items=len(own),
                refusals=sum(row["error_code"] == code for row in refused),
                meaning=meaning.meaning,
                advice=meaning.advice,
                source=meaning.source,
                messages=tuple(dict.fromkeys(row["error_message"] for row in own)),
            )
        )
    return sorted(counted, key=lambda each: (-each.items - each.refusals, each.code))


def _build_break(row: _Row) -> Break:
    return Break(
        severity=row["severity"],
        kind=row["break_type"],
        meaning=DEFINITIONS[BreakType(row["break_type"])].meaning,
        account=row["account"],
        instrument_id=row["instrument_id"],
        position_side=row["position_side"],
        quantity_before_contracts=row["quantity_before_contracts"],
        notional_before_usdt=row["notional_before_usdt"],
        quantity_after_contracts=row["quantity_after_contracts"],
        notional_after_usdt=row["notional_after_usdt"],
        age_s=row["age_s"],
        evidence=row["evidence"],
        also_found=tuple(_split(row["findings"])[1:]),
        outcomes=row["outcomes"],
        error_codes=row["error_codes"],
        reason=row["reason"],
        what_to_do=row["what_to_do"] or "",
    )


def _split(findings: str) -> list[str]:
    return [each for each in findings.split(", ") if each]


def _describe_subject(row: _Row) -> str:
    return " ".join(each for each in (row["account"], row["instrument_id"], row["position_side"]) if each)
