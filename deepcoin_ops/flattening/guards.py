"""The conditions that hold before the first byte of a close leaves. Each says what it means and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from deepcoin_ops.domain.errors import GuardRefused
from deepcoin_ops.domain.model import FlattenRequest
from deepcoin_ops.settings import AccountSettings


def choose_instruments(account: AccountSettings, asked_for: Iterable[str]) -> tuple[str, ...]:
    """The instruments of a flatten: those asked for, or all configured ones when none are named.

    Raises:
        GuardRefused: One that is not configured was asked for.
    """
    wanted = tuple(dict.fromkeys(asked_for))
    strangers = [instrument_id for instrument_id in wanted if instrument_id not in account.instruments]
    if strangers:
        raise GuardRefused(
            f"account {account.name}: {', '.join(strangers)} is not among its configured instruments, so it is never "
            f"closed. Nothing was sent. Add it to the settings, or choose from: {', '.join(account.instruments)}."
        )
    return wanted or account.instruments


def describe_lateness(scheduled_at: datetime | None, now: datetime, max_lateness_s: float) -> str | None:
    """Why a tick is too late to be acted upon, or None when it is not, or when nobody scheduled it."""
    if scheduled_at is None or now - scheduled_at <= timedelta(seconds=max_lateness_s):
        return None
    late_minutes = (now - scheduled_at).total_seconds() / 60
    return (
        f"the tick of {scheduled_at.isoformat()} is {late_minutes:.0f} minutes late, more than the "
        f"{max_lateness_s / 60:.0f} allowed: closing now would flatten the next trading day"
    )


def check_lateness(request: FlattenRequest, now: datetime, max_lateness_s: float) -> None:
    """Refuse a scheduled flatten whose time has passed.

    Raises:
        GuardRefused: It is later than allowed.
    """
    lateness = describe_lateness(request.scheduled_at, now, max_lateness_s)
    if lateness is not None:
        raise GuardRefused(
            f"account {request.account}: {lateness}. Nothing was sent and all positions are as they were. "
            "Launch flatten_positions by hand if the account should be flat now."
        )


def check_clock_offset(offset: timedelta, max_offset_s: float) -> None:
    """Refuse to sign with a clock that is far off.

    Raises:
        GuardRefused: The exchange's clock differs by more than allowed.
    """
    if abs(offset.total_seconds()) > max_offset_s:
        raise GuardRefused(
            f"this machine's clock and the exchange's differ by {offset.total_seconds():.1f} s, more than the "
            f"{max_offset_s:.0f} s that are corrected. Nothing more is sent; set the machine's clock."
        )
