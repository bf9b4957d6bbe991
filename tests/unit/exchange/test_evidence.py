"""Paging a window: against an exchange whose order and bounds are any of those it may have, and against the paper one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from flatten_lab import build_scenario, position
from hypothesis import given
from hypothesis import strategies as st

from deepcoin_ops.domain.errors import GuardRefused, SendWithdrawn
from deepcoin_ops.domain.evidence import EvidencePage, EvidenceQuestion, EvidenceRead, EvidenceSource, EvidenceStatus
from deepcoin_ops.domain.model import InstrumentType, RawAnswer, Venue
from deepcoin_ops.domain.paper_credentials import paper_credentials
from deepcoin_ops.exchange.client import BATCH_CLOSE, DeepcoinClient
from deepcoin_ops.exchange.evidence import EVIDENCE_LANES, PAGE_ROWS, fetch_evidence
from deepcoin_ops.exchange.pacing import never, no_op
from deepcoin_ops.exchange.transport import HttpAnswer, Transport
from deepcoin_ops.exchange.wire import close_body
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.scenario import LimitSettings
from deepcoin_ops.paper.server import PaperExchange

DAY = datetime(2026, 3, 9, tzinfo=UTC)
HISTORY, FILLS = EvidenceSource.POSITIONS_HISTORY, EvidenceSource.FILLS
Answer = tuple[EvidenceRead, tuple[EvidencePage, ...]]


class CountingPace:
    """A pace without waits that counts the slots of each lane."""

    def __init__(self) -> None:
        self.slots: list[str] = []
        self.pushes: list[str] = []

    def take_slot(self, lane: str, *, prepare: Callable[[], None] = no_op, is_stopped: Callable[[], bool] = never) -> None:
        if is_stopped():
            raise SendWithdrawn(lane)
        prepare()
        self.slots.append(lane)

    def push(self, lane: str, retry_after_s: float | None) -> None:
        self.pushes.append(lane)

    def record_clean(self, lane: str) -> None:
        pass

    def is_shared(self) -> bool:
        return False


class ListedExchange:
    """The network's far end as a function: a list of fills, in one of the ways in which a page may be cut from it."""

    def __init__(self, times_ms: list[int], *, is_newest_first: bool = True, excluded: str = "", habit: str = "") -> None:
        self.rows = [_build_fill(number, at) for number, at in enumerate(sorted(times_ms))]
        self.requests: list[str] = []
        self._is_newest_first = is_newest_first
        self._excluded = excluded
        self._habit = habit

    def send(self, method: str, path_and_query: str, headers: Mapping[str, str], body: str = "") -> HttpAnswer:
        assert (method, body) == ("GET", "")
        self.requests.append(path_and_query)
        query = {name: values[0] for name, values in parse_qs(urlsplit(path_and_query).query).items()}
        rows = [row for row in self.rows if self._is_shown(int(row["ts"]), int(query["begin"]), int(query["end"]))]
        page = (rows[::-1] if self._is_newest_first else rows)[: int(query["limit"])]
        if self._habit == "forgets the rest" and len(self.requests) > 1:
            page = page[: PAGE_ROWS // 4]
        content = json.dumps({"code": "0", "msg": "", "data": page}).encode()
        return HttpAnswer(RawAnswer(200, content, len(content)), 200, {"x-paper": "1"})

    def _is_shown(self, at: int, begin: int, end: int) -> bool:
        if self._habit == "ignores the window":
            return True
        starts = at > begin if "begin" in self._excluded else at >= begin
        return starts and (at < end if "end" in self._excluded else at <= end)

    def close(self) -> None:
        """Nothing is kept open."""


def _build_fill(number: int, at_ms: int) -> dict[str, str]:
    fixed = {"instType": "SWAP", "instId": "BTC-USDT-SWAP", "fillPx": "1", "fillSz": "1", "side": "sell", "posSide": "long"}
    return fixed | {"billId": str(number), "ts": str(at_ms)}


def ask(
    exchange: ListedExchange | Transport,
    source: EvidenceSource = FILLS,
    starts_at: datetime = DAY,
    ends_at: datetime = DAY + timedelta(days=1),
    is_stopped: Callable[[], bool] = never,
    pace: CountingPace | None = None,
) -> Answer:
    """One list over one window, asked by the real client."""
    client = DeepcoinClient(
        transport=exchange,
        venue=Venue.PAPER,
        credentials=paper_credentials("main"),
        account_pace=pace or CountingPace(),
        market_pace=CountingPace(),
    )

    def refuse(_began_s: float, told: str) -> None:
        raise GuardRefused(f"no clock helps: {told}")

    try:
        return fetch_evidence(client, EvidenceQuestion(source, InstrumentType.SWAP, starts_at, ends_at), refuse, is_stopped)
    finally:
        client.close()


def _ms(offset_s: float) -> int:
    return int((DAY.timestamp() + offset_s) * 1000)


times = st.lists(st.integers(1, 86_399).map(_ms), max_size=420, unique=True)


@given(
    times_ms=times,
    is_newest_first=st.booleans(),
    excluded=st.sampled_from(["", "begin", "end", "begin end"]),
)
def test_every_row_of_a_day_is_read_once_whatever_order_and_bounds_the_exchange_has(
    times_ms: list[int], is_newest_first: bool, excluded: str
) -> None:
    """None of it is documented, and a row that is lost or counted twice is a false alarm or none."""
    exchange = ListedExchange(times_ms, is_newest_first=is_newest_first, excluded=excluded)
    read, pages = ask(exchange)
    assert read.status is EvidenceStatus.COMPLETE
    assert sorted(int(fill.bill_id) for fill in read.fills) == list(range(len(times_ms)))
    assert len(pages) == len(exchange.requests)


def test_a_burst_at_the_end_of_the_day_is_found_in_halves() -> None:
    """A flatten closes everything within a minute or two; the rest of the day is empty."""
    exchange = ListedExchange([_ms(84_600 + second) for second in range(250)])
    read, pages = ask(exchange)
    assert len(read.fills) == 250
    assert len(pages) < 40


def test_a_short_page_is_the_whole_window() -> None:
    """The normal day costs one request, which names window and limit."""
    exchange = ListedExchange([_ms(5)])
    read, (page,) = ask(exchange)
    assert (read.status, len(read.fills), read.closed_positions) == (EvidenceStatus.COMPLETE, 1, ())
    assert page.query == f"instType=SWAP&begin={_ms(0)}&end={_ms(86_400)}&limit=100"
    assert exchange.requests == [f"/deepcoin/trade/fills?{page.query}"]


@pytest.mark.parametrize(
    ("habit", "told", "offsets_s"),
    [
        ("ignores the window", "same page", [43_170 + number / 2 for number in range(110)]),
        ("ignores the window", "outside the window", range(600, 80_000, 600)),
        ("forgets the rest", "neither half", range(600, 80_000, 600)),
    ],
    ids=["noon burst", "all day", "short"],
)
def test_pages_that_do_not_fit_together_make_the_read_unreadable(habit: str, told: str, offsets_s: Iterable[float]) -> None:
    """A list that repeats or loses rows is no evidence, however well each page reads."""
    read, _pages = ask(ListedExchange([_ms(offset_s) for offset_s in offsets_s], habit=habit))
    assert (read.status, read.fills) == (EvidenceStatus.FAILED, ())
    assert told in read.reason


def test_rows_of_another_day_make_the_read_unreadable() -> None:
    """An exchange that ignores the window with a short page would fill the day with other days' closes."""
    read, _pages = ask(ListedExchange([_ms(-7200), _ms(5)], habit="ignores the window"))
    assert (read.status, read.fills) == (EvidenceStatus.FAILED, ())
    assert "outside the window" in read.reason


def test_more_rows_in_one_second_than_a_page_holds_are_said_and_not_guessed() -> None:
    """Times are padded from whole seconds, so that no window can tell them apart."""
    read, _pages = ask(ListedExchange([_ms(5)] * (PAGE_ROWS + 1)))
    assert read.status is EvidenceStatus.FAILED
    assert "cannot be paged by time" in read.reason


@pytest.fixture
def exchange() -> Iterator[PaperExchange]:
    """A paper exchange that has just closed two positions."""
    positions = [position("BTC-USDT-SWAP", "11", "35"), position("BTC-USDT-SWAP", "12", "12", "short")]
    with ExitStack() as opened:
        # The pace under test waits for nothing, so the exchange must not mind.
        scenario = replace(build_scenario(positions), limits=LimitSettings(private_per_period=1000))
        running = opened.enter_context(PaperExchange(scenario))
        client = DeepcoinClient(
            transport=Transport(running.url, connect_timeout_s=20, read_timeout_s=20),
            venue=Venue.PAPER,
            credentials=paper_credentials("main"),
            account_pace=CountingPace(),
            market_pace=CountingPace(),
        )
        client.send_close(BATCH_CLOSE, close_body("BTC-USDT-SWAP"))
        client.close()
        yield running


def ask_now(exchange: PaperExchange, source: EvidenceSource, **more: Any) -> Answer:
    """One list over the last hour of the paper exchange."""
    now = datetime.now(UTC)
    transport = Transport(exchange.url, connect_timeout_s=20, read_timeout_s=20)
    return ask(transport, source, now - timedelta(hours=1), now + timedelta(minutes=1), **more)


def test_both_lists_show_what_the_paper_exchange_executed(exchange: PaperExchange) -> None:
    """Each list in its own lane; the exchange writes its rows with code of its own."""
    pace = CountingPace()
    history, _pages = ask_now(exchange, HISTORY, pace=pace)
    fills, _pages = ask_now(exchange, FILLS, pace=pace)
    assert {(row.position_id, row.closed_contracts) for row in history.closed_positions} == {
        ("11", Decimal(35)),
        ("12", Decimal(12)),
    }
    assert {(fill.side, fill.position_side) for fill in fills.fills} == {("sell", "long"), ("buy", "short")}
    assert (history.notes, fills.notes) == ((), ())
    assert tuple(pace.slots) == EVIDENCE_LANES


@pytest.mark.parametrize(
    "action", [FaultAction.THROTTLE, FaultAction.SERVER_ERROR, FaultAction.DATA_NULL, FaultAction.RESET]
)
def test_a_page_that_failed_is_asked_for_again(exchange: PaperExchange, action: FaultAction) -> None:
    """Reading changes nothing, so one bad answer need not cost the day's evidence; the bad bytes are kept too."""
    exchange.add_fault(Fault(action, endpoint="account/positions-history", call=1))
    pace = CountingPace()
    read, pages = ask_now(exchange, HISTORY, pace=pace)
    assert (read.status, len(read.closed_positions)) == (EvidenceStatus.COMPLETE, 2)
    assert pace.slots == ["positions-history"] * 2
    assert pace.pushes == (["positions-history"] if action is FaultAction.THROTTLE else [])
    assert len(pages) == (1 if action is FaultAction.RESET else 2)


@pytest.mark.parametrize(
    "action",
    [FaultAction.DATA_NULL, FaultAction.DATA_NOT_A_LIST, FaultAction.STRANGE_ROW, FaultAction.HTML, FaultAction.THROTTLE],
)
def test_a_list_that_stays_unreadable_is_failed_and_never_empty(exchange: PaperExchange, action: FaultAction) -> None:
    """A day on which nothing was closed, and a day about which nothing is known, must not look alike."""
    exchange.add_fault(Fault(action, endpoint="account/positions-history", call=None))
    read, pages = ask_now(exchange, HISTORY)
    assert (read.status, read.closed_positions) == (EvidenceStatus.FAILED, ())
    assert "/deepcoin/account/positions-history" in read.reason
    assert len(pages) == 3


@pytest.mark.parametrize("code", ["50111", "50102"])
def test_a_refused_key_or_clock_ends_the_read(exchange: PaperExchange, code: str) -> None:
    """Asking on with a wrong key is of no use; whether the clock can be corrected is the caller's to say."""
    exchange.add_fault(Fault(FaultAction.AUTH_ERROR, endpoint="trade/fills", call=None, auth_code=code))
    read, pages = ask_now(exchange, FILLS)
    assert read.status is EvidenceStatus.FAILED
    assert code in read.reason
    assert len(pages) == 1


def test_an_unknown_field_is_noted_and_the_read_stays_good(exchange: PaperExchange) -> None:
    """A changed exchange shows first in a new field."""
    exchange.add_fault(Fault(FaultAction.UNKNOWN_FIELDS, endpoint="trade/fills"))
    read, _pages = ask_now(exchange, FILLS)
    assert read.status is EvidenceStatus.COMPLETE
    assert read.notes == ("fills row with unknown field(s): nested, traceId",)


def test_a_flatten_goes_first(exchange: PaperExchange) -> None:
    """Evidence can wait; a close at the end of the day cannot, and the two may share a budget."""
    before = len(exchange.arrivals())
    read, pages = ask_now(exchange, FILLS, is_stopped=lambda: True)
    assert (read.status, pages) == (EvidenceStatus.FAILED, ())
    assert "gave way to a flatten" in read.reason
    assert len(exchange.arrivals()) == before
