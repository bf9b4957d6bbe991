"""What bounds one flatten: every number and choice that the core's rules use. Settings build it; a flatten records it."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from deepcoin_ops.domain.caps import OnCap
from deepcoin_ops.domain.orders import CancelOrders


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The limits of one flatten. Durations are seconds, amounts USDT.

    Attributes:
        settle_s: How long the exchange's reads may lag its writes.
        read_gap_s: Least time between the starts of two reads that prove something together.
        max_attempts: Closes of one instrument that may have had an effect.
        same_code_limit: An instrument's code that came back unchanged so often ends its attempts.
        max_in_flight: Calls that may wait for their answer at once.
        unknown_hold_s: How long a call without an answer may still be executed.
        sending_time_s: How long a flatten of nothing may send; each open instrument adds `close_time_s`.
        close_time_s: Time that three closes of one instrument take.
        max_sending_time_s: The most that the two add up to.
        proof_time_s: How long the proof may take once nothing more is sent.
        freshness_s: Nothing is sent on a positions read that began longer ago.
        gap_s: A gap between two steps of the scheduler that is longer than this voids all earlier reads. A call that has
            not left within it after its intent does not leave any more.
        hold_s: How long a close may wait for a cancel of orders that freeze its size.
        presence_s: How long the exchange's history is waited for; 0 after an interrupt.
        list_time_s: Time that one order list of an instrument takes, added to the proof's time for each.
        interrupt_s: How long reads go on after a stop, from the moment the first of them may count.
        dust_usdt: A spot rest below the smallest size is dust only if it is worth less than this.
        cancel_orders: Which waiting orders are cancelled.
        cancels_per_call: Ids in one cancel of resting orders.
        close_copy_trading: Whether rows of copy trading are closed.
        close_reopened: Whether positions that were not there at first are closed.
        cap_usdt: The most notional that may be open when something is sent; None is no cap.
        cap_instrument_usdt: The same for one instrument.
        cap_open_instruments: The most open instruments.
        on_cap: What a flatten does above a cap.
    """

    settle_s: float = 3.0
    read_gap_s: float = 1.1
    max_attempts: int = 10
    same_code_limit: int = 3
    max_in_flight: int = 3
    unknown_hold_s: float = 15.0
    sending_time_s: float = 120.0
    close_time_s: float = 3.0
    max_sending_time_s: float = 1800.0
    proof_time_s: float = 30.0
    freshness_s: float = 15.0
    gap_s: float = 5.0
    hold_s: float = 35.0
    presence_s: float = 20.0
    list_time_s: float = 3.0
    interrupt_s: float = 5.0
    dust_usdt: Decimal = Decimal(10)
    cancel_orders: CancelOrders = CancelOrders.ALL
    cancels_per_call: int = 50
    close_copy_trading: bool = False
    close_reopened: bool = True
    cap_usdt: Decimal | None = None
    cap_instrument_usdt: Decimal | None = None
    cap_open_instruments: int | None = None
    on_cap: OnCap = OnCap.REFUSE
