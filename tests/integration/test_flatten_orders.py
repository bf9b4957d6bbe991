"""Flat means flat: waiting orders on a paper exchange that holds them, fills them and lists them in pages."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flatten_lab import Lab, build_scenario, open_lab, position, with_account, with_settings

from deepcoin_ops.domain.model import FlattenResult, Outcome, PositionSide, ResidualCause, Verdict
from deepcoin_ops.domain.orders import CancelAttempt, CancelOrders, CancelTriggers, OrderKind
from deepcoin_ops.exchange import orders as exchange_orders
from deepcoin_ops.flattening import order_reading
from deepcoin_ops.flattening.progress import FlattenOutcome
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.open_questions import OrderRules
from deepcoin_ops.paper.order_records import OrderKind as PaperKind
from deepcoin_ops.paper.order_records import PaperOrder
from deepcoin_ops.paper.scenario import Scenario

BTC, ETH, SOL, XRP, COIN, SPOT = (
    "BTC-USDT-SWAP",
    "ETH-USDT-SWAP",
    "SOL-USDT-SWAP",
    "XRP-USDT-SWAP",
    "ETH-USD-SWAP",
    "SOL-USDT",
)
LONG, SHORT = PositionSide.LONG, PositionSide.SHORT
HELD = [position(BTC, "11", "35"), position(ETH, "13", "20", "short"), position(SOL, "15", "3")]
LIST, TRIGGER_LIST, BATCH = "v2/orders-pending", "trigger-orders-pending", "batch-cancel-order"


def with_rules(scenario: Scenario, instrument_id: str, **rules: Any) -> Scenario:
    """The same exchange with other rules for one instrument."""
    listed = (replace(each, **rules) if each.instrument_id == instrument_id else each for each in scenario.instruments)
    return replace(scenario, instruments=tuple(listed))


def order(order_id: str, instrument_id: str = BTC, size: str = "4", side: PositionSide = LONG, **more: Any) -> PaperOrder:
    """A limit order that would open or enlarge, unless told otherwise. It never fills by itself."""
    return PaperOrder(instrument_id, side, Decimal(size), order_id=order_id, **more)


def flatten(lab: Lab) -> FlattenOutcome:
    """Flatten; whatever the ledger and the verdicts say has to be true at the exchange."""
    outcome = lab.flatten()
    if outcome.closing.result is FlattenResult.FLAT:
        assert not lab.truly_open() & set(lab.desk.account.instruments)
        openers = {each["order_id"] for each in lab.truth()["orders"] if each["is_working"] and not each["is_closing"]}
        names = lab.desk.account.instruments
        assert not openers & {each["order_id"] for each in lab.truth()["orders"] if each["instrument_id"] in names}
    return outcome


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that fails is given up after as long as one answer may take."""
    monkeypatch.setattr(order_reading, "_PATIENCE_ANSWERS", 1)


def verdicts_of(outcome: FlattenOutcome) -> dict[str, Verdict]:
    """The verdict on each instrument."""
    return {each.instrument_id: each.verdict for each in outcome.verdicts}


def cancels_of(lab: Lab, outcome: FlattenOutcome) -> list[CancelAttempt]:
    """What the ledger says was cancelled by a flatten, in order."""
    record = lab.desk.ledger.read_flatten(outcome.closing.flatten_id)
    assert record is not None
    cancels = lab.desk.ledger.read_cancels(record.request.trading_day)
    return [each for each in cancels if each.flatten_id == outcome.closing.flatten_id]


def cancel_paths(lab: Lab) -> list[str]:
    """The ends of the paths of the cancels that reached the exchange."""
    return [request["path"].removeprefix("/deepcoin/trade/") for request in lab.truth()["cancel_requests"]]


# -- resting orders -----------------------------------------------------------------------------------------------------


def test_a_resting_close_order_is_cancelled_before_its_instrument_is_closed(tmp_path: Path) -> None:
    """It holds the size, so that the close would be answered with Insufficient position and one slot more be needed."""
    orders = [order("TAKE", BTC, "35", is_closing=True), order("ADD", ETH, side=SHORT)]
    with open_lab(tmp_path, build_scenario(HELD, orders=orders)) as lab:
        outcome = flatten(lab)
        assert outcome.closing.result is FlattenResult.FLAT
        assert [each.outcome for each in lab.attempts(outcome)] == [Outcome.ACCEPTED] * 3
        (cancel,) = cancels_of(lab, outcome)
        assert (cancel.outcome, set(cancel.intent.order_ids)) == (Outcome.ACCEPTED, {"TAKE", "ADD"})
        btc = next(each for each in lab.attempts(outcome) if each.intent.instrument_id == BTC)
        assert cancel.answered_at is not None
        assert cancel.answered_at <= btc.intent_at
        assert lab.waiting_orders() == set()


def test_what_has_no_orders_is_closed_while_a_cancel_is_unanswered(tmp_path: Path) -> None:
    """BTC is the largest and would go first; while its cancel hangs, the others use the slots."""
    slow = Fault(FaultAction.DELAY, BATCH, delay_s=0.6)
    with open_lab(tmp_path, build_scenario(HELD, [slow], orders=[order("TAKE", BTC, "35", is_closing=True)])) as lab:
        outcome = flatten(lab)
        (cancel,) = cancels_of(lab, outcome)
        sent = {each.intent.instrument_id: each for each in lab.attempts(outcome)}
        assert cancel.answered_at is not None
        assert max(sent[ETH].intent_at, sent[SOL].intent_at) < cancel.answered_at < sent[BTC].intent_at
        assert outcome.closing.result is FlattenResult.FLAT
        assert outcome.closing.sends == 3


@pytest.mark.parametrize("action", [FaultAction.HANG, FaultAction.RESET, FaultAction.SERVER_ERROR, FaultAction.THROTTLE])
@pytest.mark.parametrize("is_executed", [True, False])
def test_a_cancel_whose_fate_is_not_known_holds_up_nothing_for_long(
    tmp_path: Path, action: FaultAction, is_executed: bool
) -> None:
    """The next list says whether the order is gone; until then the position is closed as far as it goes."""
    fault = Fault(action, BATCH, is_executed=is_executed)
    with open_lab(tmp_path, build_scenario(HELD, [fault], orders=[order("TAKE", BTC, "35", is_closing=True)])) as lab:
        outcome = flatten(lab)
        assert outcome.closing.result is FlattenResult.FLAT
        first = cancels_of(lab, outcome)[0]
        assert first.outcome is (Outcome.REFUSED if action is FaultAction.THROTTLE else Outcome.UNKNOWN)
        assert lab.waiting_orders() == set()


def test_orders_beyond_one_page_go_fifty_at_a_time(tmp_path: Path) -> None:
    """120 orders are two pages and three calls, where cancelling by instrument and mode would take twelve."""
    orders = [order(f"O{number:03d}", (BTC, ETH, SOL)[number % 3], "1") for number in range(120)]
    with open_lab(tmp_path, build_scenario(HELD, orders=orders)) as lab:
        outcome = flatten(lab)
        assert outcome.closing.result is FlattenResult.FLAT
        assert sorted(len(each.intent.order_ids) for each in cancels_of(lab, outcome)) == [20, 50, 50]
        assert set(cancel_paths(lab)) == {BATCH}


def test_orders_of_instruments_that_are_not_configured_stay(tmp_path: Path) -> None:
    """Their owner did not ask for anything; 130 of them make every list one of two pages all the same."""
    strangers = [order(f"S{number:03d}", "DOGE-USDT-SWAP") for number in range(130)]
    mine = [order("MINE", BTC)]
    with open_lab(tmp_path, build_scenario(HELD, orders=[*mine, *strangers])) as lab:
        outcome = flatten(lab)
        assert outcome.closing.result is FlattenResult.FLAT
        assert lab.waiting_orders() == {each.order_id for each in strangers}
        assert [each.intent.order_ids for each in cancels_of(lab, outcome)] == [("MINE",)]


def test_a_flatten_of_some_instruments_leaves_the_orders_of_the_others(tmp_path: Path) -> None:
    """A hand launch for one instrument is about that instrument; one call for a whole product group is about more."""
    resting = [order("B", BTC), order("E", ETH)]
    orders = [*resting, *(replace(each, order_id=f"{each.order_id}T", kind=PaperKind.TRIGGER) for each in resting)]
    with open_lab(tmp_path, build_scenario(HELD, orders=orders)) as quick:
        lab = with_account(quick, cancel_triggers=CancelTriggers.BY_PRODUCT_GROUP)
        outcome = lab.flatten(lab.open(instruments=[BTC]))
        assert outcome.closing.result is FlattenResult.FLAT
        assert lab.waiting_orders() == {"E", "ET"}


@pytest.mark.parametrize(
    ("mode", "left"),
    [
        (CancelOrders.ALL, set()),
        (CancelOrders.OPENING, {"CLOSE", "SELL"}),
        (CancelOrders.NONE, {"CLOSE", "OPEN", "SELL", "BUY"}),
    ],
)
def test_the_setting_says_which_orders_go(tmp_path: Path, mode: CancelOrders, left: set[str]) -> None:
    """Contracts and spot alike; an instrument without a position too."""
    orders = [
        order("CLOSE", XRP, is_closing=True),
        order("OPEN", XRP, side=SHORT),
        order("SELL", SPOT, "1", is_closing=True),
        order("BUY", SPOT, "1"),
    ]
    with open_lab(tmp_path, build_scenario(HELD, orders=orders)) as quick:
        lab = with_account(quick, cancel_orders=mode)
        outcome = flatten(lab)
        assert lab.waiting_orders() == left
        verdicts = verdicts_of(outcome)
        expected = Verdict.RESTING_ORDER_LEFT if mode is CancelOrders.NONE else Verdict.ALREADY_FLAT
        assert (verdicts[XRP], verdicts[SPOT]) == (expected, expected)
        is_flat = mode is not CancelOrders.NONE
        assert outcome.closing.result is (FlattenResult.FLAT if is_flat else FlattenResult.NOT_FLAT)
        reasons = " ".join(each.reason for each in outcome.verdicts)
        assert all(order_id in reasons for order_id in left)


def test_a_close_order_that_may_stay_leaves_the_position_frozen_and_says_so(tmp_path: Path) -> None:
    """The desk that keeps its closing orders has to know why the account is not flat."""
    with open_lab(tmp_path, build_scenario(HELD, orders=[order("TAKE", BTC, "35", is_closing=True)])) as quick:
        lab = with_settings(with_account(quick, cancel_orders=CancelOrders.OPENING), max_rounds=2)
        outcome = flatten(lab)
        btc = outcome.verdicts[0]
        assert (btc.verdict, btc.cause) == (Verdict.RESIDUAL, ResidualCause.FROZEN)
        assert "TAKE" in btc.reason
        assert lab.truly_open() == {BTC}


def test_an_order_that_fills_in_the_instant_before_its_cancel_is_closed_again(tmp_path: Path) -> None:
    """The cancel finds no such order, the position is new: the next round closes it."""
    race = order("RACE", XRP, "7", fills_before_cancel=True)
    with open_lab(tmp_path, build_scenario(HELD, orders=[race])) as lab:
        outcome = flatten(lab)
        assert outcome.closing.result is FlattenResult.FLAT
        assert verdicts_of(outcome)[XRP] is Verdict.FLAT
        assert [each.cancel_errors[0].error_code for each in cancels_of(lab, outcome)] == ["24"]


def test_an_order_that_fills_after_the_close_reopens_and_is_seen(tmp_path: Path) -> None:
    """Nobody cancelled it: it fills when the position is gone, and only a later read shows that."""
    waiting = order("LATER", BTC, "7", fills_after_close_s=0.2)
    with open_lab(tmp_path, build_scenario(HELD, orders=[waiting])) as quick:
        lab = with_account(quick, cancel_orders=CancelOrders.NONE)
        outcome = flatten(lab)
        assert outcome.closing.result is FlattenResult.FLAT
        assert len([each for each in lab.attempts(outcome) if each.intent.instrument_id == BTC]) == 2


def test_an_order_that_somebody_places_again_is_cancelled_again(tmp_path: Path) -> None:
    """A bot does not know that the day is over; the list after the cancel shows its next order."""
    again = Fault(FaultAction.REOPEN, BATCH, delay_s=0.05)
    with open_lab(tmp_path, build_scenario(HELD, [again], orders=[order("BOT", XRP)])) as lab:
        outcome = flatten(lab)
        assert outcome.closing.result is FlattenResult.FLAT
        assert len(cancels_of(lab, outcome)) == 2


def test_a_cancel_that_names_an_error_every_time_ends_in_a_verdict_that_names_the_order(tmp_path: Path) -> None:
    """It can open a position a second later, so the account is not flat."""
    refusing = Fault(FaultAction.ERROR_ITEMS, BATCH, call=None, error_code=4, error_message="InvalidAction")
    with open_lab(tmp_path, build_scenario(HELD, [refusing], orders=[order("STUCK", XRP)])) as quick:
        lab = with_settings(quick, max_rounds=2)
        outcome = flatten(lab)
        assert outcome.closing.result is FlattenResult.NOT_FLAT
        verdict = next(each for each in outcome.verdicts if each.instrument_id == XRP)
        assert verdict.verdict is Verdict.RESTING_ORDER_LEFT
        assert "STUCK" in verdict.reason
        assert "XRP-USDT-SWAP RESTING_ORDER_LEFT" in outcome.describe_failure()
        assert len(cancels_of(lab, outcome)) == 2


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("action", [FaultAction.SERVER_ERROR, FaultAction.DATA_NULL, FaultAction.HTML])
def test_without_the_list_of_orders_everything_is_closed_and_nothing_called_flat(
    tmp_path: Path, action: FaultAction
) -> None:
    """A list that could not be read is missing evidence, and never an empty list."""
    blind = Fault(action, LIST, call=None)
    with open_lab(tmp_path, build_scenario(HELD, [blind])) as quick:
        lab = with_settings(quick, max_rounds=2)
        outcome = flatten(lab)
        assert lab.truly_open() == set()
        assert outcome.closing.result is FlattenResult.UNVERIFIED
        assert {each.verdict for each in outcome.verdicts} == {Verdict.UNVERIFIED}
        assert "the list of its resting orders was not read" in outcome.verdicts[0].reason


@pytest.mark.usefixtures("impatient")
def test_a_list_that_repeats_its_first_page_is_no_list(tmp_path: Path) -> None:
    """The exchange ignored the page: what is on the later ones was never seen."""
    orders = [order(f"S{number:03d}", "DOGE-USDT-SWAP") for number in range(130)]
    repeating = Fault(FaultAction.REPEATED_PAGE, LIST, call=None)
    with open_lab(tmp_path, build_scenario(HELD, [repeating], orders=orders)) as quick:
        outcome = flatten(with_settings(quick, max_rounds=2))
        assert outcome.closing.result is FlattenResult.UNVERIFIED
        assert "repeats" in outcome.verdicts[0].reason


def test_a_list_that_lags_does_not_hide_an_order_from_the_verdict(tmp_path: Path) -> None:
    """Lists trail the writes as positions do: a cancelled order may still show, and that takes another look."""
    rules = OrderRules(list_lag_s=0.1)
    with open_lab(tmp_path, build_scenario(HELD, orders=[order("LAG", BTC)], ordering=rules)) as lab:
        outcome = flatten(lab)
        assert outcome.closing.result is FlattenResult.FLAT
        assert lab.waiting_orders() == set()


# -- trigger, protection and trailing orders ----------------------------------------------------------------------------

TRIGGERS = [
    order("OPENS", XRP, kind=PaperKind.TRIGGER),
    order("OPENS-BTC", BTC, kind=PaperKind.TRIGGER),
    order("CLOSES", ETH, side=SHORT, kind=PaperKind.TRIGGER, is_closing=True),
    order("STRANGER", "DOGE-USDT-SWAP", kind=PaperKind.TRIGGER),
]


def test_trigger_orders_go_by_their_ids_and_those_of_others_stay(tmp_path: Path) -> None:
    """There is no list of all instruments, so each configured one is read."""
    with open_lab(tmp_path, build_scenario(HELD, orders=TRIGGERS)) as lab:
        outcome = flatten(lab)
        assert outcome.closing.result is FlattenResult.FLAT
        assert lab.waiting_orders() == {"STRANGER"}
        assert sorted(cancel_paths(lab)) == ["cancel-trigger-order"] * 3
        assert {each.intent.kind for each in cancels_of(lab, outcome)} == {OrderKind.TRIGGER}


def test_a_product_group_goes_in_one_call_where_the_settings_say_so(tmp_path: Path) -> None:
    """The desk has said that nobody else's trigger orders are in this account; two calls cover it."""
    orders = [*TRIGGERS, order("COIN", COIN, kind=PaperKind.TRIGGER), order("SPOT-T", SPOT, "1", kind=PaperKind.TRIGGER)]
    with open_lab(tmp_path, build_scenario(HELD, orders=orders)) as quick:
        lab = with_account(quick, cancel_triggers=CancelTriggers.BY_PRODUCT_GROUP)
        outcome = flatten(lab)
        assert outcome.closing.result is FlattenResult.FLAT
        assert lab.waiting_orders() == set()
        assert sorted(cancel_paths(lab)) == ["cancel-trigger-order", *["swap/cancel-trigger-all"] * 2]
        groups = [each for each in cancels_of(lab, outcome) if not each.intent.order_ids]
        assert sorted(sorted(each.intent.instrument_ids) for each in groups) == [sorted([BTC, ETH, SOL, XRP]), [COIN]]


def test_a_trigger_order_that_fires_between_leaves_no_false_flat(tmp_path: Path) -> None:
    """It is gone from its list because it opened a position; the positions read has to be newer than the list."""
    slow = Fault(FaultAction.DELAY, TRIGGER_LIST, instrument_id=XRP, delay_s=0.9)
    fires = order("FIRES", XRP, "7", kind=PaperKind.TRIGGER, fills_after_s=0.8)
    with open_lab(tmp_path, build_scenario([], [slow], orders=[fires])) as quick:
        lab = with_account(quick, cancel_orders=CancelOrders.NONE)
        outcome = flatten(lab)
        assert outcome.closing.result is FlattenResult.FLAT
        assert verdicts_of(outcome)[XRP] is Verdict.FLAT


def test_the_positions_are_not_read_again_and_again_while_slow_lists_come_in(tmp_path: Path) -> None:
    """Two reads prove them flat; with many instruments the lists take minutes, and every read is a call and a record."""
    slow = Fault(FaultAction.DELAY, TRIGGER_LIST, call=None, delay_s=0.7)
    with open_lab(tmp_path, build_scenario([], [slow])) as lab:
        assert flatten(lab).closing.result is FlattenResult.FLAT
        pages = [each for each in lab.exchange.arrivals() if each.path.endswith("/account/positions")]
        # The snapshot, two that prove, at most one that follows the lists: each a page for contracts and one for spot.
        assert len(pages) <= 8


@pytest.mark.parametrize("mode", [CancelOrders.ALL, CancelOrders.NONE])
def test_more_trigger_orders_than_a_list_shows_are_taken_list_by_list(
    tmp_path: Path, mode: CancelOrders, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list as long as was asked for may have been cut: that nothing else is there is not shown by it."""
    monkeypatch.setattr(exchange_orders, "PAGE_ROWS", 10)
    orders = [order(f"C{number:03d}", XRP, kind=PaperKind.TRIGGER, is_closing=True) for number in range(13)]
    with open_lab(tmp_path, build_scenario([], orders=orders)) as quick:
        lab = with_settings(with_account(quick, cancel_orders=mode), max_rounds=3)
        outcome = flatten(lab)
        if mode is CancelOrders.ALL:
            assert lab.waiting_orders() == set()
            assert outcome.closing.result is FlattenResult.FLAT
        else:
            assert verdicts_of(outcome)[XRP] is Verdict.UNVERIFIED
            assert "cut" in next(each.reason for each in outcome.verdicts if each.instrument_id == XRP)


@pytest.mark.parametrize("protection_ends", [True, False])
def test_exits_stay_while_their_position_is_open_and_go_afterwards_if_still_there(
    tmp_path: Path, protection_ends: bool
) -> None:
    """A position keeps its stop until it is closed. Where the exits leave by themselves, no call is spent on them."""
    orders = [
        order("STOP", BTC, "0", kind=PaperKind.PROTECTION),
        order("TRAIL", BTC, "0", kind=PaperKind.TRAILING),
        order("ORPHAN", XRP, "0", kind=PaperKind.PROTECTION),
    ]
    rules = OrderRules(protection_ends=protection_ends)
    with open_lab(tmp_path, build_scenario(HELD, orders=orders, ordering=rules)) as lab:
        outcome = flatten(lab)
        assert outcome.closing.result is FlattenResult.FLAT
        assert lab.waiting_orders() == set()
        of_the_orphan, of_the_position = ["cancel-position-sltp"], ["cancel-position-sltp", "trace-order"]
        assert sorted(cancel_paths(lab)) == of_the_orphan + ([] if protection_ends else of_the_position)
        closed_at = next(each.answered_at for each in lab.attempts(outcome) if each.intent.instrument_id == BTC)
        about_btc = [each for each in cancels_of(lab, outcome) if BTC in each.intent.instrument_ids]
        assert all(closed_at is not None and each.intent_at > closed_at for each in about_btc)


def test_a_position_that_stays_open_keeps_its_stop(tmp_path: Path) -> None:
    """What could not be closed must not lose the order that limits its loss."""
    orders = [order("STOP", BTC, "0", kind=PaperKind.PROTECTION), order("TRAIL", BTC, "0", kind=PaperKind.TRAILING)]
    with open_lab(tmp_path, with_rules(build_scenario(HELD, orders=orders), BTC, state="suspend")) as quick:
        lab = with_settings(quick, max_rounds=2)
        outcome = flatten(lab)
        assert lab.waiting_orders() == {"STOP", "TRAIL"}
        btc = outcome.verdicts[0]
        assert (btc.verdict, btc.cause) == (Verdict.RESIDUAL, ResidualCause.NOT_TRADING)


@pytest.mark.usefixtures("impatient")
def test_without_one_trigger_list_only_its_instrument_is_unverified(tmp_path: Path) -> None:
    """One missing piece of evidence says nothing about the others."""
    blind = Fault(FaultAction.SERVER_ERROR, TRIGGER_LIST, instrument_id=XRP, call=None)
    with open_lab(tmp_path, build_scenario(HELD, [blind])) as quick:
        outcome = flatten(with_settings(quick, max_rounds=2))
        unverified = {name for name, verdict in verdicts_of(outcome).items() if verdict is Verdict.UNVERIFIED}
        assert unverified == {XRP}
        assert outcome.closing.result is FlattenResult.UNVERIFIED


# -- who may cancel -----------------------------------------------------------------------------------------------------


def test_a_dry_run_reads_no_orders_and_cancels_none(tmp_path: Path) -> None:
    """It shows what would be closed and sends nothing."""
    with open_lab(tmp_path, build_scenario(HELD, orders=[order("STAYS", BTC)])) as lab:
        outcome = lab.flatten(lab.open(is_dry_run=True))
        assert outcome.closing.result is FlattenResult.DRY_RUN
        assert lab.waiting_orders() == {"STAYS"}
        assert cancel_paths(lab) == []


def test_a_flatten_that_is_asked_to_stop_cancels_nothing_more(tmp_path: Path) -> None:
    """Whoever stops it wants no further request that changes anything."""
    slow = Fault(FaultAction.DELAY, BATCH, delay_s=0.5)
    orders = [order(f"O{number:03d}", BTC) for number in range(90)]
    with open_lab(tmp_path, build_scenario(HELD, [slow], orders=orders)) as lab:

        def stop_at_the_first_answer(progress: Any) -> None:
            if progress.outcome is not None:
                lab.stop.set()

        outcome = lab.flatten(report=stop_at_the_first_answer)
        assert cancel_paths(lab) == [BATCH]
        assert len(lab.waiting_orders()) == 40
        assert outcome.closing.result is FlattenResult.NOT_FLAT
        assert [each.outcome for each in cancels_of(lab, outcome)] == [Outcome.ACCEPTED]


def test_every_cancel_is_an_intent_and_an_outcome_in_the_chain(tmp_path: Path) -> None:
    """Like a close: durable before the first byte, with the raw answer after."""
    with open_lab(tmp_path, build_scenario(HELD, orders=[order("A", BTC), *TRIGGERS])) as lab:
        outcome = flatten(lab)
        cancels = cancels_of(lab, outcome)
        assert len(cancels) == len(cancel_paths(lab)) == 4
        for cancel in cancels:
            assert cancel.answered_at is not None
            assert cancel.sent_at is not None
            assert cancel.intent_at <= cancel.sent_at <= cancel.answered_at
        assert lab.desk.ledger.read_altered_entry("main") is None
        assert outcome.closing.reason.endswith("3 close(s) and 4 cancel(s)")


def test_the_list_that_shows_nothing_is_never_asked(tmp_path: Path) -> None:
    """The first version of the list was seen to be empty beside live orders."""
    with open_lab(tmp_path, build_scenario(HELD)) as lab:
        flatten(lab)
        paths = {each.path for each in lab.exchange.arrivals()}
        assert "/deepcoin/trade/orders-pending" not in paths
        assert "/deepcoin/trade/v2/orders-pending" in paths
