"""The bot that reopens: at scripted times, or behind each close, and never on top of what it holds."""

from __future__ import annotations

from decimal import Decimal

from deepcoin_ops.domain.model import PositionSide
from deepcoin_ops.paper.scenario import PaperBot


def test_a_bot_opens_at_each_of_its_times_unless_it_still_holds(set_stage, position) -> None:
    """A flatten that looks once between two of them sees a flat account that does not stay flat."""
    stage = set_stage(PaperBot(position(), opens_after_s=(1.0, 2.0, 5.0)))
    assert stage.sizes() == []
    stage.elapsed_s = 2.5
    assert stage.sizes() == [Decimal(10)]
    assert stage.close() == []
    assert stage.sizes() == []
    stage.elapsed_s = 5.0
    assert stage.sizes() == [Decimal(10)]


def test_a_bot_follows_so_many_closes_of_its_side_and_no_more(set_stage, position) -> None:
    """Otherwise no number of rounds would ever end."""
    bot = PaperBot(position(size="3"), follows_close_s=1.0, follows=2)
    stage = set_stage(position(), position(position_side=PositionSide.SHORT), bot)
    for expected in ([Decimal(3)], [Decimal(3)], []):
        assert stage.close() == []
        assert stage.sizes() == []
        stage.elapsed_s += 1.0
        assert stage.sizes() == expected


def test_a_bot_leaves_other_instruments_alone(set_stage, position) -> None:
    """A close elsewhere is none of its business."""
    stage = set_stage(position("ETH-USDT-SWAP"), PaperBot(position(), follows_close_s=0.0))
    stage.close("ETH-USDT-SWAP")
    stage.elapsed_s = 9.0
    assert stage.sizes() == []
