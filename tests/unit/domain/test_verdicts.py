"""From reads to verdicts: flat takes two proofs apart, and nothing else is success."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcoin_ops.domain.model import (
    FlattenResult,
    InstrumentVerdict,
    Position,
    PositionSide,
    ProductGroup,
    ResidualCause,
    Verdict,
)
from deepcoin_ops.domain.orders import Order, OrderKind
from deepcoin_ops.domain.planning import ClosePlan, PlanLine
from deepcoin_ops.domain.verdicts import (
    InstrumentHistory,
    OrderEvidence,
    ProofRead,
    are_apart,
    describe_verdicts,
    judge,
    residual_notional,
    result_of,
)

GAP_S = 1.1
BTC, ETH, SOL = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "SOL-USDT-SWAP"
IDS = (BTC, ETH, SOL)
NO_ORDERS = OrderEvidence()
SENT_ONCE = InstrumentHistory(attempts=1, last_reason="code 0 and an empty errorList")


def line(instrument_id: str, position_id: str = "1", quantity: str = "5", notional: str | None = "450") -> PlanLine:
    """An open line with one long row."""
    size = Decimal(quantity)
    row = Position(instrument_id, ProductGroup.SWAP_U, position_id, PositionSide.LONG, size, "cross", "merge", None, "USDT")
    value = None if notional is None else Decimal(notional)
    return PlanLine(instrument_id, ProductGroup.SWAP_U, size, value, (row,), "live")


def plan(*lines: PlanLine) -> ClosePlan:
    """A plan with nothing unconfigured."""
    return ClosePlan(lines, ())


def read(started_s: float, *lines: PlanLine) -> ProofRead:
    """A complete read of one page that shows these lines open."""
    return ProofRead(plan(*lines), (started_s,))


def judge_btc(
    before: ClosePlan | None,
    proofs: list[ProofRead],
    history: InstrumentHistory = SENT_ONCE,
    orders: OrderEvidence = NO_ORDERS,
) -> InstrumentVerdict:
    """The verdict on one instrument that was closed once and has no orders, unless told otherwise."""
    (verdict,) = judge([BTC], before, proofs, GAP_S, {BTC: history}, {BTC: orders})
    return verdict


OPEN = plan(line(BTC))
UNTOUCHED = InstrumentHistory()


@pytest.mark.parametrize(
    ("before", "proofs", "history", "verdict"),
    [
        pytest.param(OPEN, [], SENT_ONCE, Verdict.UNVERIFIED, id="no read"),
        pytest.param(OPEN, [read(0)], SENT_ONCE, Verdict.UNVERIFIED, id="one flat read"),
        pytest.param(OPEN, [read(0), read(1.0)], SENT_ONCE, Verdict.UNVERIFIED, id="two flat reads too close"),
        pytest.param(OPEN, [read(0), read(1.1)], SENT_ONCE, Verdict.FLAT, id="two flat reads apart"),
        pytest.param(OPEN, [read(0), read(0.6), read(1.2)], SENT_ONCE, Verdict.FLAT, id="first and last apart"),
        pytest.param(OPEN, [read(0), read(5, line(BTC))], SENT_ONCE, Verdict.RESIDUAL, id="open in the last"),
        pytest.param(OPEN, [read(0, line(BTC)), read(5)], SENT_ONCE, Verdict.UNVERIFIED, id="flat in the last only"),
        pytest.param(OPEN, [read(0), read(0.6, line(BTC)), read(1.2)], SENT_ONCE, Verdict.UNVERIFIED, id="open in between"),
        pytest.param(
            OPEN, [read(0, line(BTC)), read(1), read(2.1)], SENT_ONCE, Verdict.FLAT, id="two flat reads after an open one"
        ),
        pytest.param(plan(), [read(0), read(2)], UNTOUCHED, Verdict.ALREADY_FLAT, id="nothing before, nothing sent"),
        pytest.param(None, [read(0), read(2)], UNTOUCHED, Verdict.ALREADY_FLAT, id="before unknown, nothing sent"),
        pytest.param(plan(), [read(0), read(2)], SENT_ONCE, Verdict.FLAT, id="nothing before, but sent"),
        pytest.param(OPEN, [read(0), read(2)], UNTOUCHED, Verdict.FLAT, id="closed by somebody else"),
        pytest.param(plan(), [read(0)], UNTOUCHED, Verdict.UNVERIFIED, id="already flat needs two reads as well"),
    ],
)
def test_a_verdict_follows_from_the_reads(
    before: ClosePlan | None, proofs: list[ProofRead], history: InstrumentHistory, verdict: Verdict
) -> None:
    """The reads decide; what the exchange answered to a close is only history."""
    assert judge_btc(before, proofs, history).verdict is verdict


def test_a_residual_names_size_value_and_the_last_answer() -> None:
    """The person who reads it has to know what is open and why before anything else."""
    history = InstrumentHistory(attempts=3, last_reason="1 errorList item(s): 51020")
    verdict = judge_btc(OPEN, [read(0, line(BTC, quantity="30", notional="2700"))], history)
    assert verdict.reason == "long 30 still open (2,700 USDT); last answer: 1 errorList item(s): 51020"
    assert (verdict.attempts, verdict.quantity_after_contracts, verdict.notional_after_usdt) == (3, 30, 2700)
    assert (verdict.quantity_before_contracts, verdict.notional_before_usdt) == (5, 450)


def test_sizes_nobody_read_are_unknown_and_not_zero() -> None:
    """Zero would be a claim of flatness."""
    verdict = judge_btc(None, [])
    assert verdict.quantity_before_contracts is None
    assert verdict.notional_before_usdt is None
    assert verdict.quantity_after_contracts is None
    assert verdict.notional_after_usdt is None


def test_sizes_that_were_read_as_flat_are_zero() -> None:
    """A complete read without a row is a statement about the size."""
    verdict = judge_btc(plan(), [read(0)])
    assert (verdict.quantity_before_contracts, verdict.quantity_after_contracts) == (0, 0)
    assert (verdict.notional_before_usdt, verdict.notional_after_usdt) == (0, 0)


def test_what_a_guard_held_back_is_no_success_although_it_looks_flat() -> None:
    """Nothing was sent for a reason; two reads of the wrong instrument prove nothing about the right one."""
    history = InstrumentHistory(held_back="not in the instrument list")
    flat = judge_btc(plan(), [read(0), read(2)], history)
    still_open = judge_btc(OPEN, [read(0, line(BTC))], history)
    assert (flat.verdict, flat.reason) == (Verdict.UNVERIFIED, "not in the instrument list")
    assert still_open.verdict is Verdict.RESIDUAL
    assert still_open.reason.endswith("nothing was sent: not in the instrument list")


def test_a_position_that_was_not_there_before_is_reopened() -> None:
    """Somebody else trades the account; the close worked and the desk has to look at the other one."""
    verdict = judge_btc(OPEN, [read(0, line(BTC, position_id="99"))])
    assert verdict.reopened_position_ids == ("99",)
    assert "99 were not there before the first send" in verdict.reason


@pytest.mark.parametrize("before", [OPEN, None])
def test_nothing_is_called_reopened_without_knowing_what_was_there(before: ClosePlan | None) -> None:
    """The same row is no new one, and without a first read no row can be told to be new."""
    assert judge_btc(before, [read(0, line(BTC))]).reopened_position_ids == ()


def order(side: str, kind: OrderKind = OrderKind.RESTING, order_id: str = "71") -> Order:
    """An order about the long side of BTC."""
    return Order(kind, BTC, order_id, side, PositionSide.LONG, Decimal(3), Decimal(80000))


PROVEN = [read(0), read(2)]
OPENING, CLOSING = order("buy"), order("sell")


@pytest.mark.parametrize(
    ("orders", "verdict"),
    [
        pytest.param(NO_ORDERS, Verdict.FLAT, id="lists read, nothing there"),
        pytest.param(OrderEvidence(left=(OPENING,)), Verdict.RESTING_ORDER_LEFT, id="an order that can open"),
        pytest.param(OrderEvidence(left=(CLOSING, OPENING)), Verdict.RESTING_ORDER_LEFT, id="one of two can open"),
        pytest.param(OrderEvidence(left=(CLOSING,)), Verdict.FLAT, id="one that can only close"),
        pytest.param(OrderEvidence(missing="no list"), Verdict.UNVERIFIED, id="a list is missing"),
        pytest.param(OrderEvidence((OPENING,), "no list"), Verdict.RESTING_ORDER_LEFT, id="one list is missing, one not"),
        pytest.param(OrderEvidence(positions_from_s=2.0), Verdict.FLAT, id="the last read is newer than the lists"),
        pytest.param(OrderEvidence(positions_from_s=2.1), Verdict.UNVERIFIED, id="the last read is older than the lists"),
    ],
)
def test_no_position_is_flat_only_without_an_order_that_can_open_one(orders: OrderEvidence, verdict: Verdict) -> None:
    """What opens a second later was not flat; and an order that fired before its list was read shows in a later read."""
    assert judge_btc(OPEN, PROVEN, orders=orders).verdict is verdict


def test_an_instrument_whose_order_lists_nobody_read_is_not_proven() -> None:
    """A missing piece of evidence must not look like an empty list."""
    (verdict,) = judge([BTC], OPEN, PROVEN, GAP_S, {}, {})
    assert (verdict.verdict, verdict.reason) == (Verdict.UNVERIFIED, "no position is open; the order lists were not read")


def test_what_is_still_waiting_is_named_with_every_verdict() -> None:
    """A closing order may act on tomorrow's position, and an opening one is what has to be cancelled by hand."""
    for orders in (OrderEvidence(left=(CLOSING,)), OrderEvidence(left=(OPENING,))):
        assert f"still waiting: {orders.left[0].describe()}" in judge_btc(OPEN, PROVEN, orders=orders).reason


def residual(*positions: Position, concerns: dict[ResidualCause, str] | None = None) -> list[ProofRead]:
    """A last read that shows these rows."""
    size = sum((row.quantity_contracts for row in positions), Decimal(0))
    return [read(0, PlanLine(BTC, ProductGroup.SWAP_U, size, Decimal(90), positions, "live", concerns or {}))]


def row(position_id: str, *, is_copied: bool = False) -> Position:
    """An open row of BTC, known from the first read when its id is 1."""
    side = PositionSide.LONG
    return Position(
        BTC, ProductGroup.SWAP_U, position_id, side, Decimal(5), "cross", "split", None, "USDT", is_leading=is_copied
    )


@pytest.mark.parametrize(
    ("proofs", "orders", "cause"),
    [
        (residual(row("1")), NO_ORDERS, ResidualCause.OTHER),
        (residual(row("1"), concerns={ResidualCause.NOT_TRADING: "state suspend"}), NO_ORDERS, ResidualCause.NOT_TRADING),
        (residual(row("1"), concerns={ResidualCause.OVERSIZED: "large"}), NO_ORDERS, ResidualCause.OVERSIZED),
        (residual(row("1"), concerns={ResidualCause.ODD_LOT: "odd"}), NO_ORDERS, ResidualCause.ODD_LOT),
        (residual(row("1", is_copied=True)), NO_ORDERS, ResidualCause.COPY_TRADING),
        (residual(row("1", is_copied=True), row("1")), NO_ORDERS, ResidualCause.OTHER),
        (residual(row("1")), OrderEvidence(left=(CLOSING,), holding=(CLOSING,)), ResidualCause.FROZEN),
        (residual(row("1")), OrderEvidence(missing="no list", holding=(CLOSING,)), ResidualCause.FROZEN),
        (residual(row("1")), OrderEvidence(left=(OPENING,)), ResidualCause.OTHER),
        (residual(row("1")), OrderEvidence(left=(order("sell", OrderKind.PROTECTION),)), ResidualCause.OTHER),
        (residual(row("99")), NO_ORDERS, ResidualCause.REOPENED),
        (residual(row("1"), row("99")), NO_ORDERS, ResidualCause.OTHER),
    ],
)
def test_a_residual_is_classified_by_what_is_left(
    proofs: list[ProofRead], orders: OrderEvidence, cause: ResidualCause
) -> None:
    """The owner of the break has to do something else for each; a cause of a part of it is not the cause of it."""
    assert judge_btc(OPEN, proofs, orders=orders).cause is cause


def test_only_what_is_open_has_a_cause() -> None:
    """A cause beside a proof would be read as a residual."""
    assert judge_btc(OPEN, PROVEN).cause is None
    assert judge_btc(OPEN, []).cause is None


def test_reads_are_apart_only_if_all_their_pages_are() -> None:
    """A read of swaps and spot has two pages; the second must not lean on the first one's distance."""
    earlier = ProofRead(plan(), (0.0, 1.0))
    assert are_apart(earlier, ProofRead(plan(), (1.1, 2.1)), GAP_S)
    assert not are_apart(earlier, ProofRead(plan(), (1.1, 2.0)), GAP_S)
    assert not are_apart(ProofRead(plan(), (5.0,)), ProofRead(plan(), (0.0,)), GAP_S)
    with pytest.raises(ValueError, match="zip"):
        are_apart(earlier, ProofRead(plan(), (9.0,)), GAP_S)


@pytest.mark.parametrize(
    ("verdicts", "result"),
    [
        ([Verdict.FLAT, Verdict.ALREADY_FLAT], FlattenResult.FLAT),
        ([Verdict.ALREADY_FLAT], FlattenResult.FLAT),
        ([Verdict.FLAT, Verdict.UNVERIFIED], FlattenResult.UNVERIFIED),
        ([Verdict.FLAT, Verdict.UNVERIFIED, Verdict.RESIDUAL], FlattenResult.NOT_FLAT),
        ([Verdict.RESIDUAL], FlattenResult.NOT_FLAT),
        ([Verdict.FLAT, Verdict.UNVERIFIED, Verdict.RESTING_ORDER_LEFT], FlattenResult.NOT_FLAT),
        ([], FlattenResult.UNVERIFIED),
    ],
)
def test_a_flatten_is_as_good_as_its_worst_verdict(verdicts: list[Verdict], result: FlattenResult) -> None:
    """One residual or one doubt is not made up for by many successes, and no verdict at all is a doubt."""
    assert result_of([settled(verdict) for verdict in verdicts]) is result


def settled(verdict: Verdict, instrument_id: str = BTC, after: str | None = "0") -> InstrumentVerdict:
    """A verdict with this notional left; None for no read after the last send."""
    left = None if after is None else Decimal(after)
    return InstrumentVerdict(instrument_id, verdict, Decimal(1), Decimal(90), left, left, 1, "because")


def test_a_failure_names_the_largest_residual_first() -> None:
    """The first line of an alert may be all that is read."""
    verdicts = [
        settled(Verdict.RESIDUAL, ETH, "10"),
        settled(Verdict.FLAT, SOL),
        settled(Verdict.RESIDUAL, BTC, "900"),
    ]
    assert describe_verdicts(verdicts) == f"{BTC} RESIDUAL: because; {ETH} RESIDUAL: because"
    assert describe_verdicts([settled(Verdict.FLAT)]) == ""


def test_an_order_that_is_left_is_told_like_a_residual() -> None:
    """Nothing is open now; whoever reads FLAT would not look again."""
    told = [settled(Verdict.FLAT, ETH, "0"), settled(Verdict.RESTING_ORDER_LEFT, BTC, "0")]
    assert result_of(told) is FlattenResult.NOT_FLAT
    assert result_of([*told, settled(Verdict.UNVERIFIED, SOL, None)]) is FlattenResult.NOT_FLAT
    assert describe_verdicts(told) == f"{BTC} RESTING_ORDER_LEFT: because"
    assert residual_notional(told) == 0


def test_the_residual_is_unknown_if_a_read_is_missing() -> None:
    """A sum with a gap in it would look like good news."""
    assert residual_notional([settled(Verdict.RESIDUAL, BTC, "900"), settled(Verdict.FLAT, ETH)]) == 900
    assert residual_notional([settled(Verdict.FLAT, BTC), settled(Verdict.UNVERIFIED, ETH, None)]) is None


steps = st.lists(st.tuples(st.floats(0, 3, allow_nan=False), st.sets(st.sampled_from(IDS))), max_size=6)
befores = st.one_of(st.none(), st.sets(st.sampled_from(IDS)))
histories_strategy = st.dictionaries(
    st.sampled_from(IDS),
    st.builds(InstrumentHistory, st.integers(0, 3), st.just(""), st.one_of(st.none(), st.just("held"))),
)


def build_reads(story: list[tuple[float, set[str]]]) -> list[ProofRead]:
    """Reads that follow each other by these gaps, each showing these instruments open."""
    now_s, reads = 0.0, []
    for gap_s, still_open in story:
        now_s += gap_s
        reads.append(read(now_s, *(line(name) for name in sorted(still_open))))
    return reads


orders_strategy = st.dictionaries(
    st.sampled_from(IDS),
    st.builds(
        OrderEvidence,
        st.sampled_from([(), (OPENING,), (CLOSING,)]),
        st.sampled_from([None, "missing"]),
        st.sampled_from([float("-inf"), 1.0, 4.0]),
    ),
)


@given(befores, steps, histories_strategy, orders_strategy)
def test_every_instrument_has_exactly_one_verdict_in_the_order_asked(
    before: set[str] | None,
    story: list[tuple[float, set[str]]],
    histories: dict[str, InstrumentHistory],
    orders: dict[str, OrderEvidence],
) -> None:
    """An instrument without a verdict would be missing from the failure, and nobody would look at it."""
    opened = None if before is None else plan(*(line(name) for name in sorted(before)))
    verdicts = judge(IDS, opened, build_reads(story), GAP_S, histories, orders)
    assert tuple(verdict.instrument_id for verdict in verdicts) == IDS


@given(befores, steps, histories_strategy, orders_strategy)
def test_flat_is_said_only_with_two_proofs_apart_and_nothing_open_since(
    before: set[str] | None,
    story: list[tuple[float, set[str]]],
    histories: dict[str, InstrumentHistory],
    orders: dict[str, OrderEvidence],
) -> None:
    """The promise of the whole project, over any story of reads."""
    opened = None if before is None else plan(*(line(name) for name in sorted(before)))
    reads = build_reads(story)
    for verdict in judge(IDS, opened, reads, GAP_S, histories, orders):
        flat_since = []
        for proof in reversed(reads):
            if proof.open_line(verdict.instrument_id) is not None:
                break
            flat_since.append(proof.started_monotonic_s[0])
        is_proven = bool(flat_since) and flat_since[0] - flat_since[-1] >= GAP_S
        is_held_back = histories.get(verdict.instrument_id, UNTOUCHED).held_back is not None
        evidence = orders.get(verdict.instrument_id)
        is_quiet = evidence is not None and not evidence.opening and evidence.missing is None
        is_followed = evidence is not None and bool(flat_since) and flat_since[0] >= evidence.positions_from_s
        assert verdict.verdict.is_flat == (is_proven and not is_held_back and is_quiet and is_followed)
        is_open_last = bool(reads) and reads[-1].open_line(verdict.instrument_id) is not None
        assert (verdict.verdict is Verdict.RESIDUAL) == is_open_last
