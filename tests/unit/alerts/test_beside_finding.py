"""Positions that no setting names, at the end of a flatten: who hears of them, how often, and what settles it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from account_days import ACCOUNT, BTC, DAY, DOT, ETH, TICK, build_flatten, build_verdict

from deepcoin_ops.alerts.alert import Alert, AlertKind
from deepcoin_ops.domain.breaks import Severity
from deepcoin_ops.domain.checks import CheckPurpose, FindingKind
from deepcoin_ops.domain.day import DayFlatten
from deepcoin_ops.domain.model import FlattenResult
from deepcoin_ops.ledger.records import CheckRecord

Find = Callable[..., dict[str, Alert]]
SIZE = "long 7 (50 USDT)"
KEY = f"UNCONFIGURED_POSITION:{ACCOUNT}:{DAY}:{DOT}"


def flatten_with(unconfigured: dict[str, str], minutes: int = 0, **changes: object) -> DayFlatten:
    """A flatten that proved the configured instruments flat, and what its last read shows elsewhere."""
    opened_at = TICK + timedelta(minutes=minutes)
    flatten = build_flatten(build_verdict(BTC), build_verdict(ETH), number=minutes, opened_at=opened_at, **changes)
    assert flatten.closing is not None
    return replace(flatten, closing=replace(flatten.closing, unconfigured=unconfigured))


def test_a_flat_account_with_a_position_elsewhere_is_an_alert(find: Find) -> None:
    """Flat, exit code 0, and seven contracts that no flatten will ever close: money at risk overnight."""
    [alert] = find(flattens=(flatten_with({DOT: SIZE}),)).values()
    assert (alert.kind, alert.key, alert.severity) == (AlertKind.UNCONFIGURED_POSITION, KEY, Severity.ERROR)
    assert alert.title == f"[paper] {ACCOUNT}: OPEN AND NOT CONFIGURED, never closed: {DOT} {SIZE}"
    assert f"Open: {DOT} {SIZE}" in alert.text
    assert "expected_positions" in alert.text
    assert alert.settled is None


def test_the_same_position_is_one_alert_a_day(find: Find) -> None:
    """A second flatten of the evening shows it again, perhaps in another size; that is no news."""
    flattens = (flatten_with({DOT: SIZE}), flatten_with({DOT: "long 9"}, 5))
    [alert] = find(flattens=flattens).values()
    assert "long 9" in alert.title


@pytest.mark.parametrize("result", [FlattenResult.REFUSED, FlattenResult.DRY_RUN])
def test_a_flatten_that_did_nothing_is_no_end_of_the_day(find: Find, result: FlattenResult) -> None:
    """A refusal has an alert of its own, and a dry run is launched by a person who looks at it."""
    found = find(flattens=(flatten_with({DOT: SIZE}, result=result),))
    assert AlertKind.UNCONFIGURED_POSITION not in {alert.kind for alert in found.values()}


@pytest.mark.parametrize(
    ("later", "is_settled"),
    [
        (flatten_with({}, 5), True),
        (flatten_with({DOT: SIZE}, 5, is_dry_run=True, result=FlattenResult.DRY_RUN), False),
        (flatten_with({}, 5, is_dry_run=True, result=FlattenResult.DRY_RUN), True),
        (flatten_with({}, 5, result=FlattenResult.REFUSED), False),
    ],
)
def test_a_later_read_without_it_settles_it(find: Find, later: DayFlatten, is_settled: bool) -> None:
    """Closed by hand, configured, or named as expected: all the same to the next complete read."""
    alert = find(flattens=(flatten_with({DOT: SIZE}), later))[KEY]
    assert (alert.settled is not None) is is_settled


def test_a_read_of_contracts_alone_says_nothing_of_spot(find: Find) -> None:
    """What was seen beside a spot instrument may be a spot holding."""
    first = flatten_with({"SOL-USDT": "long 3"}, instruments=(BTC, "ETH-USDT"))
    [alert] = find(flattens=(first, flatten_with({}, 5))).values()
    assert alert.settled is None
    [alert] = find(flattens=(first, flatten_with({}, 5, instruments=("ETH-USDT",)))).values()
    assert alert.settled is not None


@pytest.mark.parametrize(
    ("kinds", "changes", "is_settled"),
    [
        ((), {}, True),
        ((FindingKind.UNCONFIGURED_POSITION,), {}, False),
        ((), {"open_instruments": None}, False),
        ((), {"purpose": CheckPurpose.FLATTEN}, False),
    ],
)
def test_a_later_preflight_that_looked_and_found_none_settles_it(
    find: Find,
    check_of: Callable[..., CheckRecord],
    kinds: tuple[FindingKind, ...],
    changes: dict[str, object],
    is_settled: bool,
) -> None:
    """The checks of a flatten itself do not look outside the configured instruments."""
    check = check_of(*kinds, at=TICK + timedelta(minutes=10), is_blocking=False, **changes)
    assert (find(flattens=(flatten_with({DOT: SIZE}),), checks=(check,))[KEY].settled is not None) is is_settled
