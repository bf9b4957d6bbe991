"""What a paper exchange starts from: accounts, instruments, positions, limits, faults, and the open questions decided.

Records, the door through which a YAML file becomes them, and two ready-made scenarios. No behaviour.
"""

from __future__ import annotations

import random
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from deepcoin_ops.domain.model import PositionSide
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.limits import LimitMode
from deepcoin_ops.paper.listing import LISTED, Amount, PaperInstrument
from deepcoin_ops.paper.open_questions import ClosingRules, MismatchAnswer, NoPositionAnswer, OrderRules
from deepcoin_ops.paper.order_records import OrderKind, PaperOrder

_STRICT = ConfigDict(extra="forbid")
PARETO_ALPHA = 1.16
SMALLEST_NOTIONAL_USDT = 500.0


@dataclass(frozen=True, config=_STRICT)
class PaperPosition:
    """A position to open. `position_id` is given by the exchange when it is left empty.

    A spot holding is a long position of `quantity_contracts` base currency, margin and merge mode unused.
    """

    instrument_id: str
    position_side: PositionSide
    quantity_contracts: Annotated[Decimal, Field(gt=0)]
    average_price: Amount = Decimal(0)
    margin_mode: str = "cross"
    merge_mode: str = "merge"
    leverage: int = 10
    position_id: str = ""
    is_leading: bool = False
    is_following: bool = False


@dataclass(frozen=True, config=_STRICT)
class PaperBot:
    """Somebody who was not told to stop: opens the same position again and again.

    Attributes:
        position: What it opens.
        opens_after_s: Seconds after the start at each of which it opens it, unless that side of the instrument is held.
        follows_close_s: Seconds after a close of that side of the instrument at which it opens it again; None for never.
        follows: How many closes it answers in this way.
    """

    position: PaperPosition
    opens_after_s: tuple[float, ...] = ()
    follows_close_s: float | None = None
    follows: int = 1


@dataclass(frozen=True, config=_STRICT)
class PaperAccount:
    """One account with one API key, derived from its name (`domain.paper_credentials`). Balances by currency."""

    name: str
    positions: tuple[PaperPosition, ...] = ()
    orders: tuple[PaperOrder, ...] = ()
    bots: tuple[PaperBot, ...] = ()
    is_read_only: bool = False
    spot_balances: dict[str, Decimal] = Field(default_factory=lambda: {"USDT": Decimal(10000)})
    swap_balances: dict[str, Decimal] = Field(default_factory=lambda: {"USDT": Decimal(250000)})

    @property
    def uid(self) -> str:
        """The account's user id."""
        return f"PAPER-UID-{self.name}"


@dataclass(frozen=True, config=_STRICT)
class LimitSettings:
    """The rate limits.

    Attributes:
        mode: How arrivals are counted.
        period_s: The period every limit is over, in seconds; smaller makes the whole exchange faster.
        private_per_period: Requests per account and private endpoint in one period.
        market_per_period: Requests per host and market data endpoint in one period.
        is_shared: One private budget per account instead of one per endpoint; which it really is, is not known.
        refusal_status: HTTP status of a refusal. 401 was seen on the real exchange; no page documents one.
        retry_after: The refusal's Retry-After header, in seconds.
    """

    mode: LimitMode = LimitMode.STRICT
    period_s: float = 1.0
    private_per_period: Annotated[int, Field(ge=1)] = 1
    market_per_period: Annotated[int, Field(ge=1)] = 5
    is_shared: bool = False
    refusal_status: int = 401
    retry_after: str = "1"


@dataclass(frozen=True, config=_STRICT)
class Scenario:
    """A whole paper exchange at its start.

    Attributes:
        instruments: What is listed.
        accounts: Who trades.
        faults: What goes wrong, in order.
        limits: The rate limits.
        latency_ms: Shortest and longest time between arrival and processing, drawn evenly with `seed`.
        seed: Makes the latencies repeatable.
        read_lag_s: How old the world is that positions reads and the history show, in seconds.
        history_kept_s: How long closes stay in the history, in seconds; asking for older ones answers an empty list. How
            long the real exchange keeps them is not documented.
        clock_offset_s: How wrong the exchange's clock is, in seconds.
        timestamp_window_s: How far a request's timestamp may be from it; the real window is not documented.
        mismatch_answer: What a close in the wrong product group says.
        no_position_answer: What a close with nothing to close says.
        untradable_code: errorCode of a close in an instrument that is not live; the real one is not known.
        closing: How closes deal with rows that are too large, too small, frozen or of copy trading.
        ordering: How order lists and cancels behave where the pages leave it open.
    """

    instruments: tuple[PaperInstrument, ...]
    accounts: tuple[PaperAccount, ...]
    faults: tuple[Fault, ...] = ()
    limits: LimitSettings = LimitSettings()
    latency_ms: tuple[float, float] = (0.0, 0.0)
    seed: int = 20260101
    read_lag_s: float = 0.0
    history_kept_s: float = 90 * 86_400.0
    clock_offset_s: float = 0.0
    timestamp_window_s: float = 30.0
    mismatch_answer: MismatchAnswer = MismatchAnswer.SILENT
    no_position_answer: NoPositionAnswer = NoPositionAnswer.EMPTY
    untradable_code: int = 51000
    closing: ClosingRules = ClosingRules()
    ordering: OrderRules = OrderRules()


def read_scenario(path: Path) -> Scenario:
    """Read a scenario from a YAML file whose keys are the fields of these records.

    Raises:
        ValueError: An unknown key, a missing one or a wrong value; the message names each.
    """
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"it is no YAML, or nested too deep: {error}") from None
    return TypeAdapter(Scenario).validate_python(content)


def build_demo_scenario(account: str = "main") -> Scenario:
    """The demonstration: every kind of position, two of them in instruments a desk would not have configured; and orders.

    AVAX-USDT-SWAP and DOT-USDT-SWAP are the two. An order holds the size of DOGE-USDT-SWAP, one would open
    LINK-USDT-SWAP, a trigger order would open XRP-USDT-SWAP again, one of DOT-USDT-SWAP is none of the desk's business.
    None of them ever fills. Struck by faults: the third batch close is throttled, ETH-USDT-SWAP's
    first close leaves its short side open, SOL-USDT-SWAP's first close is executed and never answered, and the third
    positions read shows the world of three seconds ago.
    """
    long, short = PositionSide.LONG, PositionSide.SHORT
    positions = (
        PaperPosition("BTC-USDT-SWAP", long, Decimal(850), Decimal("96100.5"), leverage=20),
        PaperPosition("BTC-USDT-SWAP", short, Decimal(120), Decimal("98040"), "isolated", leverage=10),
        PaperPosition("ETH-USDT-SWAP", long, Decimal("140.5"), Decimal("3280.11"), leverage=20),
        PaperPosition("ETH-USDT-SWAP", short, Decimal("60.2"), Decimal("3365.4"), leverage=20),
        PaperPosition("SOL-USDT-SWAP", long, Decimal(900), Decimal("181.22"), merge_mode="split"),
        PaperPosition("SOL-USDT-SWAP", long, Decimal(350), Decimal("186.9"), merge_mode="split"),
        PaperPosition("XRP-USDT-SWAP", short, Decimal(700), Decimal("2.291"), "isolated"),
        PaperPosition("DOGE-USDT-SWAP", long, Decimal(240), Decimal("0.3302")),
        PaperPosition("LTC-USDT-SWAP", short, Decimal(85), Decimal("104.7"), "isolated", "split"),
        PaperPosition("XRP-USD-SWAP", short, Decimal(2600), Decimal("2.281"), leverage=5),
        PaperPosition("ETH-USD-SWAP", long, Decimal(900), Decimal("3250"), "isolated", leverage=5),
        PaperPosition("DOT-USDT-SWAP", long, Decimal(410), Decimal("7.05")),
        PaperPosition("AVAX-USDT-SWAP", short, Decimal(95), Decimal("38.4"), "isolated"),
        PaperPosition("SOL-USDT", long, Decimal("42.5"), Decimal("176.3")),
    )
    faults = (
        Fault(FaultAction.THROTTLE, call=3),
        Fault(FaultAction.ERROR_ITEMS, instrument_id="ETH-USDT-SWAP", position_side=short),
        Fault(FaultAction.HANG, instrument_id="SOL-USDT-SWAP"),
        Fault(FaultAction.STALE_READ, endpoint="account/positions", call=3, delay_s=3.0),
    )
    trigger = OrderKind.TRIGGER
    orders = (
        PaperOrder("DOGE-USDT-SWAP", long, Decimal(240), is_closing=True, price=Decimal("0.36")),
        PaperOrder("LINK-USDT-SWAP", long, Decimal(300), price=Decimal("21.5")),
        PaperOrder("XRP-USDT-SWAP", short, Decimal(400), trigger, trigger_price=Decimal("2.15"), margin_mode="isolated"),
        PaperOrder("DOT-USDT-SWAP", long, Decimal(120), price=Decimal("6.8")),
    )
    owner = PaperAccount(account, positions, orders)
    return Scenario(LISTED, (owner,), faults, latency_ms=(50.0, 300.0))


def build_scale_scenario(
    configured: int = 200,
    open_positions: int = 40,
    latency_ms: tuple[float, float] = (50.0, 300.0),
    seed: int = 20260101,
    account: str = "main",
) -> Scenario:
    """Many instruments, some open, with the few large and many small notionals of a real book (Pareto, 80/20).

    Args:
        configured: How many instruments are listed, `P001-USDT-SWAP` and so on.
        open_positions: How many of them hold a position, scattered over the list.
        latency_ms: Shortest and longest answer time.
        seed: Makes positions and latencies repeatable.
        account: Whose positions they are.
    """
    chance = random.Random(seed)  # noqa: S311 - sizes, not secrets
    instruments = tuple(
        PaperInstrument(f"P{number:03d}-USDT-SWAP", Decimal(10), tick_size=Decimal("0.001"), max_market_size=Decimal(10**9))
        for number in range(1, configured + 1)
    )
    positions = tuple(
        PaperPosition(
            instrument.instrument_id,
            chance.choice((PositionSide.LONG, PositionSide.SHORT)),
            Decimal(round(SMALLEST_NOTIONAL_USDT * chance.paretovariate(PARETO_ALPHA) / 10)),
        )
        for instrument in chance.sample(instruments, open_positions)
    )
    return Scenario(instruments, (PaperAccount(account, positions),), latency_ms=latency_ms, seed=seed)
