"""The launch of one flatten by the clocks of its machine: both looks at it, and what a clock that is set does to them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from set_clock import SetClock

from deepcoin_ops.domain.errors import GuardRefused
from deepcoin_ops.domain.model import FlattenRequest
from deepcoin_ops.flattening.launch_guard import LaunchGuard
from deepcoin_ops.settings import Settings, load_settings

NOON = datetime(2026, 3, 9, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def settings(settings_file: Callable[..., dict[str, str]]) -> Settings:
    """Half an hour for lateness, ten minutes for the lock; the day ends at midnight."""
    text = "accounts: {main: {credentials_prefix: MAIN, instruments: [BTC-USDT-SWAP]}}\nflatten: {lock_wait_s: 600}\n"
    return load_settings(settings_file("http://127.0.0.1:1", text))


def build(
    settings: Settings, clock: SetClock, scheduled_at: datetime | None = None, launched_at: datetime | None = None
) -> LaunchGuard:
    """The guard of a flatten that begins now."""
    request = FlattenRequest("id", "main", "2026-03-09", "a test", ("BTC-USDT-SWAP",), False, scheduled_at)
    return LaunchGuard(settings, request, launched_at, clock)


def test_what_waited_for_the_lock_may_be_later_by_that_wait_and_no_more(settings: Settings) -> None:
    """Half an hour late, ten minutes for the lock, two for what the guards ask: as long as the run's own time allows."""
    assert settings.max_start_delay_s == 42 * 60
    for more in ({"scheduled_at": NOON}, {"launched_at": NOON}):
        clock = SetClock(NOON + 30 * MINUTE)
        guard = build(settings, clock, **more)
        guard.check_before_lock()
        clock.pass_time(12 * MINUTE)
        guard.check_before_first_send()
        with pytest.raises(GuardRefused):
            guard.check_before_lock()
        clock.pass_time(timedelta(seconds=1))
        with pytest.raises(GuardRefused, match=r"42 minutes .* more than the 42 minutes allowed"):
            guard.check_before_first_send()


def test_the_end_of_the_trading_day_denies_what_still_waits(settings: Settings) -> None:
    """In time at a quarter to midnight, and a minute past it the next day's positions are there."""
    clock = SetClock(NOON + 11 * 60 * MINUTE + 50 * MINUTE)
    guard = build(settings, clock, NOON + 11 * 60 * MINUTE + 45 * MINUTE)
    guard.check_before_lock()
    clock.pass_time(11 * MINUTE)
    with pytest.raises(GuardRefused, match="it is 2026-03-10: closing now would flatten another day"):
        guard.check_before_first_send()


@pytest.mark.parametrize("step", [timedelta(hours=-5), timedelta(hours=5)], ids=["back", "forward"])
def test_a_clock_that_is_set_while_it_waits_denies(settings: Settings, step: timedelta) -> None:
    """Set back after five hours, it shows the time of the launch; set forward, nothing shows by how much."""
    for more in ({"scheduled_at": NOON}, {"launched_at": NOON}, {}):
        clock = SetClock(NOON)
        guard = build(settings, clock, **more)
        guard.check_before_lock()
        if step < timedelta(0):
            clock.pass_time(-step)
        clock.set_wall(clock.wall_now() + step)
        with pytest.raises(GuardRefused):
            guard.check_before_first_send()


def test_a_launch_by_hand_from_now_may_act_and_the_message_says_what_to_do(settings: Settings) -> None:
    """The command line launches and begins in one moment."""
    build(settings, SetClock(NOON)).check_before_lock()
    with pytest.raises(GuardRefused, match=r"account main: the launch of .* Nothing was sent .* launch flatten_positions"):
        build(settings, SetClock(NOON), launched_at=NOON - 31 * MINUTE).check_before_lock()
