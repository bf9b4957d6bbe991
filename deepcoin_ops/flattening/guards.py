"""The conditions that hold before the first byte of a close leaves. Each says what it means and what to do."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import timedelta

from deepcoin_ops.domain.errors import GuardRefused
from deepcoin_ops.domain.model import product_group_of
from deepcoin_ops.domain.planning import MarketData
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


def find_held_back(instrument_ids: Iterable[str], seen_open: Collection[str], market: MarketData) -> dict[str, str]:
    """The instruments that no close may be sent for and that are not called flat, each with its reason.

    A misspelt instrument has no position either, and a close for it could be answered with an empty errorList. So an
    instrument has to be known to the exchange: by its list, or by an open position that a read has shown.

    Args:
        instrument_ids: What was asked for.
        seen_open: Instruments that any read of this flatten has shown open.
        market: The lists that could be read.
    """
    held_back = {}
    for instrument_id in instrument_ids:
        if instrument_id in seen_open or instrument_id in market.instruments:
            continue
        if product_group_of(instrument_id).instrument_type in market.listed_types:
            reason = (
                f"the exchange's instrument list has no {instrument_id}; a misspelt one would look flat. Mend the settings"
            )
        else:
            reason = (
                "the exchange's instrument list could not be read, and no read showed it open: whether the exchange knows "
                "it is not proven. Flatten again"
            )
        held_back[instrument_id] = reason
    return held_back
