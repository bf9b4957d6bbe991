"""What checks of accounts give rise to: in time to act, once for each hour, and nothing that a later check has passed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from account_days import ACCOUNT, BTC, DAY, TICK, build_attempt, build_flatten

from deepcoin_ops.alerts.alert import Alert, AlertKind
from deepcoin_ops.domain.breaks import Severity
from deepcoin_ops.domain.checks import CheckPurpose, FindingKind
from deepcoin_ops.domain.day import DayFlatten
from deepcoin_ops.domain.model import FlattenResult, Outcome
from deepcoin_ops.ledger.records import CheckRecord

Find = Callable[..., dict[str, Alert]]
CheckOf = Callable[..., CheckRecord]


@pytest.mark.parametrize(
    ("kind", "meaning"),
    [
        (FindingKind.KEY_UNKNOWN, "no address after 30 idle days"),
        (FindingKind.ADDRESS_REFUSED, "bound to other addresses than this machine's"),
        (FindingKind.KILL_SWITCH_ON, "KILL_SWITCH_ON in words."),
    ],
)
def test_a_failed_check_says_what_was_found_and_what_it_means(
    find: Find, check_of: CheckOf, kind: FindingKind, meaning: str
) -> None:
    """A deleted key and a strange address look alike at night, and have different cures."""
    [alert] = find(checks=(check_of(kind),), is_due=False).values()
    assert alert.key == f"CHECK_FAILED:{ACCOUNT}:PREFLIGHT:2026-03-08T22:{kind}"
    assert alert.title == f"[paper] main: preflight found {kind}: the next flatten will be refused"
    assert f"- {kind} in words." in alert.text
    assert meaning in alert.text
    assert "Open: 3 instrument(s) when it was checked" in alert.text
    assert "Notional left open: 250,000 USDT" in alert.text
    assert alert.text.endswith("docs/runbook.md#check-failed")
    assert alert.severity is Severity.ERROR


def test_what_does_not_block_is_told_less_loudly(find: Find, check_of: CheckOf) -> None:
    """A cap that is exceeded and passed over still leaves time to look at the positions."""
    [alert] = find(checks=(check_of(FindingKind.CAP_EXCEEDED, is_blocking=False),)).values()
    assert alert.severity is Severity.WARN
    assert alert.title.endswith("the next flatten will go on all the same")


def test_what_keeps_a_flatten_from_ending_flat_is_as_loud_as_what_refuses_it(find: Find, check_of: CheckOf) -> None:
    """It goes on, and a person has to act before it."""
    [alert] = find(checks=(check_of(FindingKind.INSTRUMENT_UNLISTED, is_blocking=False),)).values()
    assert alert.severity is Severity.ERROR
    assert alert.title.endswith("INSTRUMENT_UNLISTED: the next flatten will close what it can and NOT END FLAT")


@pytest.mark.parametrize(
    ("purpose", "open_instruments", "is_settled"),
    [(CheckPurpose.PREFLIGHT, 3, True), (CheckPurpose.PREFLIGHT, None, False), (CheckPurpose.FLATTEN, 3, False)],
)
def test_what_a_plan_shows_is_settled_by_a_preflight_that_looked(
    find: Find, check_of: CheckOf, purpose: CheckPurpose, open_instruments: int | None, is_settled: bool
) -> None:
    """A flatten is admitted without asking for it, and a preflight that could not read the account saw no plan."""
    later = check_of(purpose=purpose, at=TICK - timedelta(minutes=10), open_instruments=open_instruments)
    found = find(checks=(check_of(FindingKind.INSTRUMENT_UNLISTED, is_blocking=False), later))
    assert [alert.settled is not None for alert in found.values()] == [is_settled]


def test_a_check_without_findings_is_told_to_nobody(find: Find, check_of: CheckOf) -> None:
    """Nor is one whose only finding is told once a day by itself."""
    assert find(checks=(check_of(), check_of(FindingKind.ARMING_ENDING, is_blocking=False))) == {}


def test_the_same_findings_are_told_again_in_another_hour_and_not_in_the_same(find: Find, check_of: CheckOf) -> None:
    """Ten minutes before the flatten is worth another message; somebody who tries whether it is mended is not."""
    kind = FindingKind.KEY_UNKNOWN
    at = TICK - timedelta(hours=1)
    told = [
        next(iter(find(checks=(check_of(kind, at=each),))))
        for each in (at, at + timedelta(minutes=9), at + timedelta(hours=1))
    ]
    assert told[0] == told[1] != told[2]


@pytest.mark.parametrize(
    ("failed", "passed", "is_settled"),
    [
        (CheckPurpose.PREFLIGHT, CheckPurpose.PREFLIGHT, True),
        (CheckPurpose.PREFLIGHT, CheckPurpose.FLATTEN, True),
        (CheckPurpose.PREFLIGHT, CheckPurpose.CREDENTIALS, False),
        (CheckPurpose.CREDENTIALS, CheckPurpose.CREDENTIALS, True),
        (CheckPurpose.CREDENTIALS, CheckPurpose.PREFLIGHT, True),
    ],
)
def test_a_later_check_that_asks_as_much_and_passes_settles_it(
    find: Find, check_of: CheckOf, failed: CheckPurpose, passed: CheckPurpose, is_settled: bool
) -> None:
    """Old news wakes nobody; that the key works says nothing about a kill switch."""
    checks = (check_of(FindingKind.KEY_UNKNOWN, purpose=failed), check_of(purpose=passed, at=TICK - timedelta(minutes=10)))
    [alert] = find(checks=checks).values()
    assert (alert.settled is not None) is is_settled


def test_a_later_check_that_finds_the_same_settles_nothing(find: Find, check_of: CheckOf) -> None:
    """Nor does one of another account."""
    first = check_of(FindingKind.KEY_UNKNOWN)
    again = check_of(FindingKind.KEY_UNKNOWN, FindingKind.CLOCK_OFF, at=TICK - timedelta(minutes=10))
    assert [alert.settled for alert in find(checks=(first, again)).values()] == [None, None]


SENT = (build_attempt(),)
NOT_SENT = (replace(build_attempt(outcome=Outcome.NOT_SENT), sent_at=None),)
STOPPED, UNLISTED, UNWATCHED, BESIDE = (
    FindingKind.KILL_SWITCH_ON,
    FindingKind.INSTRUMENT_UNLISTED,
    FindingKind.NOT_WATCHED,
    FindingKind.UNCONFIGURED_POSITION,
)


@pytest.mark.parametrize(
    ("kinds", "flatten", "settled"),
    [
        ([STOPPED], build_flatten(attempts=SENT, result=FlattenResult.NOT_FLAT), "flatten F0 was admitted and sent"),
        ([STOPPED], build_flatten(attempts=SENT, result=None), "flatten F0 was admitted and sent"),
        ([STOPPED], build_flatten(attempts=NOT_SENT, result=FlattenResult.NOT_FLAT), None),
        ([STOPPED], build_flatten(result=FlattenResult.REFUSED), None),
        ([STOPPED], build_flatten(result=FlattenResult.DRY_RUN, is_dry_run=True), None),
        ([STOPPED], build_flatten(attempts=SENT, opened_at=TICK - timedelta(hours=3)), None),
        ([STOPPED], build_flatten(), "flatten F0 ended FLAT"),
        ([STOPPED, UNLISTED], build_flatten(attempts=SENT, result=FlattenResult.NOT_FLAT), None),
        ([STOPPED, UNLISTED], build_flatten(attempts=SENT), "flatten F0 ended FLAT"),
        ([UNLISTED], build_flatten(attempts=SENT, instruments=[BTC]), None),
        ([UNWATCHED], build_flatten(attempts=SENT), None),
        ([UNLISTED, BESIDE], build_flatten(attempts=SENT), None),
    ],
)
def test_a_later_flatten_shows_that_it_is_over(
    find: Find, check_of: CheckOf, kinds: list[FindingKind], flatten: DayFlatten, settled: str | None
) -> None:
    """One that sent was let pass by every guard; one that ended FLAT was kept from it by nothing."""
    found = find(checks=(check_of(*kinds),), flattens=(flatten,))
    [alert] = [alert for alert in found.values() if alert.kind is AlertKind.CHECK_FAILED]
    assert settled in alert.settled if settled and alert.settled else alert.settled is settled


def test_a_flatten_that_found_it_again_settles_nothing(find: Find, check_of: CheckOf) -> None:
    """It went on above a cap, because the settings say so; the cap is exceeded as before."""
    again = check_of(FindingKind.CAP_EXCEEDED, purpose=CheckPurpose.FLATTEN, at=TICK, is_blocking=False, flatten_id="F0")
    checks = (check_of(FindingKind.CAP_EXCEEDED), again)
    found = find(checks=checks, flattens=(build_flatten(attempts=SENT, result=FlattenResult.NOT_FLAT),))
    [alert] = [alert for alert in found.values() if alert.kind is AlertKind.CHECK_FAILED]
    assert alert.settled is None


def test_that_nothing_is_watched_is_settled_by_a_preflight_alone(find: Find, check_of: CheckOf) -> None:
    """The guards of a flatten do not ask since when alerts watch."""
    first = check_of(FindingKind.NOT_WATCHED, is_blocking=False)
    later = [
        check_of(purpose=each, at=TICK - timedelta(minutes=9)) for each in (CheckPurpose.FLATTEN, CheckPurpose.PREFLIGHT)
    ]
    settled = [next(iter(find(checks=(first, each)).values())).settled for each in later]
    assert [each is not None for each in settled] == [False, True]


def test_a_cap_that_was_passed_over_is_told_with_the_notional(find: Find, check_of: CheckOf) -> None:
    """Closing went on because the settings say so; somebody has to hear of it."""
    record = check_of(
        FindingKind.CAP_EXCEEDED,
        purpose=CheckPurpose.FLATTEN,
        at=TICK,
        is_blocking=False,
        flatten_id="F0",
        cap_usdt=100_000,
    )
    [alert] = find(checks=(record,)).values()
    assert alert.key == "CAP_EXCEEDED:F0"
    assert alert.title == "[paper] main: over the cap and closed anyway: 250,000 USDT, the cap is 100,000 USDT"
    assert alert.text.endswith("docs/runbook.md#cap-exceeded")


def test_a_flatten_that_its_check_refused_did_not_pass_over_a_cap(find: Find, check_of: CheckOf) -> None:
    """Its own closing row tells that it was refused; the cap may have been passed over and the arming not."""
    of_flatten = {"purpose": CheckPurpose.FLATTEN, "at": TICK, "flatten_id": "F0"}
    expired, over = check_of(FindingKind.ARMING_EXPIRED), check_of(FindingKind.CAP_EXCEEDED, is_blocking=False)
    mixed = check_of(**of_flatten)
    findings = (*expired.check.findings, *over.check.findings)
    assert find(checks=(replace(mixed, check=replace(mixed.check, findings=findings)),)) == {}
    assert find(checks=(check_of(FindingKind.CAP_EXCEEDED, purpose=CheckPurpose.FLATTEN, at=TICK, flatten_id="F0"),)) == {}


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (timedelta(days=14, minutes=1), None),
        (timedelta(days=14), "the arming ends in 14 day(s)"),
        (timedelta(hours=3), "the arming ends in 1 day(s)"),
        (-timedelta(hours=1), "the arming has ended: every flatten is refused"),
    ],
)
def test_an_arming_that_ends_is_told_once_a_day(find: Find, check_of: CheckOf, left: timedelta, told: str | None) -> None:
    """Fourteen days are time enough; one message a day is not overlooked."""
    now = TICK + timedelta(minutes=20)
    checks = (check_of(armed_until=now + left), check_of(purpose=CheckPurpose.CREDENTIALS))
    found = find(checks=checks, now=now)
    assert {key: alert.title for key, alert in found.items()} == (
        {f"ARMING_ENDING:{ACCOUNT}:{DAY}": f"[paper] main: {told}"} if told else {}
    )
    if told:
        later = find(checks=checks, now=now + timedelta(hours=20), is_due=False)
        assert [key for key in later if key.startswith("ARMING")] == [f"ARMING_ENDING:{ACCOUNT}:2026-03-09"]
