"""Whatever the exchange does to a close, the ledger's verdict equals the exchange's own truth."""

from __future__ import annotations

from pathlib import Path

import pytest
from flatten_lab import build_scenario, open_lab, position, stubborn, with_settings

from deepcoin_ops.domain.model import FlattenResult, Outcome, Verdict
from deepcoin_ops.flattening import proof
from deepcoin_ops.paper.faults import Fault, FaultAction

A = FaultAction
POSITIONS = (
    position("BTC-USDT-SWAP", "PAPER-1", "500"),
    position("BTC-USDT-SWAP", "PAPER-2", "200", "short", margin_mode="isolated", merge_mode="split"),
    position("ETH-USDT-SWAP", "PAPER-3", "90.5", "short"),
    position("SOL-USDT", "PAPER-4", "12.5"),
    position("DOT-USDT-SWAP", "PAPER-5", "7"),
)

# Each fault strikes the first close (BTC-USDT-SWAP, the largest), executed or not; the outcome is what must be recorded.
FAULTS = [
    (Fault(A.THROTTLE), Outcome.REFUSED, 2),
    (Fault(A.TOO_MANY_REQUESTS), Outcome.UNKNOWN, 2),
    (Fault(A.UNAUTHORIZED_HTML), Outcome.UNKNOWN, 2),
    (Fault(A.REDIRECT), Outcome.UNKNOWN, 2),
    (Fault(A.HANG, is_executed=True), Outcome.UNKNOWN, 1),
    (Fault(A.HANG, is_executed=False), Outcome.UNKNOWN, 2),
    (Fault(A.RESET, is_executed=True), Outcome.UNKNOWN, 1),
    (Fault(A.RESET, is_executed=False), Outcome.UNKNOWN, 2),
    (Fault(A.DISCONNECT, is_executed=True), Outcome.UNKNOWN, 1),
    (Fault(A.DISCONNECT, is_executed=False), Outcome.UNKNOWN, 2),
    (Fault(A.TRUNCATED_BODY, is_executed=True), Outcome.UNKNOWN, 1),
    (Fault(A.CUT_STATUS_LINE, is_executed=True), Outcome.UNKNOWN, 1),
    (Fault(A.SERVER_ERROR, is_executed=True), Outcome.UNKNOWN, 1),
    (Fault(A.SERVER_ERROR, is_executed=False), Outcome.UNKNOWN, 2),
    (Fault(A.HTML, is_executed=True), Outcome.UNKNOWN, 1),
    (Fault(A.NOT_AN_OBJECT, is_executed=True), Outcome.UNKNOWN, 1),
    (Fault(A.ERROR_LIST_MISSING, is_executed=True), Outcome.UNKNOWN, 1),
    (Fault(A.ERROR_LIST_NULL, is_executed=True), Outcome.UNKNOWN, 1),
    (Fault(A.ERROR_LIST_NOT_A_LIST, is_executed=True), Outcome.UNKNOWN, 1),
    (Fault(A.DATA_NULL, is_executed=True), Outcome.UNKNOWN, 1),
    (Fault(A.OVERSIZED_BODY, is_executed=True), Outcome.UNKNOWN, 1),
    (Fault(A.CODE_AS_INT, is_executed=True), Outcome.ACCEPTED, 1),
    (Fault(A.UNKNOWN_FIELDS, is_executed=True), Outcome.ACCEPTED, 1),
    (Fault(A.DELAY, is_executed=True, delay_s=0.4), Outcome.ACCEPTED, 1),
    (Fault(A.ERROR_ITEMS), Outcome.PARTIAL, 2),
    (Fault(A.ERROR_ITEMS, position_side="short"), Outcome.PARTIAL, 2),
    (Fault(A.DUPLICATED_ITEMS), Outcome.PARTIAL, 2),
]


def _name(value: object) -> str:
    if isinstance(value, Fault):
        return f"{value.action}-{'executed' if value.is_executed else 'not executed'}"
    return str(value)


@pytest.mark.parametrize(("fault", "outcome", "sends"), FAULTS, ids=_name)
def test_every_fault_of_a_close_ends_flat_and_true(tmp_path: Path, fault: Fault, outcome: Outcome, sends: int) -> None:
    """A close that was executed is never sent again; one that was not is sent again only after a settled read."""
    with open_lab(tmp_path, build_scenario(POSITIONS, [fault])) as lab:
        result = lab.flatten()
        attempts = [attempt for attempt in lab.attempts(result) if attempt.intent.instrument_id == "BTC-USDT-SWAP"]
        assert [attempts[0].outcome, len(attempts)] == [outcome, sends]
        assert result.closing.result is FlattenResult.FLAT
        assert lab.truly_open() == {"DOT-USDT-SWAP"}
        assert len(lab.attempts(result)) == len(lab.close_arrivals())
        assert set(result.closing.unconfigured) == {"DOT-USDT-SWAP"}


def test_what_stays_open_is_residual_and_named_with_its_last_answer(tmp_path: Path) -> None:
    """An instrument that cannot be closed uses up its rounds and is named; the others are flat all the same."""
    with open_lab(tmp_path, build_scenario(POSITIONS, stubborn("ETH-USDT-SWAP"))) as lab:
        result = lab.flatten()
        verdicts = {verdict.instrument_id: verdict for verdict in result.verdicts}
        assert verdicts["ETH-USDT-SWAP"].verdict is Verdict.RESIDUAL
        assert "51020" in verdicts["ETH-USDT-SWAP"].reason
        assert verdicts["BTC-USDT-SWAP"].verdict is Verdict.FLAT
        assert verdicts["XRP-USDT-SWAP"].verdict is Verdict.ALREADY_FLAT
        assert result.closing.result is FlattenResult.NOT_FLAT
        assert result.describe_failure().startswith("ETH-USDT-SWAP RESIDUAL")
        assert lab.close_arrivals().count("ETH-USDT-SWAP") == 5
        assert lab.truly_open() == {"ETH-USDT-SWAP", "DOT-USDT-SWAP"}


def test_an_account_that_is_flat_takes_two_reads_and_no_send(tmp_path: Path) -> None:
    """Already flat is a proof like any other."""
    with open_lab(tmp_path, build_scenario([])) as lab:
        result = lab.flatten()
        assert result.closing.result is FlattenResult.FLAT
        assert {verdict.verdict for verdict in result.verdicts} == {Verdict.ALREADY_FLAT}
        assert lab.close_arrivals() == []
        reads = [arrival for arrival in lab.exchange.arrivals() if arrival.path.endswith("account/positions")]
        assert len(reads) >= 4  # two reads of two pages each


@pytest.mark.parametrize("action", [A.DATA_NULL, A.DATA_NOT_A_LIST, A.HTML, A.SERVER_ERROR, A.DISCONNECT, A.THROTTLE])
def test_a_positions_read_that_failed_is_never_no_positions(tmp_path: Path, action: FaultAction) -> None:
    """Reads failing before, between and after the closes delay the proof; they never replace it."""
    broken = [Fault(action, endpoint="account/positions", call=call) for call in (1, 3, 4)]
    with open_lab(tmp_path, build_scenario(POSITIONS, broken)) as lab:
        result = lab.flatten()
        assert result.closing.result is FlattenResult.FLAT
        assert lab.truly_open() == {"DOT-USDT-SWAP"}


def test_reads_that_never_succeed_after_the_closes_leave_it_unverified(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Accepted is not flat."""
    monkeypatch.setattr(proof, "_VERIFY_LIMIT_S", 3.0)
    blind = Fault(A.SERVER_ERROR, endpoint="account/positions", call=3, until_call=10_000)
    with open_lab(tmp_path, build_scenario(POSITIONS, [blind])) as lab:
        limited = with_settings(lab, max_deadline_s=1.5, settle_s=0.1)
        result = limited.flatten()
        assert result.closing.result is FlattenResult.UNVERIFIED
        assert {verdict.verdict for verdict in result.verdicts} == {Verdict.UNVERIFIED}
        assert limited.truly_open() == {"DOT-USDT-SWAP"}


def test_a_lagging_read_does_not_send_an_accepted_close_again(tmp_path: Path) -> None:
    """The exchange's reads were seen to lag its writes by seconds; within the settle time they are no evidence."""
    with open_lab(tmp_path, build_scenario(POSITIONS, read_lag_s=0.12)) as lab:
        result = lab.flatten()
        assert result.closing.result is FlattenResult.FLAT
        assert sorted(lab.close_arrivals()) == ["BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT"]


def test_a_reopened_position_is_closed_again_and_named(tmp_path: Path) -> None:
    """The loop is level-triggered: whoever opened it, it is open."""
    with open_lab(tmp_path, build_scenario(POSITIONS, [Fault(A.REOPEN, delay_s=0.05)])) as lab:
        result = lab.flatten()
        assert result.closing.result is FlattenResult.FLAT
        assert lab.close_arrivals().count("BTC-USDT-SWAP") == 2


def test_a_fatal_refusal_of_a_close_stops_all_further_sends(tmp_path: Path) -> None:
    """A key that is refused once is refused always; hammering on would only alarm the exchange."""
    with open_lab(tmp_path, build_scenario(POSITIONS, [Fault(A.AUTH_ERROR, auth_code="50111", call=None)])) as lab:
        result = lab.flatten()
        assert result.closing.result is FlattenResult.NOT_FLAT
        assert "50111" in result.closing.reason
        assert len(lab.close_arrivals()) <= lab.desk.settings.flatten.max_in_flight


def test_an_expired_timestamp_is_corrected_once(tmp_path: Path) -> None:
    """A clock that is off is corrected from the exchange's; what was refused is sent again in a later round."""
    with open_lab(tmp_path, build_scenario(POSITIONS, clock_offset_s=20.0, timestamp_window_s=5.0)) as lab:
        result = lab.flatten()
        assert result.closing.result is FlattenResult.FLAT
        assert 19 < lab.desk.client.clock_offset.total_seconds() < 21


def test_a_largest_notional_goes_first_and_the_rest_in_order(tmp_path: Path) -> None:
    """The order takes the most exposure off first."""
    with open_lab(tmp_path, build_scenario(POSITIONS)) as lab:
        lab.flatten()
        assert lab.close_arrivals() == ["BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT"]
