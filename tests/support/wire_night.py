"""One night against a paper exchange, over HTTP: the core asked as a simulated night asks it, on a clock that runs faster.

The axis of the night is the boot clock times `SPEED`, so that limits and windows stay as they are and only the exchange's
times are divided. Requests and parsers are the product's own. Nothing is decided here.
"""

from __future__ import annotations

import heapq
import itertools
import math
import queue
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

import msgspec
from paces import RecordingPace
from wire_scenario import ACCOUNT, DECIDES_S, build_scenario

from deepcoin_ops.core import choose, judge
from deepcoin_ops.core.pace import Pace
from deepcoin_ops.core.reads import Wait
from deepcoin_ops.core.state import State, fold
from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.errors import GuardRefused, ReadFailed, ReadRefused
from deepcoin_ops.domain.evidence import EvidenceQuestion, EvidenceSource, EvidenceStatus
from deepcoin_ops.domain.model import CloseAnswer, InstrumentType, Outcome, PositionSide, Refusal, Venue
from deepcoin_ops.domain.orders import CancelAnswer, Order, OrderKind, OrderList
from deepcoin_ops.domain.paper_credentials import paper_credentials
from deepcoin_ops.exchange import wire
from deepcoin_ops.exchange.client import BATCH_CLOSE, CLOSE_BY_IDS, DeepcoinClient
from deepcoin_ops.exchange.evidence import fetch_evidence
from deepcoin_ops.exchange.order_ends import fetch_order_ends
from deepcoin_ops.exchange.orders import fetch_resting_orders, fetch_trailing_orders, fetch_trigger_orders
from deepcoin_ops.exchange.transport import Transport
from deepcoin_ops.flattening.cancelling import target_batch, target_one
from deepcoin_ops.ledger.building import Moment, build_answer, build_orders_read, build_positions_read
from deepcoin_ops.paper.scenario import PaperPosition
from deepcoin_ops.paper.server import PaperExchange
from deepcoin_ops.simulation.process import WINDOWS
from deepcoin_ops.simulation.script import Script

SPEED = 2.5
_TIMEOUT_S = 10.0  # as the process of a simulated night has it
_RESTART_S = 2.0
_LOOK_S = 1.0  # the longest pause between two looks
_ENDS_BY_S = 150.0
_KINDS = {BATCH_CLOSE: f.CallKind.BATCH_CLOSE, CLOSE_BY_IDS: f.CallKind.CLOSE_BY_IDS}
_WINDOW = timedelta(seconds=10)  # the exchange writes whole seconds


class Ended(NamedTuple):
    """How a night ended: its facts and judgements, and what the exchange knows: closes that arrived, what is open."""

    facts: list[f.AnyFact]
    judgements: list[judge.Judgement]
    closes: list[str]
    still_open: set[str]


class WireNight:
    """Plays a script once at a paper exchange of its own, which has been started."""

    def __init__(self, script: Script, exchange: PaperExchange):
        self.script = script
        self._exchange = exchange
        self._facts: list[f.AnyFact] = []
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._inbox: queue.Queue[Callable[[], None]] = queue.Queue()
        self._order = itertools.count()
        self._pace = Pace(WINDOWS)
        self._process = 0
        self._die()

    def play(self) -> Ended:
        """Play until the flatten is over.

        Raises:
            TimeoutError: It does not end.
        """
        with ThreadPoolExecutor(max_workers=16) as self._pool:
            transport = Transport(self._exchange.url, connect_timeout_s=5.0, read_timeout_s=_TIMEOUT_S / SPEED)
            self._client = DeepcoinClient(
                transport=transport,
                venue=Venue.PAPER,
                credentials=paper_credentials(ACCOUNT),
                account_pace=RecordingPace(),
                market_pace=RecordingPace(),
            )
            self._client.fetch_clock()  # the first request of a process takes long
            self._origin_s, self._began_at = time.monotonic(), datetime.now(UTC)
            try:
                self._start()
                self._loop()
            finally:
                self._client.close()
        truth = self._exchange.truth()["accounts"][ACCOUNT]
        closes = [f"{_KINDS[each['path']]} {each['instrument_id']}" for each in truth["close_requests"]]
        return Ended(
            self._facts, judge.judge(self._state, self._now_s), closes, {row["instrument_id"] for row in truth["open"]}
        )

    def _loop(self) -> None:
        while True:
            while self._timers and self._timers[0][0] <= self._now_s:
                heapq.heappop(self._timers)[2]()
            until_s = self._now_s + _LOOK_S
            if self._is_alive:
                if choose.is_over(self._state, self._now_s):
                    return
                until_s = min([until_s, *map(self._ask, f.Lane)])
            if self._now_s > _ENDS_BY_S:
                raise TimeoutError(f"night {self.script} does not end")
            until_s = min([until_s, *(at_s for at_s, _number, _act in self._timers[:1])])
            try:
                self._inbox.get(timeout=max((until_s - self._now_s) / SPEED, 0.001))()
            except queue.Empty:
                continue

    @property
    def _now_s(self) -> float:
        return self._place(time.monotonic())

    def _place(self, monotonic_s: float) -> float:
        return (monotonic_s - self._origin_s) * SPEED

    def _place_instant(self, instant: datetime) -> float:
        # A time of the history is cut to a whole second, which is a longer one here.
        return (instant - self._began_at).total_seconds() * SPEED + SPEED - 1.0

    def _after(self, in_s: float, act: Callable[[], None]) -> None:
        """Let something happen later, unless the process that asks is dead by then."""
        process = self._process
        heapq.heappush(
            self._timers, (self._now_s + in_s, next(self._order), lambda: act() if process == self._process else None)
        )

    def _in_pool(self, work: Callable[[], Any], then: Callable[[Any], None]) -> None:
        """Let the pool do something, and take in what it brings, unless the process that asked is dead by then."""
        process = self._process

        def take_in(done: Future[Any]) -> None:
            if process == self._process:
                then(done.result())

        self._pool.submit(work).add_done_callback(lambda done: self._inbox.put(partial(take_in, done)))

    # -- people and process -------------------------------------------------------------------------------------------

    def _plan_events(self) -> None:
        """Enter what people and the process do, counted from the guards' decision: a slow start moves it all."""
        script, planned = self.script, []
        for at_s, name in script.reopens:
            again = PaperPosition(name, PositionSide.LONG, Decimal(7), merge_mode="split")
            planned.append((at_s, partial(self._exchange.open_position, ACCOUNT, again)))
        planned += [(at_s, self._kill) for at_s in script.kills_s]
        if script.stop_s is not None:
            planned.append((script.stop_s, lambda: self._record(f.StopAsked(**self._own(), reason="asked to stop"))))
        if script.kill_switch_s is not None:
            planned.append(
                (script.kill_switch_s, lambda: self._record(f.KillSwitchSeen(**self._own(), reason="switched on")))
            )
        late_s = self._now_s - DECIDES_S
        for at_s, act in planned:
            heapq.heappush(self._timers, (late_s + at_s, next(self._order), act))

    def _die(self) -> None:
        self._process += 1
        self._is_alive = self._is_decided = False
        self._state = State()
        self._busy: set[f.Lane] = set()

    def _kill(self) -> None:
        self._die()
        self._after(_RESTART_S, self._start)

    def _start(self) -> None:
        self._is_alive = True
        self._state = fold(self._facts)
        opened = f.FlattenOpened(
            flatten_id=f"flatten-{self._process}",
            at_s=self._now_s,
            instruments=self.script.instruments,
            configured=self.script.instruments,
            limits=self.script.limits,
        )
        self._record(opened)
        for instrument_type in self._state.types:
            self._in_pool(partial(self._client.fetch_instruments, instrument_type), partial(self._list, instrument_type))
            self._in_pool(partial(self._client.fetch_last_prices, instrument_type), self._price)

    def _list(self, instrument_type: InstrumentType, listed: dict[str, Any]) -> None:
        instruments = tuple(listed.values())
        self._record(f.InstrumentsRead(**self._own(), instrument_type=instrument_type, instruments=instruments))

    def _price(self, prices: dict[str, Decimal]) -> None:
        self._record(f.PricesRead(**self._own(), prices=prices))

    def _decide(self) -> None:
        """Decide as the guards do, once the market and the first lists are there: which comes first is chance."""
        state = self._state
        has_list = any(each is OrderList.TRIGGER for each, _name in state.lists) or any(
            read.lane is f.Lane.TRIGGER for read in state.failing
        )
        is_known = bool(state.prices) and set(state.types) <= set(state.listed) and (OrderList.RESTING, None) in state.lists
        if not is_known or (state.ranked and not has_list):
            self._after(0.1, self._decide)
            return
        if self._process == 1:
            self._plan_events()
        if self.script.is_denied:
            self._record(f.FlattenDenied(**self._own(), code="NOT_ARMED", text="not armed"))
        elif self._state.stop is None:
            self._record(f.FlattenAdmitted(**self._own()))

    def _own(self) -> dict[str, Any]:
        return {"flatten_id": self._state.flatten_id, "at_s": self._now_s}

    def _record(self, fact: f.AnyFact) -> None:
        self._facts.append(fact)
        self._state.apply(fact)
        if self._state.is_read and not self._is_decided:
            self._is_decided = True
            self._after(DECIDES_S, self._decide)

    # -- lanes --------------------------------------------------------------------------------------------------------

    def _ask(self, lane: f.Lane) -> float:
        """Ask what a lane does now, until nothing is due; when to ask again unless a fact comes first."""
        while lane not in self._busy:
            now_s = self._now_s
            due_s = self._pace.due_s(lane, now_s)
            if due_s > now_s:
                return due_s
            found = choose.next_call(self._state, lane, now_s)
            if isinstance(found, Wait):
                return found.until_s
            self._pace.note_send(lane, now_s)
            if isinstance(found, f.Call):
                self._send(found)
            else:
                self._busy.add(lane)
                self._in_pool(partial(self._fetch, found, self._state.flatten_id), partial(self._bring, found))
        return math.inf

    def _send(self, call: f.Call) -> None:
        call_id, intended_s = f"{self._process}-{next(self._order)}", self._now_s
        endpoint, body = self._write(call)
        self._record(f.CallIntended(**self._own(), call_id=call_id, call=call, endpoint=endpoint, request_body=body))
        send = self._client.send_close if call.kind.is_close else self._client.send_cancel
        if choose.may_still_send(self._state, call, intended_s, self._now_s):
            self._in_pool(partial(send, endpoint, body), partial(self._answer, call_id, call))
        else:
            self._answer(call_id, call, CloseAnswer(Outcome.NOT_SENT, "no longer wanted", None, datetime.now(UTC)))

    def _write(self, call: f.Call) -> tuple[str, str]:
        name = call.instrument_ids[0]
        match call.kind:
            case f.CallKind.BATCH_CLOSE:
                return BATCH_CLOSE, wire.close_body(name)
            case f.CallKind.CLOSE_BY_IDS:
                return CLOSE_BY_IDS, wire.close_by_ids_body(name, call.ids)
        orders: list[Order] = [
            each.orders[key].order for key in call.ids for each in self._state.instruments.values() if key in each.orders
        ]
        target = target_batch(orders) if call.order_kind is OrderKind.RESTING else target_one(orders[0])
        return target.endpoint, target.body

    def _answer(self, call_id: str, call: f.Call, answer: CloseAnswer | CancelAnswer) -> None:
        if answer.is_throttled:
            self._pace.note_throttle(call.lane, self._now_s, answer.retry_after_s)
        moment = Moment(self._now_s, "", datetime.now(UTC))
        self._record(build_answer(self._state.flatten_id, call_id, answer, moment)[0])

    def _bring(self, read: f.Read, fact: f.AnyFact) -> None:
        self._busy.discard(read.lane)
        if isinstance(fact, f.ReadFailed) and fact.is_throttled:
            self._pace.note_throttle(read.lane, self._now_s, None)
        self._record(msgspec.structs.replace(fact, at_s=self._now_s))

    # -- reads, in the pool -------------------------------------------------------------------------------------------

    def _fetch(self, read: f.Read, flatten_id: str) -> f.AnyFact:
        started_s = self._now_s
        try:
            if read.lane is f.Lane.POSITIONS:
                return self._fetch_positions(read, flatten_id)
            if read.lane is f.Lane.HISTORY:
                return self._fetch_history(read, flatten_id, started_s)
            if read.lane is f.Lane.ORDER_END:
                return self._fetch_ends(read, flatten_id)
            return self._fetch_orders(read, flatten_id)
        except ReadFailed as failure:
            is_throttled = isinstance(failure, ReadRefused) and failure.refusal is Refusal.THROTTLED
            return f.ReadFailed(
                flatten_id=flatten_id,
                at_s=started_s,
                read=read,
                started_s=started_s,
                reason=str(failure),
                is_throttled=is_throttled,
            )

    def _fetch_positions(self, read: f.Read, flatten_id: str) -> f.PositionsRead:
        found = self._client.fetch_positions(read.instrument_type)
        started_s = self._place(found.started_monotonic_s)
        fact = build_positions_read(flatten_id, "round", 0, found, started_s, self._moment())[0]
        # A row whose instrument has no known spelling may be any of them.
        strange = tuple(f.UnreadableRow(str(row), row.instrument_id) for row in fact.rows if row.product_group is None)
        rows = tuple(row for row in fact.rows if row.product_group is not None)
        return msgspec.structs.replace(fact, rows=rows, unreadable=strange)

    def _fetch_orders(self, read: f.Read, flatten_id: str) -> f.OrdersRead:
        match read.order_list:
            case OrderList.RESTING:
                found = fetch_resting_orders(self._client)
            case OrderList.TRIGGER:
                found = fetch_trigger_orders(self._client, read.about)
            case _:
                found = fetch_trailing_orders(self._client, read.about)
        return build_orders_read(flatten_id, "round", found, self._place(found.started_monotonic_s), self._moment())[0]

    def _fetch_ends(self, read: f.Read, flatten_id: str) -> f.OrderEndsRead:
        found = fetch_order_ends(self._client, read.instrument_type, read.order_list)
        return f.OrderEndsRead(
            flatten_id=flatten_id,
            at_s=self._now_s,
            instrument_type=read.instrument_type,
            order_list=read.order_list,
            started_s=self._place(found.started_monotonic_s),
            ended=found.parsed,
        )

    def _fetch_history(self, read: f.Read, flatten_id: str, started_s: float) -> f.HistoryRead:
        is_spot = read.instrument_type is InstrumentType.SPOT
        source = EvidenceSource.FILLS if is_spot else EvidenceSource.POSITIONS_HISTORY
        window = self._began_at - _WINDOW, datetime.now(UTC) + _WINDOW
        found, _pages = fetch_evidence(self._client, EvidenceQuestion(source, read.instrument_type, *window), _give_up)
        if found.status is not EvidenceStatus.COMPLETE:
            raise ReadFailed(found.reason)
        rows = [
            f.ClosedRow(
                row.instrument_id,
                row.position_id,
                row.position_side or "",
                row.merge_mode,
                row.closed_contracts,
                self._place_instant(row.closed_at),
            )
            for row in found.closed_positions
        ]
        sold = [row for row in found.fills if row.side == "sell"]
        rows += [
            f.ClosedRow(row.instrument_id, "", "", "", row.quantity_contracts, self._place_instant(row.filled_at))
            for row in sold
        ]
        return f.HistoryRead(
            flatten_id=flatten_id,
            at_s=self._now_s,
            started_s=started_s,
            instrument_type=read.instrument_type,
            rows=tuple(rows),
        )

    def _moment(self) -> Moment:
        return Moment(self._now_s, "", datetime.now(UTC))


def _give_up(_started_s: float, reason: str) -> None:
    raise GuardRefused(reason)


def play_together(scripts: Mapping[str, Script]) -> dict[str, Ended]:
    """Play nights at the same time, each with an account and an exchange of its own, all in this process."""
    with ExitStack() as opened:
        nights = [
            WireNight(script, opened.enter_context(PaperExchange(build_scenario(script, SPEED))))
            for script in scripts.values()
        ]
        pool = opened.enter_context(ThreadPoolExecutor(max_workers=len(nights)))
        return dict(zip(scripts, pool.map(WireNight.play, nights), strict=True))
