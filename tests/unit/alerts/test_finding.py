"""What somebody has to hear of an evening, in which words, and what later news settles. Nothing is read here."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from account_days import (
    ACCOUNT,
    BTC,
    DAY,
    ETH,
    TICK,
    build_attempt,
    build_cancel,
    build_flatten,
    build_page,
    build_verdict,
)

from deepcoin_ops.alerts.alert import DEFINITIONS, RUNBOOK, Alert, AlertKind
from deepcoin_ops.domain.breaks import Severity
from deepcoin_ops.domain.checks import CheckPurpose, FindingKind
from deepcoin_ops.domain.day import DayFlatten
from deepcoin_ops.domain.model import FlattenResult, Outcome, PositionSide, Verdict
from deepcoin_ops.ledger.records import CheckRecord, SkippedTick

CHECKOUT = Path(__file__).resolve().parents[3]
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
Find = Callable[..., dict[str, Alert]]
ALL_FLAT = (build_verdict(BTC), build_verdict(ETH))
PAST_DEADLINE = TICK + timedelta(hours=2)


def not_flat(**changes: object) -> DayFlatten:
    """A flatten that left ETH open on two sides, and closed BTC."""
    left = build_verdict(ETH, Verdict.RESIDUAL, quantity_after_contracts=Decimal(5), notional_after_usdt=Decimal(1234567))
    after = (build_page((ETH, LONG, "4"), (ETH, SHORT, "1.50"), purpose="verify"),)
    return build_flatten(build_verdict(BTC), left, result=FlattenResult.NOT_FLAT, after=after, **changes)


def test_a_good_evening_is_told_to_nobody(find: Find) -> None:
    """Whoever is told of every good evening does not look at the message of the bad one."""
    flat = build_flatten(*ALL_FLAT)
    assert find(flattens=(flat,)) == {}
    late = find(flattens=(flat,), now=PAST_DEADLINE)
    assert [alert for alert in late.values() if alert.settled is None] == []


def test_what_is_left_open_is_told_with_sides_sizes_notional_cure_and_place(find: Find) -> None:
    """Read on a telephone at night: the title has the amount, the text is enough to act upon."""
    flatten = not_flat(attempts=(build_attempt(1, Outcome.UNKNOWN, instrument_id=ETH),))
    flatten = replace(flatten, request=replace(flatten.request, run_id="run-7"))
    [alert] = find(flattens=(flatten,)).values()
    assert (alert.kind, alert.key, alert.severity) == (AlertKind.NOT_FLAT, "NOT_FLAT:F0", Severity.ERROR)
    assert alert.title == "[paper] main: NOT FLAT; left open: 1,234,567 USDT"
    for told in (
        f"Account main on the paper venue, trading day {DAY}.",
        "ended NOT_FLAT at 2026-03-08 23:31:00 UTC: a test",
        "Open: ETH-USDT-SWAP long 4, short 1.5 (1,234,567 USDT): RESIDUAL",
        "Notional left open: 1,234,567 USDT",
        f"close 1 of {ETH} at 2026-03-08 23:30:00 UTC: a test",
        DEFINITIONS[AlertKind.NOT_FLAT].what_to_do,
        f"`deepcoin-ops ledger show {DAY}`",
        "run run-7 in Dagster's page",
        "docs/runbook.md#flatten-not-flat",
    ):
        assert told in alert.text
    assert BTC not in alert.text


def test_the_notional_says_what_it_leaves_out(find: Find) -> None:
    """Half an amount that reads like the whole one is worse than none."""
    unknown = build_verdict(BTC, Verdict.RESIDUAL, notional_after_usdt=None)
    priced = build_verdict(ETH, Verdict.RESIDUAL)
    flatten = build_flatten(unknown, priced, result=FlattenResult.NOT_FLAT)
    [alert] = find(flattens=(flatten,)).values()
    assert "left open: 400 USDT, and 1 instrument(s) without a known notional" in alert.title


def test_an_unverified_flatten_is_told_with_what_was_open_before(find: Find) -> None:
    """Nothing shows it open and nothing proves it flat: the last thing known is what there was."""
    doubtful = build_verdict(ETH, Verdict.UNVERIFIED)
    before = (build_page((ETH, SHORT, "10")),)
    flatten = build_flatten(build_verdict(BTC), doubtful, result=FlattenResult.UNVERIFIED, before=before, after=before)
    [alert] = find(flattens=(flatten,)).values()
    assert alert.title == "[paper] main: NOT VERIFIED FLAT; left open: 1,000 USDT, as it was before the first close"
    assert "Open: ETH-USDT-SWAP not read again; before: short 10 (1,000 USDT): UNVERIFIED" in alert.text
    assert alert.text.endswith("docs/runbook.md#flatten-unverified")


def test_a_refused_flatten_is_told_with_the_notional_it_left_open(find: Find, check_of: Callable[..., CheckRecord]) -> None:
    """A guard that holds leaves everything open: by its own check, by an earlier one, or by nothing known."""
    verdicts = [
        build_verdict(each, Verdict.UNVERIFIED, quantity_before_contracts=None, notional_before_usdt=None)
        for each in (BTC, ETH)
    ]
    flatten = build_flatten(*verdicts, result=FlattenResult.REFUSED, reason="the arming has ended")
    own = check_of(FindingKind.ARMING_EXPIRED, purpose=CheckPurpose.FLATTEN, at=TICK, flatten_id="F0")
    [alert] = find(flattens=(flatten,), checks=(own,)).values()
    assert alert.title == "[paper] main: FLATTEN REFUSED, nothing was closed; left open: 250,000 USDT in 3 instrument(s)"
    assert "ended REFUSED" in alert.text
    assert "the arming has ended" in alert.text
    assert "- ARMING_EXPIRED in words." in alert.text
    assert alert.text.endswith("docs/runbook.md#flatten-refused")
    unread = replace(flatten, closing=replace(flatten.closing, residual_notional_usdt=None))
    [alert] = find(flattens=(unread,), checks=(check_of(),)).values()
    assert "not known (a check at 2026-03-08 22:30:00 UTC saw 3 instrument(s) open, 250,000 USDT)" in alert.title
    [alert] = find(flattens=(unread,)).values()
    assert alert.title.endswith("left open: not known")
    [alert] = find(
        flattens=(replace(flatten, closing=replace(flatten.closing, residual_notional_usdt=Decimal(7))),)
    ).values()
    assert alert.title.endswith("left open: 7 USDT")


def test_a_flatten_without_a_closing_row_is_told_once_nobody_works_on_it(find: Find) -> None:
    """One that still runs is no news; of one that was killed, what it sent may have happened."""
    attempts = (build_attempt(1, Outcome.ACCEPTED), build_attempt(2, Outcome.UNKNOWN, instrument_id=ETH))
    after = (build_page((BTC, LONG, "10"), (ETH, SHORT, "3"), purpose="round"),)
    flatten = build_flatten(result=None, attempts=attempts, after=after)
    assert find(flattens=(flatten,)) == {}
    [alert] = find(flattens=(flatten,), killed=frozenset({"F0"})).values()
    assert (alert.key, alert.title) == ("KILLED:F0", "[paper] main: FLATTEN KILLED, what is open is not known")
    assert "has no closing row and nobody works on it" in alert.text
    assert "- BTC-USDT-SWAP long 10\n- ETH-USDT-SWAP short 3\n" in alert.text
    assert f"close 2 of {ETH}" in alert.text
    assert alert.text.endswith("docs/runbook.md#flatten-killed")


@pytest.mark.parametrize("result", [FlattenResult.NOT_FLAT, FlattenResult.UNVERIFIED, FlattenResult.REFUSED, None])
def test_a_dry_run_is_told_to_nobody(find: Find, result: FlattenResult | None) -> None:
    """It was asked for by whoever reads its plan."""
    flatten = build_flatten(result=result, is_dry_run=True)
    assert find(flattens=(flatten,), killed=frozenset({"F0"})) == {}


def test_what_is_older_than_two_days_is_no_news(find: Find) -> None:
    """A desk that sets up alerts is not told of its past."""
    flatten, now = not_flat(), TICK + timedelta(minutes=1)
    assert "NOT_FLAT:F0" in find(flattens=(flatten,), now=now + timedelta(hours=48))
    assert find(flattens=(flatten,), now=now + timedelta(hours=48, seconds=1), is_due=False) == {}


def test_a_later_flatten_that_proves_the_same_instruments_flat_settles_it(find: Find) -> None:
    """Old news at three in the morning wakes somebody for nothing; an other instrument's proof settles nothing."""
    left, later = not_flat(), TICK + timedelta(minutes=5)
    other = build_flatten(build_verdict(BTC), number=1, opened_at=later, instruments=(BTC,))
    assert find(flattens=(left, other))["NOT_FLAT:F0"].settled is None
    proof = build_flatten(build_verdict(ETH), number=1, opened_at=later, instruments=(ETH,))
    told = find(flattens=(left, proof))["NOT_FLAT:F0"].settled
    assert told == "flatten F1 proved it flat at 2026-03-08 23:36:00 UTC"
    of_another = replace(proof, request=replace(proof.request, account="hedge"))
    assert find(flattens=(left, of_another))["NOT_FLAT:F0"].settled is None
    earlier = build_flatten(*ALL_FLAT, number=1, opened_at=TICK - timedelta(minutes=5))
    assert find(flattens=(earlier, left))["NOT_FLAT:F0"].settled is None


def test_a_refused_flatten_is_settled_by_a_proof_that_ended_since_it_was_asked_for(find: Find) -> None:
    """The one that held the lock has done the work; the one that waited for it in vain may end after it."""
    refused = build_flatten(result=FlattenResult.REFUSED, opened_at=TICK + timedelta(seconds=30))
    holder = build_flatten(*ALL_FLAT, number=1, opened_at=TICK)
    assert find(flattens=(holder, refused))["REFUSED:F0"].settled == "flatten F1 proved it flat at 2026-03-08 23:31:00 UTC"
    before = build_flatten(*ALL_FLAT, number=1, opened_at=TICK - timedelta(minutes=5))
    assert find(flattens=(before, refused))["REFUSED:F0"].settled is None


def test_a_day_that_nobody_flattened_is_told_after_the_deadline(find: Find, check_of: Callable[..., CheckRecord]) -> None:
    """With what is on record of the day, and what was last seen open."""
    refused = build_flatten(result=FlattenResult.REFUSED, reason="the kill switch is on")
    found = find(flattens=(refused,), checks=(check_of(),), now=PAST_DEADLINE)
    alert = found[f"FLATTEN_MISSING:{ACCOUNT}:{DAY}"]
    assert alert.title == "[paper] main: NOBODY FLATTENED by the deadline; what is open is not known"
    assert "the tick of 2026-03-08 23:30:00 UTC had until 2026-03-09 00:30:00 UTC" in alert.text
    assert "- flatten F0: REFUSED: the kill switch is on" in alert.text
    assert "saw 3 instrument(s) open, 250,000 USDT" in alert.text
    assert alert.text.endswith("docs/runbook.md#flatten-missing")
    by_hand = build_flatten(*ALL_FLAT, number=1, opened_at=PAST_DEADLINE)
    settled = find(flattens=(refused, by_hand), now=PAST_DEADLINE + timedelta(minutes=2))
    assert settled[alert.key].settled == "flatten F1 proved it flat at 2026-03-09 01:31:00 UTC"


def test_instruments_that_every_flatten_of_the_evening_left_out_are_told_after_the_deadline(find: Find) -> None:
    """One instrument flattened by hand reads as FLAT, and says nothing of the others."""
    part = build_flatten(build_verdict(ETH), instruments=[ETH])
    found = find(flattens=(part,), now=PAST_DEADLINE)
    alert = found[f"FLATTEN_MISSING:{ACCOUNT}:{DAY}"]
    assert alert.title == f"[paper] main: NOT FLATTENED by the deadline: {BTC}; what is open is not known"
    assert f"{BTC}: not known" in alert.text
    assert "of 2 configured instruments, nobody flattened 1 after it" in alert.text
    rest = build_flatten(build_verdict(BTC), instruments=[BTC], number=1)
    assert all(each.settled for each in find(flattens=(part, rest), now=PAST_DEADLINE).values())
    later = replace(rest, opened_at=PAST_DEADLINE, closed_at=PAST_DEADLINE + timedelta(minutes=1))
    assert find(flattens=(part, later), now=PAST_DEADLINE + timedelta(minutes=2))[alert.key].settled
    # An instrument that the settings name since then was not left out.
    assert f"FLATTEN_MISSING:{ACCOUNT}:{DAY}" not in find(flattens=(replace(part, configured=(ETH,)),), now=PAST_DEADLINE)


def test_a_tick_without_a_flatten_is_told_as_soon_as_the_schedule_would_refuse_it(find: Find) -> None:
    """The deadline may be hours away, and nothing closes by itself any more."""
    late = TICK + timedelta(minutes=31)
    assert find(now=TICK + timedelta(minutes=30)) == {}
    [alert] = find(now=late).values()
    assert alert.key == f"NOT_STARTED:{ACCOUNT}:{DAY}"
    assert "NO FLATTEN HAS STARTED" in alert.title
    assert alert.text.endswith("docs/runbook.md#flatten-not-started")
    assert find(now=late, flattens=(build_flatten(result=None),)) == {}
    assert list(find(now=late, flattens=(build_flatten(result=FlattenResult.DRY_RUN, is_dry_run=True),))) == [alert.key]


def test_a_skipped_tick_is_told_with_its_reason_and_once(find: Find) -> None:
    """Whoever hears that the tick was skipped need not hear beside it that nothing has started."""
    late = TICK + timedelta(minutes=45)
    tick = SkippedTick(1, ACCOUNT, DAY, TICK, "the tick is 45 minutes late", late)
    [alert] = find(now=late, skipped_ticks=(tick,)).values()
    assert alert.key == f"SKIPPED_TICK:{ACCOUNT}:{TICK.isoformat()}"
    assert "What happened: the tick is 45 minutes late" in alert.text
    assert alert.text.endswith("docs/runbook.md#skipped-tick")
    by_hand = build_flatten(*ALL_FLAT, opened_at=late)
    assert find(now=late + timedelta(minutes=2), skipped_ticks=(tick,), flattens=(by_hand,))[alert.key].settled


def test_an_unknown_outcome_that_the_proof_settled_is_told_to_nobody(find: Find) -> None:
    """The reads have shown what became of it."""
    flatten = build_flatten(*ALL_FLAT, attempts=(build_attempt(1, Outcome.UNKNOWN),), cancels=(build_cancel(),))
    assert find(flattens=(flatten,)) == {}


def test_an_unknown_outcome_that_no_proof_covers_is_told_although_the_account_is_flat(find: Find) -> None:
    """A cancel of a whole product group takes orders of instruments on which there is no verdict."""
    group = build_cancel(1, Outcome.UNKNOWN)
    group = replace(group, intent=replace(group.intent, instrument_ids=(), order_ids=()))
    [alert] = find(flattens=(build_flatten(*ALL_FLAT, cancels=(group,)),)).values()
    assert alert.key == "UNKNOWN_OUTCOME:F0"
    assert "orders of a whole product group" in alert.title
    assert "cancel 1 of resting orders of a whole product group at 2026-03-08 23:30:00 UTC: a test" in alert.text
    assert alert.text.endswith("docs/runbook.md#unknown-outcome")


def test_a_flatten_that_was_throttled_often_is_told_and_one_that_was_once_is_not(find: Find) -> None:
    """Somebody else sends with the same key; closes and cancels count together."""
    throttled = [replace(build_attempt(number, Outcome.REFUSED), is_throttled=True) for number in range(4)]
    cancel = replace(build_cancel(1, Outcome.REFUSED), is_throttled=True)
    assert find(flattens=(build_flatten(*ALL_FLAT, attempts=tuple(throttled)),)) == {}
    [alert] = find(flattens=(build_flatten(*ALL_FLAT, attempts=tuple(throttled), cancels=(cancel,)),)).values()
    assert (alert.key, alert.severity) == ("THROTTLED_OFTEN:F0", Severity.WARN)
    assert "5 closes and cancels" in alert.text
    assert "Open: nothing: it was proven flat" in alert.text


def test_a_ledger_that_cannot_be_read_is_told_once_a_day(find: Find) -> None:
    """Nothing else can be told then, and silence would read as a good evening."""
    found = find(ledger_problem="The ledger could not be read: disk I/O error.", is_due=False)
    assert list(found) == ["LEDGER_UNREADABLE:2026-03-08"]
    assert "disk I/O error" in found["LEDGER_UNREADABLE:2026-03-08"].text


def test_a_ledger_that_every_flatten_refuses_is_told_beside_one_that_could_not_be_read(find: Find) -> None:
    """Whoever puts an old copy in place of a damaged one has to hear on the same day that nothing is sent on it."""
    found = find(ledger_setback="it is an old copy; remove its mark to go on", is_due=False)
    [alert] = found.values()
    assert alert.kind is AlertKind.LEDGER_UNREADABLE
    assert "LEDGER_UNREADABLE:2026-03-08" not in found
    assert "NOTHING IS SENT until somebody has looked" in alert.title
    assert "remove its mark to go on" in alert.text


def test_the_most_urgent_comes_first(find: Find, check_of: Callable[..., CheckRecord]) -> None:
    """Where a service takes few messages, it has to be the right ones."""
    cap = check_of(FindingKind.CAP_EXCEEDED, purpose=CheckPurpose.FLATTEN, at=TICK, is_blocking=False, flatten_id="F0")
    found = find(flattens=(not_flat(),), checks=(check_of(FindingKind.KEY_UNKNOWN), cap))
    assert [alert.kind for alert in found.values()] == [AlertKind.NOT_FLAT, AlertKind.CHECK_FAILED, AlertKind.CAP_EXCEEDED]


def test_every_kind_is_defined_with_a_section_of_its_own_in_the_runbook() -> None:
    """The anchors are sent to people; one that leads nowhere leaves somebody without help at night."""
    assert DEFINITIONS.keys() == set(AlertKind)
    anchors = {definition.anchor for definition in DEFINITIONS.values()}
    assert len(anchors) == len(AlertKind)
    for document in (RUNBOOK, "docs/alerts.md"):
        lines = (CHECKOUT / document).read_text().splitlines()
        headings = {line.removeprefix("## ").lower().replace(" ", "-") for line in lines if line.startswith("## ")}
        linked = set(re.findall(r"runbook\.md#([a-z-]+)", "\n".join(lines)))
        assert anchors <= (headings if document == RUNBOOK else linked)
