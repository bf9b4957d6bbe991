"""What the exchange's pages leave open, as settings: one word for each way it may be. Defaults follow the pages.

Where the pages say nothing, the default is what the paper exchange did before the question was asked.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass


class MismatchAnswer(StrEnum):
    """What a close says when its product group does not fit the instrument; the real answer is not known.

    SILENT: an empty errorList, and nothing was closed.  REFUSE: code 50.
    """

    SILENT = "silent"
    REFUSE = "refuse"


class NoPositionAnswer(StrEnum):
    """What a close says when there is nothing to close; the real answer is not known.

    EMPTY: an empty errorList.  ERROR_ITEM: one item with 51020.
    """

    EMPTY = "empty"
    ERROR_ITEM = "error_item"


class OversizeAnswer(StrEnum):
    """What becomes of a row larger than the instrument's largest market order (`maxMktSz`); not documented.

    WHOLE: it is closed in one go.  CLAMPED: one close takes `maxMktSz` and says nothing.  REFUSED: an item with 193, the
    code that single orders were seen to get.
    """

    WHOLE = "whole"
    CLAMPED = "clamped"
    REFUSED = "refused"


class DustAnswer(StrEnum):
    """What becomes of the part of a contract row that is no whole lot; not documented. Spot always sells whole lots.

    CLOSED: it is closed with the rest.  LEFT: whole lots are closed, the rest stays and nothing is said.  REFUSED: the row
    stays, with an item of code 44 (volume not on tick), which clients know from single orders.
    """

    CLOSED = "closed"
    LEFT = "left"
    REFUSED = "refused"


class CopyTradingAnswer(StrEnum):
    """Whether a batch close covers rows of copy trading (`isLeading`, `isFollow`); not documented.

    COVERED: like any other.  SPARED: they stay open and nothing is said.  REFUSED: they stay, with an item of code 51000,
    whose use for this is assumed.
    """

    COVERED = "covered"
    SPARED = "spared"
    REFUSED = "refused"


class FrozenAnswer(StrEnum):
    """What a close does with a row of which resting close orders have frozen a part; not documented.

    ROW_STAYS: 51020 for the row, which stays whole.  FREE_PART_CLOSES: what is free is closed, 51020 for the rest.
    """

    ROW_STAYS = "row_stays"
    FREE_PART_CLOSES = "free_part_closes"


class FirstOrderList(StrEnum):
    """What the first version of the order list shows.

    EMPTY: nothing, as live resting orders were seen to be missing from it.  TRUE: what the second version shows.
    """

    EMPTY = "empty"
    TRUE = "true"


class InstrumentForm(StrEnum):
    """How a cancel of all orders may name the instrument.

    UNDASHED: `BTCUSDT`, as the pages show it.  ANY: `BTC-USDT-SWAP` as well, as clients send it; whether the real exchange
    takes that is not known.
    """

    UNDASHED = "undashed"
    ANY = "any"


class CancelAllAnswer(StrEnum):
    """The data of a cancel of all orders that met no failure.

    ERROR_LIST: an empty errorList, as the pages show it.  EMPTY_OBJECT: `{}`, as a client library recorded it.
    """

    ERROR_LIST = "error_list"
    EMPTY_OBJECT = "empty_object"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ClosingRules:
    """How closes deal with rows that are not ordinary.

    Attributes:
        oversize: Rows larger than one market order.
        dust: The part of a contract row that is no whole lot.
        copy_trading: Rows of copy trading.
        freezes_size: Whether resting close orders hold the size they would close.
        frozen: What a close does with a row that is held in part or whole.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/batchClosePosition, which answers none of these.
    """

    oversize: OversizeAnswer = OversizeAnswer.WHOLE
    dust: DustAnswer = DustAnswer.CLOSED
    copy_trading: CopyTradingAnswer = CopyTradingAnswer.COVERED
    freezes_size: bool = True
    frozen: FrozenAnswer = FrozenAnswer.ROW_STAYS


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class OrderRules:
    """How order lists and cancels behave where the pages leave it open or were seen to be wrong.

    Attributes:
        first_list: What the first version of the order list shows.
        list_lag_s: How old the orders are that the lists show, in seconds; reads were seen to trail a cancel.
        instrument_form: How a cancel of all orders may name the instrument.
        takes_text_flags: Whether `IsCrossMargin` and `IsMergeMode` may be text. The pages say integer, one client sends
            text.
        cancel_all: What a cancel of all orders answers when it met no failure.
        trigger_all_covers_protection: Whether a cancel of all trigger orders takes the positions' TP/SL orders with it. No
            page says so, and cancelling one by id was seen to need its own endpoint.
        protection_ends: Whether TP/SL orders leave with their position: seen for split positions, assumed for merged ones.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/cancelAllOrder and its neighbours.
    """

    first_list: FirstOrderList = FirstOrderList.EMPTY
    list_lag_s: float = 0.0
    instrument_form: InstrumentForm = InstrumentForm.UNDASHED
    takes_text_flags: bool = False
    cancel_all: CancelAllAnswer = CancelAllAnswer.ERROR_LIST
    trigger_all_covers_protection: bool = False
    protection_ends: bool = True
