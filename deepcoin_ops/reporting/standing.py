"""How each account stands at the end of its day, and the one line that answers for all of them. Pure.

The verdicts and findings are those of the reconciliation; here they are only put into an order and into words.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Any

from deepcoin_ops.domain.breaks import BreakType, Severity
from deepcoin_ops.domain.model import Verdict
from deepcoin_ops.reporting.day import ReportAccount, ReportDay
from deepcoin_ops.reporting.words import format_count, format_moment, format_usdt

_Row = Mapping[str, Any]
_NAMED_ACCOUNTS = 6
_NOBODY_KNOWS = "value left not known"


class Standing(StrEnum):
    """How an account stands, worst first."""

    NOT_FLAT = "NOT FLAT"
    NOBODY_FLATTENED = "NOBODY FLATTENED"
    NOT_PROVEN = "NOT PROVEN FLAT"
    ORDER_LEFT = "ORDER LEFT"
    NOTHING_DUE = "NOTHING DUE"
    FLAT = "FLAT"

    @property
    def mark(self) -> str:
        """A sign that is told from the others without colour."""
        return {"FLAT": "✓", "NOTHING DUE": "–", "NOT PROVEN FLAT": "?"}.get(self.value, "✗")

    @property
    def is_good(self) -> bool:
        """Whether nobody has to look at the account's positions."""
        return self in (Standing.FLAT, Standing.NOTHING_DUE)


@dataclass(frozen=True)
class AccountStanding:
    """One account's line.

    `left_usdt` is what is known to be open of the configured instruments, None where nothing is known, and all of it if
    `is_left_whole`. `outside` counts positions in instruments that are not configured, `orders_left` the orders that wait
    in those that are, as far as lists were read, `breaks` by severity what somebody has to do something about.
    """

    account: str
    standing: Standing
    detail: str
    before_usdt: Decimal | None
    left_usdt: Decimal | None
    is_left_whole: bool
    outside: int
    orders_left: int
    breaks: Mapping[str, int]
    evidence: str

    @property
    def break_count(self) -> int:
        """How many rows somebody has to do something about."""
        return sum(self.breaks.values())


def judge_accounts(day: ReportDay, found: Sequence[_Row]) -> list[AccountStanding]:
    """A line for each account, worst first, then by name.

    Args:
        day: The day beside its frames.
        found: The rows of the day's reconciliation.
    """
    lines = [_judge(day, each, [row for row in found if row["account"] == each.account]) for each in day.accounts]
    order = list(Standing)
    return sorted(lines, key=lambda line: (order.index(line.standing), line.account))


def build_verdict(lines: Sequence[AccountStanding]) -> str:
    """The answer in a word or two: the worst standing, and whether something broke.

    Where nobody has to look, both good standings are named: an account that was not due is not proven flat.
    """
    standings = {line.standing for line in lines} or {Standing.NOTHING_DUE}
    good = [standing for standing in reversed(Standing) if standing in standings and standing.is_good]
    bad = [standing for standing in Standing if standing in standings and not standing.is_good]
    answer = bad[0] if bad else " / ".join(good)
    breaks = sum(line.break_count for line in lines)
    return f"{answer}, {format_count(breaks, 'break')}" if breaks else answer


def find_tone(lines: Sequence[AccountStanding]) -> str:
    """How loud the answer is: `bad` where money is at risk, `warn` where somebody has to decide, else `good`."""
    if any(not line.standing.is_good or line.breaks.get(Severity.ERROR) for line in lines):
        return "bad"
    return "warn" if any(line.break_count for line in lines) else "good"


def build_headline(lines: Sequence[AccountStanding]) -> str:
    """The answer in one line: which account stands how, what it is worth, and what broke."""
    groups = [(standing, [line for line in lines if line.standing is standing]) for standing in Standing]
    told = [f"{standing}: {_name(group)}" for standing, group in groups if group]
    return ". ".join([*told, _describe_breaks(lines)]) + "."


def list_severities(breaks: Mapping[str, int]) -> str:
    """Counts by severity, the most serious first; empty without any."""
    return ", ".join(f"{breaks[severity]} {severity}" for severity in Severity if breaks.get(severity))


def _describe_breaks(lines: Sequence[AccountStanding]) -> str:
    breaks = sum((Counter(line.breaks) for line in lines), Counter[str]())
    return f"{format_count(breaks.total(), 'break')} ({list_severities(breaks)})" if breaks else "No break"


def _name(group: Sequence[AccountStanding]) -> str:
    named = [line.account + _describe_worth(line) for line in group[:_NAMED_ACCOUNTS]]
    more = [f"{len(group) - _NAMED_ACCOUNTS} more"] if len(group) > _NAMED_ACCOUNTS else []
    return ", ".join([*named, *more])


def describe_left(line: AccountStanding) -> str:
    """What is left open of an account, in USDT; at least so much where some of it is not known."""
    at_least = "" if line.is_left_whole or line.left_usdt is None else "at least "
    return at_least + format_usdt(line.left_usdt)


def _describe_worth(line: AccountStanding) -> str:
    told = [f"{format_count(line.orders_left, 'order')} left waiting"] if line.orders_left else []
    told += [f"{format_count(line.outside, 'position')} outside the settings open"] if line.outside else []
    if not line.standing.is_good:
        told.insert(0, _NOBODY_KNOWS if line.left_usdt is None else f"{describe_left(line)} USDT left open")
    elif line.before_usdt:
        told.insert(0, f"{format_usdt(line.before_usdt)} USDT closed")
    return f" ({', '.join(told)})" if told else ""


def _judge(day: ReportDay, account: ReportAccount, rows: Sequence[_Row]) -> AccountStanding:
    standing = _find_standing(rows)
    configured = [row for row in rows if row["verdict"] is not None]
    before, after = ([row[name] for row in configured] for name in ("notional_before_usdt", "notional_after_usdt"))
    has_looked = standing not in (Standing.NOBODY_FLATTENED, Standing.NOTHING_DUE)
    left = sum((value for value in after if value is not None), Decimal(0))
    is_left_whole = has_looked and None not in after
    return AccountStanding(
        account=account.account,
        standing=standing,
        detail=_describe(day, account, standing, rows),
        before_usdt=sum(before, Decimal(0)) if configured and None not in before else None,
        left_usdt=left if is_left_whole or (has_looked and left) else None,
        is_left_whole=is_left_whole,
        outside=sum(row["break_type"] == BreakType.UNCONFIGURED_POSITION for row in rows),
        orders_left=sum(row["orders_left"] or 0 for row in rows),
        breaks=Counter(row["severity"] for row in rows if row["is_break"]),
        evidence=account.evidence,
    )


def _find_standing(rows: Sequence[_Row]) -> Standing:
    verdicts = {row["verdict"] for row in rows}
    if any(row["break_type"] == BreakType.FLATTEN_MISSING for row in rows):
        return Standing.NOBODY_FLATTENED
    if Verdict.RESIDUAL in verdicts:
        return Standing.NOT_FLAT
    if Verdict.UNVERIFIED in verdicts:
        return Standing.NOT_PROVEN
    # A row can say so although the verdict was given before anybody saw the order.
    if Verdict.RESTING_ORDER_LEFT in verdicts or any(_is_order_left(row) for row in rows):
        return Standing.ORDER_LEFT
    return Standing.FLAT if verdicts & {Verdict.FLAT, Verdict.ALREADY_FLAT} else Standing.NOTHING_DUE


def _is_order_left(row: _Row) -> bool:
    return bool(row["is_break"]) and BreakType.RESTING_ORDER_LEFT in row["findings"].split(", ")


def _describe(day: ReportDay, account: ReportAccount, standing: Standing, rows: Sequence[_Row]) -> str:
    """What has to be known beside the standing, in words."""
    verdicts = {row["instrument_id"]: row["verdict"] for row in rows if row["verdict"] is not None}
    flat = sum(verdict in (Verdict.FLAT, Verdict.ALREADY_FLAT) for verdict in verdicts.values())
    told = [f"{flat} of {format_count(len(verdicts), 'instrument')} proven flat"] if verdicts else []
    if standing is Standing.NOTHING_DUE and account.due is None:
        told.append("no flatten was due on this day")
    elif account.due is not None and not account.due.is_past:
        told.append(f"the day's scheduled flatten has until {format_moment(account.due.deadline_at, day.timezone)}")
    elif standing is Standing.NOBODY_FLATTENED:
        told.append("a flatten was due and none counts for the end of this day")
    told += [f"a tick was skipped: {reason}" for reason in account.skipped_ticks]
    return "; ".join(told)
