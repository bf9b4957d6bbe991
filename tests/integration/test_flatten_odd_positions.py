"""Positions that one batch close does not take whole: second passes by id, reopened rows, odd sizes, copy trading."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from flatten_lab import Lab, build_scenario, open_lab, position, with_account, with_settings

from deepcoin_ops.domain.model import CloseAttempt, FlattenResult, InstrumentVerdict, Outcome, ResidualCause, Verdict
from deepcoin_ops.exchange.client import BATCH_CLOSE, CLOSE_BY_IDS
from deepcoin_ops.flattening.progress import FlattenOutcome
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.open_questions import ClosingRules, CopyTradingAnswer, DustAnswer, OversizeAnswer
from deepcoin_ops.paper.scenario import PaperBot, Scenario

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
BOTH_SIDES = [position(BTC, "11", "35"), position(BTC, "12", "5", "short")]
SHORT_STAYS = Fault(FaultAction.ERROR_ITEMS, instrument_id=BTC, position_side="short")
BY_IDS = "close-position-by-ids"


def named_ids(attempt: CloseAttempt) -> list[str] | None:
    """The positions that a close named; None for a batch close."""
    ids: list[str] | None = json.loads(attempt.intent.request_body).get("positionIds")
    return ids


def verdict_on(outcome: FlattenOutcome, instrument_id: str = BTC) -> InstrumentVerdict:
    """The verdict on one instrument."""
    return next(each for each in outcome.verdicts if each.instrument_id == instrument_id)


def open_ids(lab: Lab) -> set[str]:
    """The ids of the rows that the exchange itself holds open."""
    return {row["position_id"] for row in lab.truth()["open"]}


def with_rules(scenario: Scenario, instrument_id: str, **rules: object) -> Scenario:
    """The same exchange with other rules for one instrument."""
    listed = (replace(each, **rules) if each.instrument_id == instrument_id else each for each in scenario.instruments)
    return replace(scenario, instruments=tuple(listed))


# -- the second pass ------------------------------------------------------------------------------------------------------


def test_what_an_error_item_left_open_is_closed_by_its_id(tmp_path: Path) -> None:
    """Naming what the last read showed leaves alone what somebody may open meanwhile."""
    with open_lab(tmp_path, build_scenario(BOTH_SIDES, [SHORT_STAYS])) as lab:
        outcome = lab.flatten()
        assert outcome.closing.result is FlattenResult.FLAT
        first, second = lab.attempts(outcome)
        assert (first.intent.endpoint, first.outcome) == (BATCH_CLOSE, Outcome.PARTIAL)
        assert (second.intent.endpoint, named_ids(second), second.outcome) == (CLOSE_BY_IDS, ["12"], Outcome.ACCEPTED)
        assert second.intent.quantity_contracts == 5


def test_without_an_error_item_the_whole_instrument_is_closed_again(tmp_path: Path) -> None:
    """A close that may have been lost named nothing: everything that is still open goes."""
    lost = Fault(FaultAction.RESET, instrument_id=BTC, is_executed=False)
    with open_lab(tmp_path, build_scenario(BOTH_SIDES, [lost])) as lab:
        outcome = lab.flatten()
        assert [each.intent.endpoint for each in lab.attempts(outcome)] == [BATCH_CLOSE, BATCH_CLOSE]
        assert outcome.closing.result is FlattenResult.FLAT


def test_a_second_pass_that_comes_too_late_is_settled_by_the_reads(tmp_path: Path) -> None:
    """51404 says that the position is gone, and so does the next read."""
    gone = Fault(FaultAction.ERROR_ITEMS, BY_IDS, error_code=51404, error_message="Position does not exist")
    with open_lab(tmp_path, build_scenario(BOTH_SIDES, [SHORT_STAYS, gone])) as lab:
        outcome = lab.flatten()
        assert [each.intent.endpoint for each in lab.attempts(outcome)] == [BATCH_CLOSE, CLOSE_BY_IDS, CLOSE_BY_IDS]
        assert outcome.closing.result is FlattenResult.FLAT


def test_where_a_close_by_ids_is_lost_the_batch_close_is_used_again(tmp_path: Path) -> None:
    """An answer that proves nothing, to one way of closing, is no reason to give the position up."""
    unknown = Fault(FaultAction.SERVER_ERROR, BY_IDS, call=None, is_executed=False, http_status=404)
    with open_lab(tmp_path, build_scenario(BOTH_SIDES, [SHORT_STAYS, unknown])) as lab:
        outcome = lab.flatten()
        assert [each.intent.endpoint for each in lab.attempts(outcome)] == [BATCH_CLOSE, CLOSE_BY_IDS, BATCH_CLOSE]
        assert outcome.closing.result is FlattenResult.FLAT


# -- reopened -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("close_reopened", [True, False])
def test_a_position_opened_after_the_first_read_is_seen_and_closed_if_the_settings_say_so(
    tmp_path: Path, close_reopened: bool
) -> None:
    """A bot that was not told to stop opens again after the close; whether that is ours to close is the desk's word."""
    bot = PaperBot(position(ETH, "", "2", "short"), follows_close_s=0.02)
    scenario = build_scenario([position(BTC, "11", "35"), position(ETH, "13", "20", "short")], bots=[bot])
    with open_lab(tmp_path, scenario) as quick:
        lab = with_account(quick, close_reopened=close_reopened)
        outcome = lab.flatten()
        eth = verdict_on(outcome, ETH)
        sent = [each for each in lab.attempts(outcome) if each.intent.instrument_id == ETH]
        if close_reopened:
            assert (eth.verdict, len(sent)) == (Verdict.FLAT, 2)
            assert lab.truly_open() == set()
        else:
            assert (eth.verdict, eth.cause, len(sent)) == (Verdict.RESIDUAL, ResidualCause.REOPENED, 1)
            assert set(eth.reopened_position_ids) == open_ids(lab)
            assert "close_reopened is false" in eth.reason
            assert outcome.closing.result is FlattenResult.NOT_FLAT


def test_what_was_there_before_is_closed_by_id_beside_a_reopened_row(tmp_path: Path) -> None:
    """A batch close would take the new row with it."""
    bot = PaperBot(position(BTC, "", "7"), follows_close_s=0.02)
    with open_lab(tmp_path, build_scenario(BOTH_SIDES, [SHORT_STAYS], bots=[bot])) as quick:
        lab = with_account(quick, close_reopened=False)
        outcome = lab.flatten()
        assert [named_ids(each) for each in lab.attempts(outcome)] == [None, ["12"]]
        (left,) = lab.truth()["open"]
        assert (left["instrument_id"], left["position_side"], left["quantity_contracts"]) == (BTC, "long", "7")
        assert verdict_on(outcome).reopened_position_ids == (left["position_id"],)


# -- odd sizes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "instrument", "cause"),
    [
        (ClosingRules(oversize=OversizeAnswer.REFUSED), {"max_market_size": Decimal(20)}, ResidualCause.OVERSIZED),
        (ClosingRules(dust=DustAnswer.REFUSED), {"lot_size": Decimal(10)}, ResidualCause.ODD_LOT),
        (ClosingRules(dust=DustAnswer.LEFT), {"lot_size": Decimal(10)}, ResidualCause.ODD_LOT),
        (ClosingRules(), {"state": "suspend"}, ResidualCause.NOT_TRADING),
        (ClosingRules(), {"state": "preopen"}, ResidualCause.NOT_TRADING),
    ],
)
def test_what_cannot_be_closed_is_in_the_plan_and_classified_afterwards(
    tmp_path: Path, rules: ClosingRules, instrument: dict[str, object], cause: ResidualCause
) -> None:
    """The desk knows before the first close, and the break says afterwards what it was."""
    scenario = with_rules(build_scenario([position(BTC, "11", "35")], closing=rules), BTC, **instrument)
    with open_lab(tmp_path, scenario) as quick:
        lab = with_settings(quick, max_rounds=2)
        outcome = lab.flatten()
        shown = next(each.text for each in lab.said if "instruments open" in each.text)
        btc = verdict_on(outcome)
        words = {
            ResidualCause.OVERSIZED: "larger than",
            ResidualCause.ODD_LOT: "lot 10",
            ResidualCause.NOT_TRADING: "state",
        }
        assert words[cause] in shown
        assert words[cause] in btc.reason
        assert (btc.verdict, btc.cause) == (Verdict.RESIDUAL, cause)
        record = lab.desk.ledger.read_verdicts(outcome.closing.flatten_id)
        assert next(each.cause for each in record if each.instrument_id == BTC) is cause


def test_a_size_that_each_close_takes_a_part_of_is_closed_in_rounds(tmp_path: Path) -> None:
    """An exchange that clamps to its largest market order says nothing; the next read does."""
    clamped = build_scenario([position(BTC, "11", "35")], closing=ClosingRules(oversize=OversizeAnswer.CLAMPED))
    with open_lab(tmp_path, with_rules(clamped, BTC, max_market_size=Decimal(15))) as lab:
        outcome = lab.flatten()
        assert outcome.closing.result is FlattenResult.FLAT
        assert [each.intent.quantity_contracts for each in lab.attempts(outcome)] == [35, 20, 5]


# -- copy trading ---------------------------------------------------------------------------------------------------------

COPIED = replace(position(BTC, "77", "9", "short"), is_following=True)


@pytest.mark.parametrize("answer", list(CopyTradingAnswer))
def test_rows_of_copy_trading_are_named_and_left_whatever_the_exchange_would_do(
    tmp_path: Path, answer: CopyTradingAnswer
) -> None:
    """Whether a batch close covers them is not documented, so none is sent where one is open."""
    scenario = build_scenario([position(BTC, "11", "35"), COPIED], closing=ClosingRules(copy_trading=answer))
    with open_lab(tmp_path, scenario) as lab:
        outcome = lab.flatten()
        btc = verdict_on(outcome)
        assert open_ids(lab) == {"77"}
        assert [named_ids(each) for each in lab.attempts(outcome)] == [["11"]]
        assert (btc.verdict, btc.cause) == (Verdict.RESIDUAL, ResidualCause.COPY_TRADING)
        assert "copy-trading position(s) 77 (close_copy_trading is false)" in btc.reason
        assert "copy-trading position(s) 77" in next(each.text for each in lab.said if "instruments open" in each.text)
        assert outcome.closing.result is FlattenResult.NOT_FLAT


@pytest.mark.parametrize(
    ("answer", "left"),
    [(CopyTradingAnswer.COVERED, set()), (CopyTradingAnswer.SPARED, {"77"}), (CopyTradingAnswer.REFUSED, {"77"})],
)
def test_a_setting_includes_rows_of_copy_trading(tmp_path: Path, answer: CopyTradingAnswer, left: set[str]) -> None:
    """And when the exchange spares them without a word, the reads say so."""
    scenario = build_scenario([position(BTC, "11", "35"), COPIED], closing=ClosingRules(copy_trading=answer))
    with open_lab(tmp_path, scenario) as quick:
        lab = with_settings(with_account(quick, close_copy_trading=True), max_rounds=2)
        outcome = lab.flatten()
        assert lab.attempts(outcome)[0].intent.endpoint == BATCH_CLOSE
        assert open_ids(lab) == left
        assert verdict_on(outcome).cause is (ResidualCause.COPY_TRADING if left else None)


def test_an_instrument_of_copy_trading_alone_is_not_sent_at_all(tmp_path: Path) -> None:
    """Nothing of it is ours to close, and the flatten says so at once instead of trying until its deadline."""
    with open_lab(tmp_path, build_scenario([COPIED, position(ETH, "13", "20", "short")])) as lab:
        outcome = lab.flatten()
        assert lab.close_arrivals() == [ETH]
        assert verdict_on(outcome).cause is ResidualCause.COPY_TRADING
        assert verdict_on(outcome, ETH).verdict is Verdict.FLAT
