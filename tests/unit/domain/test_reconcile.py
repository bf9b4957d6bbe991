"""What a day means: which facts count, which break it is, and the invariants for any day that could be recorded."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from decimal import Decimal

import pytest
from account_days import (
    BTC,
    DAY_END,
    DOT,
    ETH,
    NOT_YET_DUE,
    PAST_DUE,
    TICK,
    build_attempt,
    build_cancel,
    build_day,
    build_flatten,
    build_item,
    build_list,
    build_order,
    build_page,
    build_protection,
    build_verdict,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcoin_ops.domain.breaks import DEFINITIONS, BreakType, ReconciliationRow, Severity
from deepcoin_ops.domain.day import AccountDay, DayFlatten, DueTick
from deepcoin_ops.domain.errors import LockTimeout
from deepcoin_ops.domain.evidence import ClosedPosition, EvidenceRead, EvidenceSource, EvidenceStatus
from deepcoin_ops.domain.model import FlattenResult, InstrumentType, Outcome, PositionSide, ProductGroup, Verdict
from deepcoin_ops.domain.orders import Order
from deepcoin_ops.domain.reconcile import reconcile

LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
ALL_FLAT = (build_verdict(BTC), build_verdict(ETH, Verdict.ALREADY_FLAT))
ETH_FLAT = build_verdict(ETH, Verdict.ALREADY_FLAT)
LOCKED = f"account main: {LockTimeout.IN_WORDS} for 3 s: somebody"
EARLIER = TICK - timedelta(hours=10)


def find(day: AccountDay, instrument_id: str | None = BTC, side: PositionSide | None = None) -> ReconciliationRow:
    """The one row of an instrument's side, or the one about the whole account."""
    [row] = [each for each in reconcile(day) if (each.instrument_id, each.position_side) == (instrument_id, side)]
    return row


def breaks_of(day: AccountDay) -> list[tuple[str | None, BreakType | None]]:
    """The breaks of a day, by instrument."""
    return [(row.instrument_id, row.break_type) for row in reconcile(day) if row.is_break]


def test_every_break_type_is_defined_once_and_says_what_to_do() -> None:
    """A break that nobody knows the meaning of is cleared by nobody."""
    assert set(DEFINITIONS) == set(BreakType)
    assert all(each.meaning.endswith(".") and each.what_to_do.endswith(".") for each in DEFINITIONS.values())
    assert len({each.meaning for each in DEFINITIONS.values()}) == len(DEFINITIONS)


def test_a_clean_evening_has_a_row_for_each_instrument_and_no_break() -> None:
    """The good day: what was flat before, and what the exchange was not asked about, is told as information."""
    day = build_day(build_flatten(*ALL_FLAT, before=(build_page((BTC, LONG, "10")),), after=(build_page(),)))
    assert breaks_of(day) == []
    assert find(day, BTC, LONG).findings == (BreakType.EVIDENCE_UNAVAILABLE,)
    assert (find(day, ETH).break_type, find(day, ETH).severity) == (BreakType.ALREADY_FLAT, Severity.INFO)


def test_a_residual_side_is_a_break_and_the_side_that_closed_is_not() -> None:
    """One batch close takes both sides; the person who clears the rest has to know which one it is, and how much."""
    before, after = build_page((BTC, LONG, "6"), (BTC, SHORT, "4")), build_page((BTC, SHORT, "4"))
    flatten = build_flatten(
        build_verdict(BTC, Verdict.RESIDUAL), ETH_FLAT, result=FlattenResult.NOT_FLAT, before=(before,), after=(after,)
    )
    day = build_day(flatten)
    assert breaks_of(day) == [(BTC, BreakType.RESIDUAL_POSITION)]
    short, long = find(day, BTC, SHORT), find(day, BTC, LONG)
    assert (short.quantity_before_contracts, short.quantity_after_contracts) == (Decimal(4), Decimal(4))
    assert (short.notional_before_usdt, short.notional_after_usdt) == (Decimal(400), Decimal(400))
    assert (long.quantity_before_contracts, long.quantity_after_contracts) == (Decimal(6), Decimal(0))
    assert (long.notional_before_usdt, long.notional_after_usdt) == (Decimal(600), Decimal(0))


def test_a_residual_without_a_recorded_row_is_a_break_all_the_same() -> None:
    """The verdict was given by reads that counted; a row that is missing in the record must not hide it."""
    flatten = build_flatten(build_verdict(BTC, Verdict.RESIDUAL), ETH_FLAT, result=FlattenResult.NOT_FLAT)
    assert breaks_of(build_day(flatten)) == [(BTC, BreakType.RESIDUAL_POSITION)]
    assert find(build_day(flatten)).quantity_after_contracts == Decimal(4)


def test_a_position_that_was_not_there_before_is_reopened_and_not_only_residual() -> None:
    """The cure is another one: whoever trades has to be stopped before anything is closed again."""
    after = build_page((BTC, LONG, "4"), ids="NEW")
    verdict = build_verdict(BTC, Verdict.RESIDUAL, reopened_position_ids=("NEW0",))
    day = build_day(build_flatten(verdict, ETH_FLAT, result=FlattenResult.NOT_FLAT, after=(after,)))
    assert find(day, BTC, LONG).findings == (BreakType.REOPENED, BreakType.RESIDUAL_POSITION)


@pytest.mark.parametrize(
    ("verdict", "severity"), [(Verdict.FLAT, Severity.INFO), (Verdict.UNVERIFIED, Severity.ERROR)], ids=str
)
def test_what_the_reads_have_settled_is_information(verdict: Verdict, severity: Severity) -> None:
    """An unknown close and error items are a break only as long as nobody knows how it ended."""
    attempts = (build_attempt(1, Outcome.UNKNOWN), build_attempt(2, Outcome.PARTIAL, [build_item(0), build_item(1)]))
    day = build_day(build_flatten(build_verdict(BTC, verdict), ETH_FLAT, attempts=attempts))
    row = find(day, BTC, LONG)
    assert row.severity is severity
    expected = {BreakType.UNKNOWN_OUTCOME, BreakType.PARTIAL_FAILURE, BreakType.DUPLICATE_ERROR_ITEM}
    assert set(row.findings) - {BreakType.UNVERIFIED} == expected
    assert row.outcomes == (Outcome.UNKNOWN, Outcome.PARTIAL)


def test_a_position_that_is_not_configured_is_a_break_that_somebody_decides() -> None:
    """It is never closed, so the account is not flat although the flatten was."""
    flatten = build_flatten(*ALL_FLAT, before=(build_page((DOT, SHORT, "7")),), after=(build_page((DOT, SHORT, "7")),))
    row = find(build_day(flatten), DOT, SHORT)
    assert (row.break_type, row.severity) == (BreakType.UNCONFIGURED_POSITION, Severity.WARN)
    assert row.quantity_after_contracts == Decimal(7)


def test_a_position_that_the_settings_expect_is_no_break() -> None:
    """It stays in the tables, so that a day can be read; it asks for nothing."""
    page = build_page((DOT, SHORT, "7"))
    row = find(build_day(build_flatten(*ALL_FLAT, before=(page,), after=(page,), expected=(DOT,))), DOT, SHORT)
    assert (row.break_type, row.severity, row.is_break) == (BreakType.EXPECTED_POSITION, Severity.INFO, False)
    assert row.quantity_after_contracts == Decimal(7)


def test_what_parsers_noticed_is_one_row_for_the_account() -> None:
    """The same unknown field stands in every row of every read."""
    flatten = build_flatten(*ALL_FLAT, notes=("positions row with unknown field(s): x",))
    row = find(build_day(flatten), None)
    assert (row.break_type, row.severity) == (BreakType.SCHEMA_DRIFT, Severity.INFO)
    assert "unknown field(s): x" in row.reason
    cancelled = build_flatten(*ALL_FLAT, cancels=(build_cancel(notes=("a cancel's item with unknown field(s): y",)),))
    assert "unknown field(s): y" in find(build_day(cancelled), None).reason


# -- several flattens of one day --------------------------------------------------------------------------------------


def test_the_last_flatten_that_looked_decides_and_earlier_items_stay_explained() -> None:
    """A second flatten cleared what the first one left; the first one's items are still a part of the day."""
    first = build_flatten(
        build_verdict(BTC, Verdict.RESIDUAL),
        ETH_FLAT,
        result=FlattenResult.NOT_FLAT,
        before=(build_page((BTC, LONG, "10")),),
        attempts=(build_attempt(1, Outcome.PARTIAL, [build_item()]),),
    )
    second = build_flatten(*ALL_FLAT, number=1, opened_at=TICK + timedelta(minutes=5), after=(build_page(),))
    day = build_day(first, second)
    row = find(day, BTC, LONG)
    assert breaks_of(day) == []
    assert (row.break_type, row.severity, row.flatten_id) == (BreakType.PARTIAL_FAILURE, Severity.INFO, "F1")
    assert (row.quantity_before_contracts, row.quantity_after_contracts) == (Decimal(10), Decimal(0))
    assert len(row.error_items) == 1


def test_a_flatten_of_some_instruments_takes_no_proof_from_the_others() -> None:
    """Whoever flattens one instrument by hand says nothing about the rest."""
    second = build_flatten(build_verdict(BTC), number=1, opened_at=TICK + timedelta(minutes=5), instruments=(BTC,))
    assert breaks_of(build_day(build_flatten(*ALL_FLAT), second)) == []
    assert breaks_of(build_day(second)) == [(ETH, BreakType.UNVERIFIED)]


def test_a_proof_of_the_morning_does_not_cover_what_the_evening_left_out() -> None:
    """All was flat at noon, and in the evening somebody flattened one instrument: the other one may be open again."""
    morning = build_flatten(*ALL_FLAT, opened_at=EARLIER)
    evening = build_flatten(build_verdict(BTC), number=1, instruments=(BTC,))
    assert breaks_of(build_day(morning, evening)) == [(ETH, BreakType.UNVERIFIED)]
    assert breaks_of(build_day(morning, due=NOT_YET_DUE)) == []


def test_a_refused_flatten_takes_nothing_from_a_proof_of_the_evening() -> None:
    """A run that is re-executed the next morning is refused for being late; the evening was flat."""
    refused = build_flatten(
        build_verdict(BTC, Verdict.UNVERIFIED), number=1, result=FlattenResult.REFUSED, opened_at=TICK + timedelta(hours=9)
    )
    assert breaks_of(build_day(build_flatten(*ALL_FLAT), refused)) == []


def test_a_refused_flatten_never_says_flat() -> None:
    """Whatever verdicts it left behind: it was stopped before it looked."""
    btc = build_flatten(build_verdict(BTC), instruments=(BTC,))
    refused = build_flatten(ETH_FLAT, number=1, result=FlattenResult.REFUSED, reason="no key", instruments=(ETH,))
    assert breaks_of(build_day(btc, refused)) == [(ETH, BreakType.UNVERIFIED)]
    assert "no key" in find(build_day(btc, refused), ETH).reason


def test_a_flatten_killed_after_the_proof_takes_the_proof_away() -> None:
    """It may have seen something open and sent closes; nobody lived to say."""
    killed = build_flatten(
        number=1, result=None, opened_at=TICK + timedelta(minutes=5), after=(build_page((BTC, LONG, "1")),)
    )
    assert breaks_of(build_day(build_flatten(*ALL_FLAT), killed)) == [
        (BTC, BreakType.UNVERIFIED),
        (ETH, BreakType.UNVERIFIED),
    ]


def test_a_lock_timeout_is_a_break_unless_another_flatten_proved_it_flat() -> None:
    """Two launches at once are normal; an account held by a flatten that proved nothing is not."""
    unverified = [build_verdict(each, Verdict.UNVERIFIED) for each in (BTC, ETH)]
    refused = build_flatten(*unverified, number=1, result=FlattenResult.REFUSED, reason=LOCKED)
    held = build_day(build_flatten(*ALL_FLAT), refused)
    assert (find(held, None).break_type, find(held, None).severity) == (BreakType.LOCK_TIMEOUT, Severity.INFO)
    alone = build_day(refused, due=NOT_YET_DUE)
    assert (None, BreakType.LOCK_TIMEOUT) in breaks_of(alone)


def test_a_flatten_that_waited_for_the_lock_and_was_killed_takes_the_proof_away_too() -> None:
    """It was opened beside the first one, looked after it, saw something open, and nobody lived to say."""
    first = build_flatten(*ALL_FLAT, opened_at=TICK)
    reopened = dataclasses.replace(build_page((BTC, LONG, "7")), finished_at=TICK + timedelta(minutes=3))
    second = dataclasses.replace(
        build_flatten(number=1, result=None, opened_at=TICK + timedelta(seconds=2)), after=(reopened,)
    )
    assert (BTC, BreakType.UNVERIFIED) in breaks_of(build_day(first, second))


@pytest.mark.parametrize(
    ("due", "first", "expected"),
    [
        (PAST_DUE, build_flatten(*ALL_FLAT), (BreakType.REOPENED, BreakType.RESIDUAL_POSITION)),
        (None, build_flatten(*ALL_FLAT), (BreakType.REOPENED, BreakType.RESIDUAL_POSITION)),
        (None, None, (BreakType.RESIDUAL_POSITION,)),
    ],
    ids=["after a proof", "after a proof, no tick", "nobody asked"],
)
def test_what_a_later_flatten_of_something_else_saw_open_is_open(
    due: DueTick | None, first: DayFlatten | None, expected: tuple[BreakType, ...]
) -> None:
    """Flattening BTC by hand reads the whole account; ETH was open in that read, whoever proved it flat before."""
    narrow = {"instruments": (BTC,), "opened_at": TICK + timedelta(minutes=5), "after": (build_page((ETH, LONG, "7")),)}
    second = build_flatten(build_verdict(BTC), number=1, **narrow)
    row = find(build_day(*([first] if first else []), second, due=due), ETH, LONG)
    assert (row.findings, row.is_break, row.quantity_after_contracts) == (expected, True, Decimal(7))
    assert "not asked to close it" in row.reason


def test_before_the_tick_a_desk_holds_positions_on_purpose() -> None:
    """Whoever flattens BTC at noon must not be told that ETH is open."""
    noon = {"instruments": (BTC,), "opened_at": EARLIER, "after": (build_page((ETH, LONG, "7")),)}
    for due in (NOT_YET_DUE, PAST_DUE):
        rows = reconcile(build_day(build_flatten(build_verdict(BTC), **noon), due=due))
        assert ETH not in {row.instrument_id for row in rows if row.break_type is not BreakType.UNVERIFIED}


def test_what_was_opened_after_the_day_says_nothing_about_it() -> None:
    """A verify_flat that is executed again the next morning sees the next day's positions, or that somebody closed them."""
    killed = build_flatten(result=None, before=(build_page((BTC, LONG, "10")),), after=(build_page((BTC, LONG, "10")),))
    morning = build_flatten(*ALL_FLAT, number=1, opened_at=DAY_END + timedelta(hours=8))
    told = reconcile(build_day(killed, morning))
    assert BreakType.FLATTEN_MISSING in {row.break_type for row in told}
    assert "opened after the day had ended" in find(build_day(killed, morning), None).reason
    trading = build_flatten(
        build_verdict(BTC, Verdict.RESIDUAL), ETH_FLAT, number=1, opened_at=DAY_END, result=FlattenResult.NOT_FLAT
    )
    assert breaks_of(build_day(build_flatten(*ALL_FLAT), trading)) == []


def test_a_position_that_is_not_configured_is_told_although_a_later_flatten_read_another_type() -> None:
    """Flattening one contract by hand reads no spot; the holding that nobody configured is still there."""
    spot = dataclasses.replace(build_page(("ADA-USDT", LONG, "7")), instrument_type=InstrumentType.SPOT)
    evening = build_flatten(*ALL_FLAT, after=(build_page(), spot))
    narrow = {"instruments": (BTC,), "opened_at": TICK + timedelta(minutes=5), "after": (build_page(),)}
    day = build_day(evening, build_flatten(build_verdict(BTC), number=1, **narrow))
    assert breaks_of(day) == [("ADA-USDT", BreakType.UNCONFIGURED_POSITION)]


def test_a_day_whose_entries_were_altered_is_never_clean() -> None:
    """Whatever its rows say: they may be what somebody wanted to read."""
    day = dataclasses.replace(build_day(build_flatten(*ALL_FLAT)), altered="entry 3 is not what was recorded")
    assert breaks_of(day) == [(None, BreakType.LEDGER_ALTERED)]
    assert "entry 3" in find(day, None).reason


# -- waiting orders of several flattens -------------------------------------------------------------------------------

BY_HAND = {"number": 1, "instruments": (BTC,), "opened_at": TICK + timedelta(minutes=5)}


def test_an_order_in_a_later_list_of_a_flatten_of_something_else_is_left() -> None:
    """Flattening BTC by hand reads the orders of all instruments; the one in ETH came after the proof."""
    later = build_flatten(build_verdict(BTC), orders_after=(build_list(build_order(ETH)),), **BY_HAND)
    row = find(build_day(build_flatten(*ALL_FLAT), later), ETH, LONG)
    assert (row.findings, row.severity, row.verdict) == (
        (BreakType.RESTING_ORDER_LEFT,),
        Severity.ERROR,
        Verdict.RESTING_ORDER_LEFT,
    )
    assert (row.flatten_id, row.since_at) == ("F1", later.stands_at)
    assert "was not asked to cancel it" in row.reason


def test_what_can_only_close_in_a_later_list_is_information_and_leaves_the_proof() -> None:
    """Somebody's stop loss opens nothing."""
    later = build_flatten(build_verdict(BTC), orders_after=(build_list(build_protection(ETH)),), **BY_HAND)
    row = find(build_day(build_flatten(*ALL_FLAT), later), ETH, LONG)
    assert (row.break_type, row.severity, row.verdict, row.flatten_id) == (
        BreakType.RESTING_ORDER_LEFT,
        Severity.INFO,
        Verdict.ALREADY_FLAT,
        "F0",
    )


def test_an_older_list_says_nothing_against_a_later_proof() -> None:
    """The order waited when BTC was flattened by hand; the flatten of all came after it and proved ETH flat."""
    by_hand = build_flatten(build_verdict(BTC), instruments=(BTC,), orders_after=(build_list(build_order(ETH)),))
    whole = build_flatten(*ALL_FLAT, number=1, opened_at=TICK + timedelta(minutes=5))
    assert breaks_of(build_day(by_hand, whole)) == []


def test_a_later_list_without_the_order_clears_no_verdict() -> None:
    """Whoever flattened BTC proved nothing about ETH, and may have read before the order was placed again."""
    first = build_flatten(build_verdict(BTC), build_verdict(ETH, Verdict.RESTING_ORDER_LEFT), result=FlattenResult.NOT_FLAT)
    later = build_flatten(build_verdict(BTC), orders_after=(build_list(),), **BY_HAND)
    assert breaks_of(build_day(first, later)) == [(ETH, BreakType.RESTING_ORDER_LEFT)]


def test_orders_of_an_instrument_that_nobody_asked_for_are_the_desks_own_before_the_tick() -> None:
    """Whoever flattens BTC at noon must not be told that ETH's orders are left."""
    proven = build_flatten(*ALL_FLAT, opened_at=EARLIER)
    noon = BY_HAND | {"opened_at": EARLIER + timedelta(minutes=5)}
    later = build_flatten(build_verdict(BTC), orders_after=(build_list(build_order(ETH)),), **noon)
    assert breaks_of(build_day(proven, later, due=NOT_YET_DUE)) == []
    assert breaks_of(build_day(proven, later, due=None)) == [(ETH, BreakType.RESTING_ORDER_LEFT)]


def test_a_later_flatten_that_saw_it_open_tells_the_orders_of_both() -> None:
    """The trigger orders were read by the one that asked, the limit orders since by the other one."""
    trigger, limit = build_order(ETH, order_id="1"), build_order(ETH, order_id="2")
    first = build_flatten(*ALL_FLAT, orders_after=(build_list(), build_list(trigger, instrument_id=ETH)))
    later = build_flatten(
        build_verdict(BTC), after=(build_page((ETH, LONG, "7")),), orders_after=(build_list(limit),), **BY_HAND
    )
    row = find(build_day(first, later), ETH, LONG)
    assert row.findings == (BreakType.REOPENED, BreakType.RESIDUAL_POSITION, BreakType.RESTING_ORDER_LEFT)
    assert {order.order_id for order in row.orders or ()} == {"1", "2"}


def test_a_killed_flatten_tells_its_orders_and_proves_nothing() -> None:
    """Its last list is the newest that anybody read; whether the cancels after it took hold nobody lived to say."""
    killed = build_flatten(number=1, result=None, orders_after=(build_list(build_order(BTC)),), opened_at=TICK)
    row = find(build_day(build_flatten(*ALL_FLAT, opened_at=EARLIER), killed), BTC, LONG)
    assert row.findings == (BreakType.RESTING_ORDER_LEFT, BreakType.UNVERIFIED)
    assert row.since_at == killed.orders_after[0].finished_at
    answered_at = TICK + timedelta(seconds=9)
    only_cancelled = build_flatten(number=1, result=None, cancels=(build_cancel(answered_at=answered_at),), opened_at=TICK)
    assert only_cancelled.stands_at == answered_at
    assert (BTC, BreakType.UNVERIFIED) in breaks_of(build_day(build_flatten(*ALL_FLAT, opened_at=EARLIER), only_cancelled))


def test_an_order_beside_a_flatten_that_gave_up_on_the_lock_settles_nothing() -> None:
    """The later list of another flatten must not make the lock timeout look answered for."""
    unverified = [build_verdict(each, Verdict.UNVERIFIED) for each in (BTC, ETH)]
    refused = build_flatten(*unverified, result=FlattenResult.REFUSED, reason=LOCKED)
    later = build_flatten(build_verdict(BTC), orders_after=(build_list(build_order(ETH)),), **BY_HAND)
    day = build_day(refused, later, due=NOT_YET_DUE)
    assert find(day, None).severity is Severity.ERROR
    assert find(day, ETH, LONG).findings == (BreakType.RESTING_ORDER_LEFT, BreakType.UNVERIFIED)


# -- a day nobody flattened -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flattens", "told"),
    [
        ((), "had until"),
        ((build_flatten(result=FlattenResult.DRY_RUN, is_dry_run=True),), "was a dry run"),
        ((build_flatten(result=None),), "no closing row"),
        ((build_flatten(result=FlattenResult.REFUSED, reason="too late"),), "was refused: too late"),
        ((build_flatten(*ALL_FLAT, opened_at=EARLIER),), "had ended before the tick"),
    ],
    ids=["none", "dry run", "killed", "refused", "too early"],
)
def test_a_due_day_without_a_closed_flatten_of_the_evening_is_missing(flattens: tuple[DayFlatten, ...], told: str) -> None:
    """None of these says that the account was flat at the end of its day."""
    row = next(row for row in reconcile(build_day(*flattens)) if row.break_type is BreakType.FLATTEN_MISSING)
    assert row.severity is Severity.ERROR
    assert told in row.reason
    assert [each.break_type for each in reconcile(build_day(*flattens))].count(BreakType.FLATTEN_MISSING) == 1


def test_a_skipped_tick_tells_its_reason_in_the_missing_flatten() -> None:
    """Whoever reads the row wants to know why nothing ran."""
    [row] = reconcile(build_day(skipped_ticks=("the tick is 480 minutes late",)))
    assert "480 minutes late" in row.reason


@pytest.mark.parametrize("due", [NOT_YET_DUE, None], ids=["not yet", "no tick"])
def test_a_day_that_is_not_due_has_no_rows_before_anybody_flattens(due: object) -> None:
    """An empty table before the deadline, or at a weekend, is no alarm."""
    assert reconcile(build_day(due=due)) == []


# -- any day ----------------------------------------------------------------------------------------------------------

SIDES = st.sampled_from([LONG, SHORT, None])
ROWS = st.tuples(st.sampled_from([BTC, ETH, DOT]), SIDES, st.sampled_from(["0", "0", "1", "2.5"]))
PAGES = st.lists(ROWS, max_size=3).map(lambda rows: (build_page(*rows),))
# Good ends more often than bad ones, so that clean days are among the examples.
RESULTS = st.sampled_from([FlattenResult.FLAT, FlattenResult.FLAT, *FlattenResult, None])
VERDICTS = st.sampled_from([Verdict.FLAT, Verdict.FLAT, *Verdict, None])
ORDERS = st.builds(
    lambda build, instrument_id, side, number: build(instrument_id, side, order_id=f"{number}"),
    st.sampled_from([build_order, build_protection, build_protection]),
    st.sampled_from([BTC, ETH, DOT]),
    SIDES,
    st.integers(0, 10**6),
)
# No list at all, as in the days before they were read; or the one of all instruments, with or without one of BTC alone.
LISTS = st.one_of(
    st.just(()),
    st.just((build_list(),)),
    st.lists(ORDERS, max_size=2).map(lambda orders: (build_list(*orders),)),
    st.lists(ORDERS.filter(lambda order: order.instrument_id == BTC), max_size=2).map(
        lambda orders: (build_list(), build_list(*orders, instrument_id=BTC))
    ),
)


@st.composite
def flattens(draw: st.DrawFn, number: int) -> DayFlatten:
    """A flatten in the morning or after the tick, whatever became of it."""
    flatten_id = f"F{number}"
    instruments = draw(st.sampled_from([(BTC,), (ETH,), (BTC, ETH), (BTC, ETH)]))
    result = draw(RESULTS)
    told = [(each, draw(VERDICTS)) for each in instruments]
    attempts = []
    if result not in (FlattenResult.DRY_RUN, FlattenResult.REFUSED):
        for index in range(draw(st.integers(0, 3))):
            sides = draw(st.lists(SIDES, max_size=3))
            outcome = Outcome.PARTIAL if sides else draw(st.sampled_from(Outcome))
            items = [build_item(place, side) for place, side in enumerate(sides)]
            attempts.append(build_attempt(index, outcome, items, draw(st.sampled_from(instruments)), flatten_id))
    return build_flatten(
        *(build_verdict(each, verdict) for each, verdict in told if verdict is not None),
        number=number,
        result=result,
        opened_at=draw(st.sampled_from([EARLIER, TICK])) + timedelta(minutes=10 * number),
        reason=draw(st.sampled_from(["a test", LOCKED])),
        is_dry_run=result is FlattenResult.DRY_RUN,
        instruments=instruments,
        attempts=tuple(attempts),
        before=draw(PAGES),
        after=draw(PAGES),
        orders_after=draw(LISTS) if result is not FlattenResult.REFUSED else (),
    )


DAYS = st.integers(0, 3).flatmap(
    lambda count: st.tuples(*(flattens(number) for number in range(count))).map(lambda drawn: build_day(*drawn))
)


def list_left(evening: list[DayFlatten], asked: DayFlatten | None, instrument_id: str) -> list[Order]:
    """What the lists of the one that asked show, and after it the newest list of all instruments."""
    told = list(asked.orders_after) if asked else []
    newest = [page for flatten in evening for page in flatten.orders_after if page.instrument_id is None][-1:]
    told += [page for page in newest if asked is not None and page.started_at > asked.stands_at]
    return [order for page in told for order in page.orders if order.instrument_id == instrument_id]


def is_clean(day: AccountDay) -> bool:
    """Told another way: each instrument flat by the evening's last flatten that looked at it, and nothing else open.

    Nor does an order wait there that can open a position.
    """
    evening = [flatten for flatten in day.flattens if flatten.has_looked and flatten.stands_at >= TICK]
    evening.sort(key=lambda flatten: flatten.stands_at)
    if not any(flatten.closed_at for flatten in evening):
        return False
    for instrument_id in day.instruments:
        asking = [flatten for flatten in evening if instrument_id in flatten.request.instruments]
        verdicts = {each.instrument_id: each.verdict for each in asking[-1].verdicts} if asking else {}
        if instrument_id not in verdicts or not verdicts[instrument_id].is_flat:
            return False
        if any(order.can_open for order in list_left(evening, asking[-1], instrument_id)):
            return False
    asked = evening[-1].request.instruments
    seen = {row.instrument_id for page in evening[-1].after for row in page.positions if row.quantity_contracts}
    return not seen - set(asked)


@settings(max_examples=500)  # clean days are rare
@given(DAYS)
def test_there_is_no_break_exactly_when_all_is_flat_and_verified(day: AccountDay) -> None:
    """A false break costs a person's evening, a missing one costs money."""
    assert (breaks_of(day) == []) is is_clean(day)


EVIDENCE = st.lists(
    st.builds(
        lambda instrument_id, side, size, at: ClosedPosition(
            instrument_id, ProductGroup.SWAP_U, "7", side, None, Decimal(size), None, None, None, None, None,
            "USDT", "cross", "merge", EARLIER, at,
        ),
        st.sampled_from([BTC, ETH, DOT]),
        SIDES,
        st.integers(1, 3),
        st.sampled_from([EARLIER, TICK, TICK + timedelta(minutes=5)]),
    ),
    max_size=3,
)  # fmt: skip


@given(DAYS, EVIDENCE)
def test_evidence_hides_nothing_that_the_reads_show(day: AccountDay, rows: list[ClosedPosition]) -> None:
    """It can add a contradiction of its own; what is open stays open whatever a list says."""
    window = (DAY_END - timedelta(days=1), DAY_END)
    told = (EvidenceSource.POSITIONS_HISTORY, InstrumentType.SWAP, *window, EvidenceStatus.COMPLETE, "read")
    read = EvidenceRead(*told, DAY_END, DAY_END, tuple(rows))
    own = {BreakType.EVIDENCE_MISMATCH, BreakType.EVIDENCE_UNAVAILABLE}

    def findings(of_day: AccountDay) -> set[tuple[str | None, BreakType]]:
        return {(row.instrument_id, kind) for row in reconcile(of_day) for kind in row.findings if kind not in own}

    judged = dataclasses.replace(day, evidence=(read,))
    assert findings(judged) == findings(day)
    broken = [{each for each, kind in breaks_of(either) if kind not in own} for either in (judged, day)]
    assert broken[0] == broken[1]


@given(DAYS)
def test_every_error_item_is_explained_by_exactly_one_row(day: AccountDay) -> None:
    """An item in no row was swallowed; one in two rows is counted twice."""
    items = [id(item) for attempt in day.attempts for item in attempt.close_errors]
    explained = [id(item) for row in reconcile(day) for item in row.error_items]
    assert sorted(explained) == sorted(items)


@given(DAYS)
def test_every_verdict_that_is_not_flat_has_an_error_that_says_so(day: AccountDay) -> None:
    """Whatever is on record beside it: the verdict was given by reads that counted."""
    told = {
        Verdict.RESIDUAL: BreakType.RESIDUAL_POSITION,
        Verdict.RESTING_ORDER_LEFT: BreakType.RESTING_ORDER_LEFT,
        Verdict.UNVERIFIED: BreakType.UNVERIFIED,
    }
    rows = reconcile(day)
    for row in rows:
        if row.verdict in told:
            own = [each for each in rows if each.instrument_id == row.instrument_id]
            assert any(told[row.verdict] in each.findings and each.severity is Severity.ERROR for each in own)


@given(DAYS)
def test_every_order_left_is_told_by_exactly_one_row_and_loudly_if_it_can_open(day: AccountDay) -> None:
    """An order in no row opens a position over night; one in two rows is cancelled twice."""
    rows = [row for row in reconcile(day) if row.verdict is not None]
    told = [order for row in rows for order in row.orders or ()]
    assert len({id(order) for order in told}) == len(told)
    for row in rows:
        assert all(
            (order.instrument_id, order.position_side) == (row.instrument_id, row.position_side)
            for order in row.orders or ()
        )
        assert all(order.describe() in row.reason for order in row.orders or ())
        if row.orders:
            assert BreakType.RESTING_ORDER_LEFT in row.findings
            assert row.severity is Severity.ERROR or not any(order.can_open for order in row.orders)
    evening = [flatten for flatten in day.flattens if flatten.has_looked and flatten.stands_at >= TICK]
    for instrument_id in {row.instrument_id for row in rows}:
        [last] = {row.flatten_id for row in rows if row.instrument_id == instrument_id}
        deciding = [flatten for flatten in evening if flatten.request.flatten_id == last]
        shown = {id(order) for flatten in deciding for order in list_left([], flatten, str(instrument_id))}
        assert shown <= {id(order) for order in told}


@given(DAYS)
def test_each_attempt_is_in_exactly_one_outcome(day: AccountDay) -> None:
    """Whatever the side, a row tells all closes of its instrument, each with one outcome."""
    for row in reconcile(day):
        sent = [attempt for attempt in day.attempts if attempt.intent.instrument_id == row.instrument_id]
        assert row.outcomes == tuple(attempt.outcome for attempt in sent)
    told = {row.instrument_id for row in reconcile(day)}
    assert {attempt.intent.instrument_id for attempt in day.attempts} <= told


@given(DAYS)
def test_the_same_day_gives_the_same_rows_each_about_something_else(day: AccountDay) -> None:
    """A day is rebuilt many times, and a row is found again by what it is about."""
    rows = reconcile(day)
    assert rows == reconcile(day)
    assert len({row.subject for row in rows}) == len(rows)
    assert all((row.severity is None) == (row.break_type is None) for row in rows)
