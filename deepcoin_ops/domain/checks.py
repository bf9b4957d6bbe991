"""What was found about an account when somebody asked whether its closes may be sent: before a flatten, or in time for one.

A finding says in words what is wrong and what to do. One that blocks is a reason to send nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum


class CheckPurpose(StrEnum):
    """Why an account was checked.

    FLATTEN:     a flatten was about to send; its findings decided.
    PREFLIGHT:   the same questions in time for somebody to act.
    CREDENTIALS: only whether the key still works.
    """

    FLATTEN = "FLATTEN"
    PREFLIGHT = "PREFLIGHT"
    CREDENTIALS = "CREDENTIALS"


class FindingKind(StrEnum):
    """What a check can find.

    CREDENTIALS_MISSING: a variable with a part of the key is not set.
    KEY_UNKNOWN:         the exchange does not know the key; it deletes trading keys without a bound address after 30 idle
                         days.
    ADDRESS_REFUSED:     the key is bound to other addresses than this machine's.
    KEY_REFUSED:         the exchange refuses the key for another reason.
    ACCOUNT_UNREADABLE:  the account's uid or positions could not be read.
    UID_CHANGED:         the key belongs to another account than it did when a flatten was last admitted.
    NOT_ARMED:           there is no arming file for the account.
    ARMING_UNUSABLE:     there is one that cannot be trusted: readable by others, unreadable, or for something else.
    ARMING_EXPIRED:      its time is over.
    ARMING_ENDING:       it ends within 14 days.
    OTHER_UID:           it names another account than the key belongs to.
    CLOCK_OFF:           this machine's clock cannot be brought in line with the exchange's.
    KILL_SWITCH_ON:      somebody has stopped all sending.
    CAP_EXCEEDED:        what is open is more than a cap allows: in all, in one instrument, or in the number of instruments.
    NOTIONAL_UNKNOWN:    a cap is set and what is open cannot be priced.
    NOT_WATCHED:         the first trading day has not come, so that no alert says that a flatten is missing.

    These follow from the plan; a flatten is admitted with them. All keep it from ending FLAT, but for OVERSIZED and
    ODD_LOT, which may, and the last two, which are not its business.

    INSTRUMENT_UNLISTED: the exchange's list does not have a configured instrument.
    LISTING_UNREAD:      that list could not be read, so it is not known.
    NOT_TRADING:         an open instrument is not live.
    OVERSIZED:           a row is larger than one market order.
    ODD_LOT:             a row has a part that is no whole lot.
    COPY_TRADING_LEFT:   rows of copy trading that the settings leave open.
    ROW_UNPLACED:        a position's instrument id has no known spelling: it may be a configured one.
    ORDER_LEFT:          the settings leave an order that can open a position.
    ORDER_HOLDS_SIZE:    they leave one that may hold the size of a close.
    ORDERS_UNREADABLE:   an order list that the proof needs could not be read.
    DEADLINE_TOO_SHORT:  there is more to close than the deadline allows.
    UNCONFIGURED_POSITION: a position is open in an instrument that the settings do not name.
    UNCONFIGURED_ORDER:    an order that can open a position waits in such an instrument.
    """

    CREDENTIALS_MISSING = "CREDENTIALS_MISSING"
    KEY_UNKNOWN = "KEY_UNKNOWN"
    ADDRESS_REFUSED = "ADDRESS_REFUSED"
    KEY_REFUSED = "KEY_REFUSED"
    ACCOUNT_UNREADABLE = "ACCOUNT_UNREADABLE"
    UID_CHANGED = "UID_CHANGED"
    NOT_ARMED = "NOT_ARMED"
    ARMING_UNUSABLE = "ARMING_UNUSABLE"
    ARMING_EXPIRED = "ARMING_EXPIRED"
    ARMING_ENDING = "ARMING_ENDING"
    OTHER_UID = "OTHER_UID"
    CLOCK_OFF = "CLOCK_OFF"
    KILL_SWITCH_ON = "KILL_SWITCH_ON"
    CAP_EXCEEDED = "CAP_EXCEEDED"
    NOTIONAL_UNKNOWN = "NOTIONAL_UNKNOWN"
    NOT_WATCHED = "NOT_WATCHED"
    INSTRUMENT_UNLISTED = "INSTRUMENT_UNLISTED"
    LISTING_UNREAD = "LISTING_UNREAD"
    NOT_TRADING = "NOT_TRADING"
    OVERSIZED = "OVERSIZED"
    ODD_LOT = "ODD_LOT"
    COPY_TRADING_LEFT = "COPY_TRADING_LEFT"
    ROW_UNPLACED = "ROW_UNPLACED"
    ORDER_LEFT = "ORDER_LEFT"
    ORDER_HOLDS_SIZE = "ORDER_HOLDS_SIZE"
    ORDERS_UNREADABLE = "ORDERS_UNREADABLE"
    DEADLINE_TOO_SHORT = "DEADLINE_TOO_SHORT"
    UNCONFIGURED_POSITION = "UNCONFIGURED_POSITION"
    UNCONFIGURED_ORDER = "UNCONFIGURED_ORDER"

    @property
    def follows_from_plan(self) -> bool:
        """Whether it is found in what is open, listed and waiting: a guard of a flatten does not ask for it."""
        return self in _OF_THE_PLAN

    @property
    def keeps_from_flat(self) -> bool:
        """Whether a flatten that is admitted with it is not expected to end FLAT."""
        return self in _OF_THE_PLAN - _NAMED_ONLY


# What the exchange does with the first two is not documented: a flatten may end FLAT with them.
_NAMED_ONLY = frozenset(
    {
        FindingKind.OVERSIZED,
        FindingKind.ODD_LOT,
        FindingKind.UNCONFIGURED_POSITION,
        FindingKind.UNCONFIGURED_ORDER,
    }
)
_OF_THE_PLAN = _NAMED_ONLY | {
    FindingKind.INSTRUMENT_UNLISTED,
    FindingKind.LISTING_UNREAD,
    FindingKind.NOT_TRADING,
    FindingKind.COPY_TRADING_LEFT,
    FindingKind.ROW_UNPLACED,
    FindingKind.ORDER_LEFT,
    FindingKind.ORDER_HOLDS_SIZE,
    FindingKind.ORDERS_UNREADABLE,
    FindingKind.DEADLINE_TOO_SHORT,
}


@dataclass(frozen=True)
class Finding:
    """One thing that was found, in words for a person; `is_blocking` when nothing may be sent because of it."""

    kind: FindingKind
    is_blocking: bool
    text: str


@dataclass(frozen=True)
class AccountCheck:
    """One check of one account.

    Attributes:
        purpose: Why it was made.
        checked_at: When.
        base_url: Where the exchange was asked.
        uid: The account that the key belongs to; None when it was not asked or not answered.
        open_instruments: How many configured instruments a positions read showed open; None without such a read.
        notional_usdt: Their notional; None without such a read or where a price is missing.
        clock_offset_s: How far the exchange's clock was ahead of this machine's; None when nobody looked.
        armed_until: When the arming ends; None without a usable one, and on the paper venue.
        cap_usdt: The notional that a flatten may close, by arming and settings; None when there is no cap.
        findings: What was found; none means that a flatten would be admitted.
    """

    purpose: CheckPurpose
    checked_at: datetime
    base_url: str
    uid: str | None = None
    open_instruments: int | None = None
    notional_usdt: Decimal | None = None
    clock_offset_s: float | None = None
    armed_until: datetime | None = None
    cap_usdt: Decimal | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def blocking(self) -> tuple[Finding, ...]:
        """The findings because of which nothing may be sent."""
        return tuple(finding for finding in self.findings if finding.is_blocking)

    @property
    def is_passed(self) -> bool:
        """Whether closes may be sent, as far as this check looked."""
        return not self.blocking

    @property
    def doubts(self) -> tuple[Finding, ...]:
        """The findings with which a flatten sends its closes and is not expected to end FLAT."""
        return tuple(finding for finding in self.findings if finding.kind.keeps_from_flat)

    @property
    def would_end_flat(self) -> bool:
        """Whether nothing was found that keeps a flatten from being admitted, or from ending FLAT."""
        return self.is_passed and not self.doubts


def describe_findings(findings: Iterable[Finding]) -> str:
    """What was found, in words, each as a sentence of its own."""
    return " ".join(finding.text for finding in findings)
