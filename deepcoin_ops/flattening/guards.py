"""The conditions that hold before the first byte of a close leaves. Each says what it means and what to do."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from deepcoin_ops.domain.errors import GuardRefused
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
