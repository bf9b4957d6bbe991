"""The client against a real server on loopback: what it proves, what it refuses, what it tells the pace.

The paper exchange has wire and signing code of its own, so a mistake in either spelling shows here.
"""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from paces import RecordingPace
from raw_server import PATIENCE_S, RawServer, answer, saying

from deepcoin_ops.domain.errors import ReadFailed, ReadRefused, SendWithdrawn
from deepcoin_ops.domain.model import InstrumentType, Outcome, PositionSide, ProductGroup, Refusal, Venue
from deepcoin_ops.domain.paper_credentials import PaperCredentials, paper_credentials
from deepcoin_ops.exchange.client import BATCH_CLOSE, CLOSE_BY_IDS, DeepcoinClient
from deepcoin_ops.exchange.pacing import never, no_op
from deepcoin_ops.exchange.transport import Transport
from deepcoin_ops.exchange.wire import close_body, close_by_ids_body
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.listing import PaperInstrument
from deepcoin_ops.paper.scenario import LimitSettings, NoPositionAnswer, PaperAccount, PaperPosition, Scenario
from deepcoin_ops.paper.server import PaperExchange

SCENARIO = Scenario(
    instruments=(
        PaperInstrument("BTC-USDT-SWAP", Decimal(91000), contract_size=Decimal("0.001")),
        PaperInstrument("ETH-USDT-SWAP", Decimal(3000), contract_size=Decimal("0.1")),
        PaperInstrument("SOL-USDT", Decimal(150)),
    ),
    accounts=(
        PaperAccount(
            "main",
            (
                PaperPosition("BTC-USDT-SWAP", PositionSide.LONG, Decimal(35), position_id="11"),
                PaperPosition("BTC-USDT-SWAP", PositionSide.SHORT, Decimal(12), position_id="12"),
                PaperPosition("ETH-USDT-SWAP", PositionSide.SHORT, Decimal("0.3"), position_id="13"),
                PaperPosition("SOL-USDT", PositionSide.LONG, Decimal("4.25"), position_id="14"),
            ),
        ),
    ),
    # The pace under test waits for nothing, so the exchange must not mind.
    limits=LimitSettings(private_per_period=1000, market_per_period=1000),
    no_position_answer=NoPositionAnswer.ERROR_ITEM,
)
POSITIONS = "account/positions"
BTC_CLOSE = close_body("BTC-USDT-SWAP")


class Bench:
    """One paper exchange, and clients of it that share two recording paces."""

    def __init__(self, opened: ExitStack) -> None:
        self.exchange = opened.enter_context(PaperExchange(SCENARIO))
        self.account_pace, self.market_pace = RecordingPace(), RecordingPace()
        self._opened = opened

    def client(
        self,
        venue: Venue = Venue.PAPER,
        credentials: PaperCredentials | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        read_timeout_s: float = PATIENCE_S,
        url: str | None = None,
    ) -> DeepcoinClient:
        """A client of the exchange or of another address, closed at the end of the test."""
        client = DeepcoinClient(
            transport=Transport(url or self.exchange.url, connect_timeout_s=PATIENCE_S, read_timeout_s=read_timeout_s),
            venue=venue,
            credentials=credentials or paper_credentials("main"),
            account_pace=self.account_pace,
            market_pace=self.market_pace,
            now=now,
        )
        self._opened.callback(client.close)
        return client

    def spoil(self, action: FaultAction, endpoint: str = "batch-close-position", **details: object) -> None:
        """Make the next call of an endpoint go wrong."""
        self.exchange.add_fault(Fault(action, endpoint=endpoint, **details))

    def open_instruments(self) -> set[str]:
        """What is open, as the truth has it: asked by a client of its own."""
        client = self.client()
        return {row.instrument_id for row in client.fetch_positions(InstrumentType.SWAP).positions}


@pytest.fixture
def bench() -> Iterator[Bench]:
    """A paper exchange of this test's own."""
    with ExitStack() as opened:
        yield Bench(opened)


def test_positions_are_read_completely(bench: Bench) -> None:
    """All rows, both sides, exact sizes, and the bytes they came from."""
    read = bench.client().fetch_positions(InstrumentType.SWAP)
    rows = {(row.instrument_id, row.position_side): row.quantity_contracts for row in read.positions}
    assert rows == {
        ("BTC-USDT-SWAP", PositionSide.LONG): Decimal(35),
        ("BTC-USDT-SWAP", PositionSide.SHORT): Decimal(12),
        ("ETH-USDT-SWAP", PositionSide.SHORT): Decimal("0.3"),
    }
    assert (read.instrument_type, read.notes, read.raw.is_truncated) == (InstrumentType.SWAP, (), False)
    assert read.started_at <= read.finished_at
    assert (bench.account_pace.slots, bench.account_pace.clean) == (["positions"], ["positions"])


def test_spot_holdings_are_read_as_long_positions(bench: Bench) -> None:
    """They are another instrument type at the exchange and the same kind of row here."""
    (holding,) = bench.client().fetch_positions(InstrumentType.SPOT).positions
    assert (holding.instrument_id, holding.product_group) == ("SOL-USDT", ProductGroup.SPOT)
    assert (holding.position_side, holding.quantity_contracts) == (PositionSide.LONG, Decimal("4.25"))


def test_a_positions_read_begins_after_its_slot(bench: Bench) -> None:
    """A read proves something about the time after it began; the wait for its slot must not count as reading."""
    clock = [datetime(2026, 1, 2, tzinfo=UTC)]

    def pass_time() -> None:
        clock[0] = datetime.now(UTC)

    bench.account_pace.on_slot = pass_time
    read = bench.client(now=lambda: clock[0]).fetch_positions(InstrumentType.SWAP)
    assert read.started_at == clock[0]


def test_market_data_is_read_in_a_lane_of_its_own(bench: Bench) -> None:
    """The exchange meters it by address, so it may neither use up nor be held up by the account's slots."""
    client = bench.client()
    assert client.fetch_instruments(InstrumentType.SWAP)["BTC-USDT-SWAP"].contract_size == Decimal("0.001")
    assert client.fetch_last_prices(InstrumentType.SPOT) == {"SOL-USDT": Decimal(150)}
    assert (bench.market_pace.slots, bench.account_pace.slots) == (["market", "market"], [])


def test_the_uid_is_the_one_of_the_key(bench: Bench) -> None:
    """It is what a live flatten compares with its arming."""
    assert bench.client().fetch_uid() == SCENARIO.accounts[0].uid
    assert bench.account_pace.slots == ["account"]


def test_an_accepted_close_closes_every_row_of_one_instrument(bench: Bench) -> None:
    """Both sides go, the other instruments stay, and one request did it."""
    answer = bench.client().send_close(BATCH_CLOSE, BTC_CLOSE)
    assert (answer.outcome, answer.error_code, answer.refusal) == (Outcome.ACCEPTED, "0", None)
    assert answer.sent_at is not None
    assert answer.sent_at <= answer.answered_at
    assert answer.raw is not None
    assert len(bench.exchange.arrivals()) == 1
    assert bench.open_instruments() == {"ETH-USDT-SWAP"}


def test_a_close_by_ids_closes_the_named_rows_only(bench: Bench) -> None:
    """The second pass must not touch what somebody opened meanwhile."""
    client = bench.client()
    answer = client.send_close(CLOSE_BY_IDS, close_by_ids_body("BTC-USDT-SWAP", ["12"]))
    left = {row.position_id for row in client.fetch_positions(InstrumentType.SWAP).positions}
    assert (answer.outcome, left) == (Outcome.ACCEPTED, {"11", "13"})
    client.note_close_answer(CLOSE_BY_IDS, answer)
    assert bench.account_pace.clean == ["positions", "close-by-ids"]


def test_a_partial_close_brings_its_items(bench: Bench) -> None:
    """Failures stand inside an answer that says success outside."""
    bench.spoil(FaultAction.ERROR_ITEMS, position_side=PositionSide.SHORT)
    answer = bench.client().send_close(BATCH_CLOSE, BTC_CLOSE)
    assert answer.outcome is Outcome.PARTIAL
    assert [(item.position_side, item.error_code) for item in answer.close_errors] == [(PositionSide.SHORT, "51020")]


@pytest.mark.parametrize(
    "action",
    [
        FaultAction.RESET,
        FaultAction.DISCONNECT,
        FaultAction.TRUNCATED_BODY,
        FaultAction.CUT_STATUS_LINE,
        FaultAction.SERVER_ERROR,
        FaultAction.HTML,
        FaultAction.NOT_AN_OBJECT,
        FaultAction.ERROR_LIST_MISSING,
        FaultAction.ERROR_LIST_NULL,
        FaultAction.ERROR_LIST_NOT_A_LIST,
        FaultAction.DATA_NULL,
        FaultAction.OVERSIZED_BODY,
        FaultAction.REDIRECT,
        FaultAction.UNAUTHORIZED_HTML,
        FaultAction.TOO_MANY_REQUESTS,
    ],
)
def test_a_close_without_a_proof_is_unknown_and_sent_once(action: FaultAction, bench: Bench) -> None:
    """Most of these closed the position. Neither an exception nor a second send may come of it."""
    bench.spoil(action)
    answer = bench.client().send_close(BATCH_CLOSE, BTC_CLOSE)
    assert (answer.outcome, answer.close_errors) == (Outcome.UNKNOWN, ())
    assert answer.sent_at is not None
    assert len(bench.exchange.arrivals()) == 1


def test_a_timeout_after_the_send_is_unknown_not_refused(bench: Bench) -> None:
    """The close was executed and never answered."""
    bench.spoil(FaultAction.HANG)
    answer = bench.client(read_timeout_s=0.5).send_close(BATCH_CLOSE, BTC_CLOSE)
    assert (answer.outcome, answer.raw) == (Outcome.UNKNOWN, None)
    assert bench.open_instruments() == {"ETH-USDT-SWAP"}


def test_a_close_that_nobody_received_is_not_sent(bench: Bench) -> None:
    """A stopped exchange refuses the connection; that is a proof, and there is no time of sending."""
    client = bench.client()
    bench.exchange.stop()
    answer = client.send_close(BATCH_CLOSE, BTC_CLOSE)
    assert (answer.outcome, answer.sent_at, answer.raw) == (Outcome.NOT_SENT, None, None)
    assert bench.exchange.arrivals() == []


def test_a_code_as_a_number_is_still_a_success(bench: Bench) -> None:
    """The type of the code drifts between endpoints."""
    bench.spoil(FaultAction.CODE_AS_INT)
    assert bench.client().send_close(BATCH_CLOSE, BTC_CLOSE).outcome is Outcome.ACCEPTED


def test_unknown_fields_are_noted_beside_the_outcome(bench: Bench) -> None:
    """They reach the record without disturbing the close."""
    bench.spoil(FaultAction.UNKNOWN_FIELDS)
    answer = bench.client().send_close(BATCH_CLOSE, close_body("SOL-USDT"))
    assert answer.outcome is Outcome.ACCEPTED
    bench.spoil(FaultAction.UNKNOWN_FIELDS, endpoint=POSITIONS)
    read = bench.client().fetch_positions(InstrumentType.SWAP)
    assert read.notes == ("positions row with unknown field(s): nested, traceId",)


def test_a_throttled_close_is_refused_and_pushes_the_pace(bench: Bench) -> None:
    """401 with 50000 is the rate limit and no matter of keys; the next round sends again."""
    bench.spoil(FaultAction.THROTTLE)
    client = bench.client()
    answer = client.send_close(BATCH_CLOSE, BTC_CLOSE)
    assert (answer.outcome, answer.refusal) == (Outcome.REFUSED, Refusal.THROTTLED)
    assert (answer.is_throttled, answer.retry_after_s) == (True, 1.0)
    assert bench.account_pace.pushes == []  # the record of the answer comes first
    client.note_close_answer(BATCH_CLOSE, answer)
    assert (bench.account_pace.pushes, bench.account_pace.clean) == ([("batch-close", 1.0)], [])
    assert "BTC-USDT-SWAP" in bench.open_instruments()


def test_a_429_is_unknown_and_pushes_the_pace(bench: Bench) -> None:
    """Nobody has seen the exchange answer one, so it proves nothing; slowing down is right either way."""
    bench.spoil(FaultAction.TOO_MANY_REQUESTS)
    client = bench.client()
    answer = client.send_close(BATCH_CLOSE, BTC_CLOSE)
    client.note_close_answer(BATCH_CLOSE, answer)
    assert (answer.outcome, answer.is_throttled) == (Outcome.UNKNOWN, True)
    assert bench.account_pace.pushes == [("batch-close", 1.0)]


@pytest.mark.parametrize("action", [FaultAction.THROTTLE, FaultAction.TOO_MANY_REQUESTS])
def test_a_throttled_read_fails_and_pushes_its_own_lane(action: FaultAction, bench: Bench) -> None:
    """Reads are metered like sends, and a throttled one brings no proof."""
    bench.spoil(action, endpoint=POSITIONS)
    with pytest.raises(ReadFailed):
        bench.client().fetch_positions(InstrumentType.SWAP)
    assert (bench.account_pace.pushes, bench.account_pace.clean) == ([("positions", 1.0)], [])


def test_a_throttled_read_says_that_it_was_throttled(bench: Bench) -> None:
    """The flatten goes on after a throttle and ends after a wrong key, and both are a 401."""
    bench.spoil(FaultAction.THROTTLE, endpoint=POSITIONS)
    with pytest.raises(ReadRefused) as refused:
        bench.client().fetch_positions(InstrumentType.SWAP)
    assert (refused.value.refusal, refused.value.error_code) == (Refusal.THROTTLED, "50000")


@pytest.mark.parametrize(
    ("auth_code", "refusal"), [("50111", Refusal.FATAL), ("50110", Refusal.FATAL), ("50102", Refusal.TIMESTAMP)]
)
def test_a_refused_key_is_the_same_refusal_for_closes_and_reads(auth_code: str, refusal: Refusal, bench: Bench) -> None:
    """Which of the two met it first must not decide whether the flatten stops."""
    bench.spoil(FaultAction.AUTH_ERROR, auth_code=auth_code)
    bench.spoil(FaultAction.AUTH_ERROR, endpoint=POSITIONS, auth_code=auth_code)
    client = bench.client()
    answer = client.send_close(BATCH_CLOSE, BTC_CLOSE)
    with pytest.raises(ReadRefused) as refused:
        client.fetch_positions(InstrumentType.SWAP)
    assert (answer.outcome, answer.refusal, answer.error_code) == (Outcome.REFUSED, refusal, auth_code)
    assert (refused.value.refusal, refused.value.error_code) == (refusal, auth_code)
    assert bench.account_pace.pushes == []


def test_a_wrong_secret_is_refused_by_the_exchange(bench: Bench) -> None:
    """The paper exchange checks signatures with code of its own, so this one is not merely ours agreeing with itself."""
    good = paper_credentials("main")
    client = bench.client(credentials=PaperCredentials(good.api_key, "0" * 32, good.passphrase))
    assert client.send_close(BATCH_CLOSE, BTC_CLOSE).error_code == "50111"
    assert bench.open_instruments() == {"BTC-USDT-SWAP", "ETH-USDT-SWAP"}


@pytest.mark.parametrize(
    "action",
    [
        FaultAction.RESET,
        FaultAction.DISCONNECT,
        FaultAction.TRUNCATED_BODY,
        FaultAction.CUT_STATUS_LINE,
        FaultAction.SERVER_ERROR,
        FaultAction.HTML,
        FaultAction.NOT_AN_OBJECT,
        FaultAction.DATA_NULL,
        FaultAction.DATA_NOT_A_LIST,
        FaultAction.OVERSIZED_BODY,
        FaultAction.REDIRECT,
        FaultAction.UNAUTHORIZED_HTML,
        FaultAction.TOO_MANY_REQUESTS,
        FaultAction.UNMARKED,
    ],
)
def test_an_incomplete_read_raises_and_is_never_empty(action: FaultAction, bench: Bench) -> None:
    """An open account must not look flat because its answer was damaged."""
    bench.spoil(action, endpoint=POSITIONS)
    with pytest.raises(ReadFailed, match="account/positions"):
        bench.client().fetch_positions(InstrumentType.SWAP)


@pytest.mark.parametrize(
    ("status", "code"),
    [("200 OK", "24"), ("200 OK", "1"), ("500 Internal Server Error", "0"), ("201 Created", "0"), ("404 Not Found", "0")],
)
def test_a_readable_list_under_a_failure_is_no_read(status: str, code: str, bench: Bench) -> None:
    """An empty list beside a failing status or code would say flat; only HTTP 200 with code 0 may."""
    body = f'{{"code":"{code}","msg":"","data":[]}}'.encode()
    with RawServer(saying(answer(body, status, "X-Paper: 1\r\n"))) as server:
        client = bench.client(url=server.url)
        with pytest.raises(ReadFailed) as failed:
            client.fetch_positions(InstrumentType.SWAP)
    assert not isinstance(failed.value, ReadRefused)


def test_a_failed_read_keeps_what_was_received(bench: Bench) -> None:
    """The bytes are the evidence for whoever looks into it."""
    bench.spoil(FaultAction.DATA_NULL, endpoint=POSITIONS)
    with pytest.raises(ReadFailed) as failed:
        bench.client().fetch_positions(InstrumentType.SWAP)
    assert failed.value.raw is not None
    assert b'"data":null' in failed.value.raw.body


def test_a_parameter_the_exchange_does_not_take_is_a_refusal(bench: Bench) -> None:
    """Code 50 with null data proves that nothing was done for this instrument; the others go on."""
    answer = bench.client().send_close(BATCH_CLOSE, close_body("NEW-USDT-SWAP"))
    assert (answer.outcome, answer.refusal, answer.error_code) == (Outcome.REFUSED, Refusal.PARAMETER, "50")


def test_an_unmarked_close_answer_stops_a_paper_flatten(bench: Bench) -> None:
    """An answer without the paper mark may come from the real exchange, which is the last place for a rehearsal."""
    bench.spoil(FaultAction.UNMARKED)
    answer = bench.client().send_close(BATCH_CLOSE, BTC_CLOSE)
    assert (answer.outcome, answer.refusal) == (Outcome.UNKNOWN, Refusal.FATAL)
    assert "paper venue" in answer.reason


def test_a_marked_answer_is_refused_by_a_live_client(bench: Bench) -> None:
    """A live flatten that talks to the paper exchange would report a real account flat that nobody touched."""
    client = bench.client(venue=Venue.LIVE)
    answer = client.send_close(BATCH_CLOSE, BTC_CLOSE)
    assert (answer.outcome, answer.refusal) == (Outcome.UNKNOWN, Refusal.FATAL)
    with pytest.raises(ReadRefused, match="live venue") as refused:
        client.fetch_positions(InstrumentType.SWAP)
    assert refused.value.refusal is Refusal.FATAL


def test_an_unmarked_answer_is_taken_by_a_live_client(bench: Bench) -> None:
    """The real exchange sets no mark."""
    bench.spoil(FaultAction.UNMARKED)
    assert bench.client(venue=Venue.LIVE).send_close(BATCH_CLOSE, BTC_CLOSE).outcome is Outcome.ACCEPTED


def test_a_wrong_clock_is_refused_until_it_is_corrected(bench: Bench) -> None:
    """One read of the server's time mends it, without touching the machine's clock."""
    client = bench.client(now=lambda: datetime.now(UTC) - timedelta(minutes=5))
    assert client.send_close(BATCH_CLOSE, BTC_CLOSE).refusal is Refusal.TIMESTAMP
    offset = client.fetch_clock().offset
    assert client.clock_offset == timedelta(0)
    client.apply_clock_offset(offset)
    assert round(offset / timedelta(minutes=1)) == 5
    assert client.send_close(BATCH_CLOSE, BTC_CLOSE).outcome is Outcome.ACCEPTED


def test_a_clock_is_corrected_by_the_middle_of_the_round_trip(bench: Bench) -> None:
    """With both ends of the trip given, half of it is what the measurement may be wrong by."""
    begun = datetime.now(UTC)
    trip = iter([begun - timedelta(seconds=100), begun - timedelta(seconds=96)])
    reading = bench.client(now=lambda: next(trip)).fetch_clock()
    # The exchange reads the same clock somewhere between the two lines, and tells whole milliseconds.
    middle, took = timedelta(seconds=98), datetime.now(UTC) - begun
    assert middle - timedelta(milliseconds=1) <= reading.offset <= middle + took
    assert reading.error_s == 2.0


def test_a_clock_that_cannot_be_read_stays_as_it_was(bench: Bench) -> None:
    """A failed correction must not make a good clock worse."""
    client = bench.client()
    bench.spoil(FaultAction.HTML, endpoint="market/time")
    with pytest.raises(ReadFailed):
        client.fetch_clock()
    assert client.clock_offset == timedelta(0)


def test_a_close_slot_prepares_in_the_lane_of_its_endpoint(bench: Bench) -> None:
    """The intent is recorded in the slot, so that nothing leaves without a record."""
    prepared: list[str] = []
    client = bench.client()
    client.take_close_slot(BATCH_CLOSE, lambda: prepared.append("batch"), never)
    client.take_close_slot(CLOSE_BY_IDS, lambda: prepared.append("ids"), never)
    assert (prepared, bench.account_pace.slots) == (["batch", "ids"], ["batch-close", "close-by-ids"])
    assert bench.exchange.arrivals() == []


def test_a_stop_withdraws_slot_and_read(bench: Bench) -> None:
    """Whoever asks for a stop while something waits expects that nothing more leaves."""
    client = bench.client()
    with pytest.raises(SendWithdrawn):
        client.take_close_slot(BATCH_CLOSE, no_op, lambda: True)
    with pytest.raises(SendWithdrawn):
        client.fetch_positions(InstrumentType.SWAP, lambda: True)
    assert bench.exchange.arrivals() == []


@pytest.mark.parametrize("is_merged", [False, True])
def test_the_client_tells_whether_the_accounts_lanes_share_a_budget(is_merged: bool, bench: Bench) -> None:
    """Then every request holds up the closes; market data is metered elsewhere and says nothing about it."""
    bench.account_pace.is_merged, bench.market_pace.is_merged = is_merged, not is_merged
    assert bench.client().has_shared_pace is is_merged


def test_threads_share_a_client(bench: Bench) -> None:
    """Slow answers are awaited beside each other, over one client."""
    client, reads = bench.client(), []
    threads = [
        threading.Thread(target=lambda: reads.append(client.fetch_positions(InstrumentType.SWAP))) for _thread in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert [len(read.positions) for read in reads] == [3, 3, 3, 3]


@pytest.mark.parametrize(
    "action", [FaultAction.RESET, FaultAction.AUTH_ERROR, FaultAction.HTML, FaultAction.UNMARKED, FaultAction.THROTTLE]
)
def test_credentials_are_in_no_failed_read(action: FaultAction, bench: Bench) -> None:
    """A failure is shown to people and kept in records, with everything that led to it."""
    bench.spoil(action, endpoint=POSITIONS)
    with pytest.raises(ReadFailed) as failed:
        bench.client().fetch_positions(InstrumentType.SWAP)
    told = "".join(traceback.format_exception(failed.value)) + repr(failed.value)
    credentials = paper_credentials("main")
    assert not [secret for secret in (credentials.secret_key, credentials.passphrase) if secret in told]
