"""What watches a night: an oracle knows the truth of the model, or keeps its own record of the facts, never the core's.

An oracle that fires names itself first, so that nights can be counted by it.
"""

from __future__ import annotations

import math
from collections import defaultdict
from decimal import Decimal
from typing import TYPE_CHECKING

from deepcoin_ops.core import judge
from deepcoin_ops.core.pace import Window
from deepcoin_ops.core.state import State, fold
from deepcoin_ops.domain import facts as f
from deepcoin_ops.domain.model import InstrumentType, Outcome, Refusal, product_group_of
from deepcoin_ops.domain.orders import Order, OrderKind, OrderList
from deepcoin_ops.simulation import bounds
from deepcoin_ops.simulation.exchange import name_order
from deepcoin_ops.simulation.proofs import find_lists, find_proofs

if TYPE_CHECKING:
    from deepcoin_ops.simulation.exchange import ModelExchange
    from deepcoin_ops.simulation.script import Script

NAMES = (
    "false flat", "order left", "blind close", "two in flight", "too many in flight", "sent after stop", "not admitted",
    "stale close", "blind streak", "too many attempts", "above the cap", "not largest first", "did not wait for cancel",
    "closed what stays", "closed unlisted", "cancelled what stays", "blind cancel", "exit cancelled early", "hammered",
    "fold differs", "slot not kept", "does not end", "wrong cause", "not flat", "late", "unrecorded", "law two",
    "left idle",
)  # fmt: skip
_ROUNDING_S = 1e-6  # moments of another boot are sums
_MAY_HAVE_ACTED = (Outcome.ACCEPTED, Outcome.PARTIAL, Outcome.UNKNOWN)


class _Closes:
    """What is known of the closes of one instrument from the facts alone."""

    def __init__(self) -> None:
        self.waiting: dict[str, float] = {}
        self.blind_until_s = -math.inf
        self.attempts = 0
        self.codes: list[str] = []


class Oracles:
    """Takes in every fact and every send of a night. `violations` are names with what was seen.

    `shows` is the moment that a read shows, by the read and the moment at which it began. Moments are those of the night,
    whatever the clock of the process says.
    """

    def __init__(self, script: Script, exchange: ModelExchange, prices: dict[str, Decimal]):
        self._script, self._exchange, self._limits = script, exchange, script.limits
        self._prices = prices
        self.violations: list[str] = []
        self.checked: dict[str, int] = defaultdict(int)
        self.shows: dict[tuple[f.Read, float], float] = {}
        self.exposure: float | None = None
        self._intended: set[str] = set()
        self._has_prices = self._has_intended = False
        self._facts: list[f.AnyFact] = []
        self._closes: dict[str, _Closes] = defaultdict(_Closes)
        self._calls: dict[str, f.Call] = {}
        self._orders: dict[str, tuple[Order, float]] = {}
        self._cancels: dict[str, float] = {}
        self._reads: dict[InstrumentType, f.PositionsRead] = {}
        self._stopped_s = math.inf
        self._opened_s = 0.0
        self._first_read_s = math.inf
        self._is_admitted = False
        self._fatal_codes: set[str] = set()
        self._gap_s = -math.inf
        self._streak: list[float] = []
        self._failed: dict[f.Read, tuple[int, float, bool]] = {}
        self._slots: dict[f.Lane, list[float]] = defaultdict(list)
        self._first_ids: set[str] = set()
        self._was_open: set[str] = set()
        self._seen_lives: set[int] = set()
        self._seen_orders: set[str] = set()
        self._history_s = -math.inf
        self._listed: set[InstrumentType] = set()

    def see(self, name: str, what: str, *, is_right: bool) -> None:
        """Count a check of an oracle; remember it where it is wrong."""
        self.checked[name] += 1
        if not is_right:
            self.violations.append(f"{name}: {what}")

    # -- facts --------------------------------------------------------------------------------------------------------

    def take_in(self, fact: f.AnyFact) -> None:  # noqa: C901 - one case for each kind
        """Follow the facts."""
        self._facts.append(fact)
        match fact:
            case f.FlattenOpened():
                self._begin(fact)
            case f.FlattenAdmitted():
                self._is_admitted = True
            case f.StopAsked() | f.KillSwitchSeen() | f.FlattenDenied() | f.SendingEnded() | f.RecordLost():
                self._stopped_s = min(self._stopped_s, fact.at_s)
            case f.SchedulerGap():
                self._gap_s = fact.at_s
            case f.PricesRead():
                self._has_prices = True
            case f.CallIntended():
                self._intended.add(fact.call_id)
                self._has_intended |= fact.call.kind.is_close
            case f.InstrumentsRead():
                self._listed.add(fact.instrument_type)
            case f.PositionsRead():
                self._reads[fact.instrument_type] = fact
                types = {product_group_of(name).instrument_type for name in self._script.instruments}
                if types <= set(self._reads):
                    self._first_read_s = min(self._first_read_s, fact.at_s)
                self._was_open |= {row.instrument_id for row in fact.rows}
                self._seen_lives |= self._exchange.lives_at(self._shown_s(fact), {row.position_id for row in fact.rows})
                if not self._has_intended:
                    self._first_ids |= {row.position_id for row in fact.rows}
                if self._streak and fact.started_s > self._streak[-1]:
                    self._streak.clear()
            case f.OrdersRead():
                self._list_orders(fact)
            case f.ReadFailed():
                count = self._failed[fact.read][0] if fact.read in self._failed else 0
                self._failed[fact.read] = (count + 1, fact.at_s, fact.is_final)
            case f.CallAnswered():
                self._answer(fact)
            case f.HistoryRead():
                read = f.Read(lane=f.Lane.HISTORY, instrument_type=fact.instrument_type)
                self._history_s = self.shows[read, round(fact.started_s, 6)]

    def _list_orders(self, fact: f.OrdersRead) -> None:
        kept = {
            name: each
            for name, each in self._orders.items()
            if each[0].kind.order_list is not fact.order_list or fact.instrument_id not in (None, each[0].instrument_id)
        }
        known = kept if fact.is_exhaustive else self._orders
        self._seen_orders |= {order.order_id for order in fact.orders}
        self._orders = known | {name_order(order): (order, fact.started_s) for order in fact.orders}

    def _begin(self, fact: f.FlattenOpened) -> None:
        hold_s, settle_s = self._limits.unknown_hold_s, self._limits.settle_s
        for closes in self._closes.values():
            for at_s in closes.waiting.values():
                closes.blind_until_s = max(closes.blind_until_s, max(at_s + hold_s, fact.at_s) + settle_s)
            closes.waiting, closes.attempts, closes.codes = {}, 0, []
        self._calls, self._cancels, self._reads, self._streak = {}, {}, {}, []
        self._stopped_s, self._first_read_s, self._opened_s = math.inf, math.inf, fact.at_s
        self._is_admitted, self._failed, self._first_ids, self._was_open = False, {}, set(), set()
        self._orders, self._listed, self._has_prices, self._has_intended = {}, set(), False, False

    def _answer(self, fact: f.CallAnswered) -> None:
        call = self._calls.get(fact.call_id)
        if call is None:
            return
        if fact.refusal is Refusal.FATAL:
            self._fatal_codes.add(fact.code)
            self._stopped_s = min(self._stopped_s, fact.at_s)
        if not call.kind.is_close:
            if fact.refusal is not Refusal.THROTTLED and fact.outcome is not Outcome.NOT_SENT:
                self._cancels |= dict.fromkeys(call.ids, fact.at_s)
            return
        closes = self._closes[call.instrument_ids[0]]
        closes.waiting.pop(fact.call_id, None)
        if fact.outcome in _MAY_HAVE_ACTED:
            closes.blind_until_s = max(closes.blind_until_s, fact.at_s + self._limits.settle_s)
            closes.attempts += 1
        if fact.outcome is not Outcome.NOT_SENT and fact.refusal is not Refusal.THROTTLED:
            closes.codes.append(fact.code)
        if fact.outcome is not Outcome.NOT_SENT:
            self._streak = [*self._streak, fact.at_s] if fact.outcome is Outcome.UNKNOWN else []

    # -- sends --------------------------------------------------------------------------------------------------------

    def sending(self, call_id: str, call: f.Call, now_s: float) -> None:
        """Judge a call at the moment at which it leaves."""
        self.see("unrecorded", f"{call_id} left without an intent", is_right=call_id in self._intended)
        self.see(
            "sent after stop", f"{call.kind} at {now_s:.2f}", is_right=now_s < min(self._stopped_s, self._deadline_s())
        )
        self.see("not admitted", f"{call.kind} at {now_s:.2f}", is_right=self._is_admitted)
        if call.kind.is_close:
            self._judge_close(call, now_s)
            closes = self._closes[call.instrument_ids[0]]
            closes.waiting[call_id] = now_s
        else:
            self._judge_cancel(call, now_s)
        self._calls[call_id] = call

    def _deadline_s(self) -> float:
        time_s = self._limits.sending_time_s + len(self._was_open) * self._limits.close_time_s
        return self._first_read_s + min(time_s, self._limits.max_sending_time_s)

    def _judge_close(self, call: f.Call, now_s: float) -> None:
        name = call.instrument_ids[0]
        closes, read = self._closes[name], self._reads.get(product_group_of(name).instrument_type)
        shown = read is not None and any(row.instrument_id == name for row in read.rows)
        self.see("blind close", f"{name} is not in the newest read", is_right=shown)
        if read is None:
            return
        self.see("two in flight", name, is_right=not closes.waiting)
        in_flight = sum(len(each.waiting) for each in self._closes.values())
        self.see("too many in flight", f"{in_flight} closes", is_right=in_flight < self._limits.max_in_flight)
        is_seen = read.started_s >= closes.blind_until_s - _ROUNDING_S
        self.see("blind close", f"{name} at {now_s:.2f}, read at {read.started_s:.2f}", is_right=is_seen)
        is_fresh = now_s - read.started_s <= self._limits.freshness_s + _ROUNDING_S and read.started_s >= self._gap_s
        self.see("stale close", f"{name} at {now_s:.2f}, read at {read.started_s:.2f}", is_right=is_fresh)
        self.see("blind streak", f"{name} after {len(self._streak)} unknown", is_right=len(self._streak) < 3)
        codes = closes.codes[-self._limits.same_code_limit :]
        is_stuck = len(codes) == self._limits.same_code_limit and codes[0] != "" and len(set(codes)) == 1
        is_tried = closes.attempts >= self._limits.max_attempts
        self.see("too many attempts", f"{name}: {closes.attempts}, {codes}", is_right=not is_stuck and not is_tried)
        is_known = product_group_of(name).instrument_type in self._listed
        self.see("closed unlisted", name, is_right=name not in self._script.unlisted or not is_known)
        excess = self._find_excess()
        self.see("above the cap", f"{name}: {excess}", is_right=excess is None)
        rows = [row for row in read.rows if row.instrument_id == name and (not call.ids or row.position_id in call.ids)]
        copied = [row for row in rows if row.is_leading and not self._limits.close_copy_trading]
        newer = [row for row in rows if not self._limits.close_reopened and row.position_id not in self._first_ids]
        self.see("closed what stays", name, is_right=not copied and not newer)
        waiting = [
            order
            for order, _seen_s in self._orders.values()
            if order.instrument_id == name and order.kind is OrderKind.RESTING and self._limits.cancel_orders.takes(order)
        ]
        is_early = (
            any(name_order(order) not in self._cancels for order in waiting)
            and now_s < self._opened_s + self._limits.hold_s - _ROUNDING_S
        )
        self.see("did not wait for cancel", name, is_right=not is_early or self._limits.max_attempts < 10)

    def _find_excess(self) -> str | None:
        """What is above a cap by the newest reads."""
        limits = self._limits
        quantities: dict[str, Decimal] = defaultdict(Decimal)
        for read in self._reads.values():
            for row in read.rows:
                if row.instrument_id in self._script.instruments:
                    quantities[row.instrument_id] += row.quantity_contracts
        worth = {name: each * self._prices[name] for name, each in quantities.items() if not self._is_dust(name, each)}
        if limits.cap_open_instruments is not None and len(worth) > limits.cap_open_instruments:
            return f"{len(worth)} instruments are open"
        if limits.cap_usdt is None and limits.cap_instrument_usdt is None:
            return None
        if worth and (not self._has_prices or not self._script.unlisted.isdisjoint(worth)):
            return "not priced"
        is_above = sum(worth.values(), Decimal(0)) > (limits.cap_usdt or Decimal("Infinity"))
        is_one_above = max(worth.values(), default=Decimal(0)) > (limits.cap_instrument_usdt or Decimal("Infinity"))
        return f"{worth}" if is_above or is_one_above else None

    def _judge_cancel(self, call: f.Call, now_s: float) -> None:
        for order_id in call.ids:
            self.see("blind cancel", f"{order_id} is in no list", is_right=order_id in self._orders)
            if order_id not in self._orders:
                continue
            order, seen_s = self._orders[order_id]
            is_wanted = order.instrument_id in self._script.instruments and self._limits.cancel_orders.takes(order)
            self.see("cancelled what stays", order_id, is_right=is_wanted)
            shows_s = self._cancels.get(order_id, -math.inf) + self._limits.settle_s
            self.see(
                "blind cancel", f"{order_id} at {now_s:.2f}", is_right=seen_s >= max(shows_s, self._gap_s) - _ROUNDING_S
            )
            if order.kind is OrderKind.PROTECTION:
                read = self._reads[product_group_of(order.instrument_id).instrument_type]
                is_open = self._shows_open(read, order.instrument_id)
                closes = self._closes[order.instrument_id]
                is_late = not is_open and not closes.waiting and seen_s >= closes.blind_until_s - _ROUNDING_S
                self.see("exit cancelled early", order_id, is_right=is_late)

    def took_slot(self, lane: f.Lane, windows: tuple[Window, ...], now_s: float) -> None:
        """Judge a slot of a lane by those before it."""
        slots = self._slots[lane]
        for window in windows:
            gap_s = now_s - slots[-window.sends] if len(slots) >= window.sends else math.inf
            self.see("slot not kept", f"{lane}: {window.sends} in {gap_s:.3f} s", is_right=gap_s >= window.seconds)
        slots.append(now_s)

    def reading(self, read: f.Read, now_s: float) -> None:
        """Judge whether a read that failed is tried again in peace, and not at all where that is of no use."""
        count, last_s, is_final = self._failed.get(read, (0, -math.inf, False))
        is_right = count == 0 or (now_s - last_s > 0.999 and not is_final)
        self.see("hammered", f"{read.lane} {read.about}", is_right=is_right)

    # -- the end ------------------------------------------------------------------------------------------------------

    def check_fold(self, state: State, ledger: list[f.AnyFact]) -> None:
        """Compare the running state with the fold of what is recorded."""
        self.see("fold differs", f"after {len(ledger)} facts", is_right=fold(ledger) == state)

    def ended(self, judgements: list[judge.Judgement], now_s: float) -> None:
        """Judge the verdicts against the truth at the moments that the reads show."""
        took_s, most_s = now_s - self._opened_s, bounds.find_latest_end_s(self._script)
        self.see(
            "does not end", f"over after {took_s:.1f} s, bound {most_s:.1f} s", is_right=took_s <= most_s + _ROUNDING_S
        )
        proofs = find_proofs(self._facts, self._limits.settle_s - _ROUNDING_S)
        lists = find_lists(self._facts, self.shows)
        for each in judgements:
            # What lacks the history alone is as flat as that where the exchange keeps its word.
            is_unconfirmed = each.proven is judge.Proven.FLAT_UNCONFIRMED and self._script.keeps_word
            if each.proven in judge.FLAT or is_unconfirmed:
                self._judge_flat(each, proofs, lists)
            elif each.proven is judge.Proven.RESIDUAL:
                self._judge_cause(each, now_s)
        if bounds.is_bounded(self._script):
            for name, what, is_right in bounds.find_excess(self._script, self._facts, judgements, now_s):
                self.see(name, what, is_right=is_right)
            self.exposure = bounds.find_exposure(self._exchange.closed, self._prices)

    def _judge_cause(self, each: judge.Judgement, now_s: float) -> None:
        name, script = each.instrument_id, self._script
        rows = [row for row in self._reads[product_group_of(name).instrument_type].rows if row.instrument_id == name]
        codes = self._closes[name].codes
        match each.cause:
            case "COPY_TRADING":
                is_right = name in script.copied
            case "MAX_ATTEMPTS":
                is_right = self._closes[name].attempts >= self._limits.max_attempts
            case "REOPENED":
                is_right = all(row.position_id not in self._first_ids for row in rows)
            case "INTERRUPTED" | "KILL_SWITCH" | "NOT_ARMED" | "RECORD_LOST" | "DEADLINE" | "READ_ONLY":
                is_right = now_s >= min(self._stopped_s, self._deadline_s()) - _ROUNDING_S or script.is_planned
            case "ABOVE_CAP":
                is_right = self._find_excess() is not None
            case "NOT_READ":
                is_right = self._first_read_s == math.inf
            case "UNLISTED":
                is_right = name in script.unlisted
            case "OPEN":
                is_right = script.ends_sending or len(self._calls) > 0
            case code:
                is_right = code in codes or code in self._fatal_codes
        self.see("wrong cause", f"{name} is {each.proven} by {each.cause}", is_right=bool(rows) and is_right)

    def _shown_s(self, fact: f.PositionsRead) -> float:
        """The moment that a positions read shows."""
        return self.shows[f.Read(lane=f.Lane.POSITIONS, instrument_type=fact.instrument_type), round(fact.started_s, 6)]

    def _shows_open(self, fact: f.PositionsRead, name: str) -> bool:
        """Whether a read shows an instrument open; dust is not open."""
        rows = [row.quantity_contracts for row in fact.rows if row.instrument_id == name]
        return bool(rows) and not self._is_dust(name, sum(rows, Decimal(0)))

    def _judge_law_two(self, name: str, reads: list[f.PositionsRead]) -> None:
        """Two reads without the instrument, a gap apart, both begun after the last answer of any call."""
        clean_s, is_apart = math.inf, False
        for fact in reads:
            clean_s = math.inf if self._shows_open(fact, name) else min(clean_s, fact.started_s)
            is_apart = fact.started_s - clean_s >= self._limits.read_gap_s - _ROUNDING_S
        self.see("law two", name, is_right=is_apart)

    def _is_dust(self, name: str, quantity: Decimal) -> bool:
        """Whether a spot rest is known to be too small to be sold, and is worth little."""
        is_known = self._has_prices and product_group_of(name).instrument_type in self._listed
        is_spot = not name.endswith("SWAP") and is_known and name not in self._script.unlisted
        is_small = is_spot and quantity < self._script.min_size
        return is_small and quantity * self._prices[name] < self._limits.dust_usdt

    def _judge_flat(
        self,
        each: judge.Judgement,
        proofs: dict[InstrumentType, list[f.PositionsRead]],
        lists: dict[tuple[OrderList, str | None], float],
    ) -> None:
        name = each.instrument_id
        own_type = product_group_of(name).instrument_type
        self._judge_law_two(name, proofs.get(own_type, []))
        shown_s = self._shown_s(self._reads[own_type])
        # What every read left out was never known of, and no rule can see it; unless an order that a list showed opened it,
        # and the history shows closed nothing that others opened unseen.
        filled = self._exchange.lives_of(self._seen_orders) if self._script.shows_rest else set()
        only = None if self._script.keeps_word else self._seen_lives | filled
        # Where reads leave rows out, the history may show closed what others closed after the last of them.
        opened = self._exchange.open_at(shown_s if only is None else max(shown_s, self._history_s), only).get(name)
        opened = None if opened and self._is_dust(name, opened) else opened
        self.see("false flat", f"{each.proven} of {name}, open {opened} at {shown_s:.2f}", is_right=not opened)
        is_known = name not in self._script.unlisted or name in self._was_open
        self.see("false flat", f"{name} is unlisted", is_right=is_known)
        moments_s = [lists.get(each, -math.inf) for each in ((OrderList.RESTING, None), (OrderList.TRIGGER, name))]
        has_left = self._exchange.left_between(name, *moments_s)
        self.see("order left", f"{name}: a trigger order left one after the last list", is_right=not has_left)
        for order_list in (OrderList.RESTING, OrderList.TRIGGER):
            at_s = lists.get((order_list, None if order_list is OrderList.RESTING else name))
            self.see("order left", f"{name} {order_list} was never read", is_right=at_s is not None)
            if at_s is None:
                continue
            is_left = name in self._exchange.opening_at(at_s, order_list)
            self.see("order left", f"{name} {order_list} at {at_s:.2f}", is_right=not is_left)
            has_filled = self._exchange.filled_between(name, shown_s, at_s)
            self.see("false flat", f"{name}: an order filled after the last positions read", is_right=not has_filled)
