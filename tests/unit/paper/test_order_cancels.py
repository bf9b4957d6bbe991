"""What the cancel endpoints answer, refuse and really cancel."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from deepcoin_ops.domain.model import PositionSide
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.open_questions import CancelAllAnswer, InstrumentForm, MismatchAnswer, OrderRules
from deepcoin_ops.paper.order_records import OrderKind

PAYLOADS = Path(__file__).parents[2] / "payloads"
BTC = "BTC-USDT-SWAP"
BATCH, ALL, ALL_TRIGGERS = "batch-cancel-order", "swap/cancel-all", "swap/cancel-trigger-all"
CROSS_MERGED = {"InstrumentID": "BTCUSDT", "ProductGroup": "SwapU", "IsCrossMargin": 1, "IsMergeMode": 1}


def documented(name: str) -> dict[str, Any]:
    """The body of a documented answer."""
    body: dict[str, Any] = json.loads((PAYLOADS / f"{name}.json").read_text("utf-8"))["body"]
    return body


def shape(value: Any) -> Any:
    """Names and types, whatever the values."""
    if isinstance(value, dict):
        return {name: shape(each) for name, each in value.items()}
    return [shape(each) for each in value] if isinstance(value, list) else type(value)


def test_a_batch_cancels_what_is_there_and_names_the_rest(set_stage, order) -> None:
    """One bad id does not stop the others, and the outer code says success."""
    stage = set_stage(order(), order("B", instrument_id="SOL-USDT"), order("T", kind=OrderKind.TRIGGER))
    payload = stage.ask(BATCH, orderSysIDs=["A", "T", "B", "GONE", "A"])
    items = payload["data"]["errorList"]
    assert [(item["orderSysId"], item["errorCode"]) for item in items] == [("T", 24), ("GONE", 24), ("A", 24)]
    assert items[1]["errorMsg"] == "OrderNotFound:GONE"
    assert payload["code"] == "0"
    assert shape(items[0]) == shape(documented("cancel_batch_partial")["data"]["errorList"][0])
    assert stage.working() == ["T"]


@pytest.mark.parametrize("ids", [None, [], "A", ["A"] * 51])
def test_a_batch_needs_one_to_fifty_ids(set_stage, order, ids: Any) -> None:
    """Fifty-one are refused whole: nothing of it happens."""
    stage = set_stage(order())
    payload = stage.ask(BATCH, OrderSysIDs=ids)
    assert (payload["code"], payload["data"]) == ("51", None)
    assert stage.working() == ["A"]


def test_an_order_that_fills_just_before_its_cancel_is_not_found(set_stage, order) -> None:
    """The answer looks like `already gone`, and there is a position that was not there before."""
    stage = set_stage(
        order(fills_before_cancel=True),
        order("C", fills_before_cancel=True),
        order("T", kind=OrderKind.TRIGGER, fills_before_cancel=True),
    )
    [item] = stage.ask(BATCH, OrderSysIDs=["A"])["data"]["errorList"]
    assert item["errorCode"] == 24
    [item] = stage.ask(ALL, **CROSS_MERGED)["data"]["errorList"]
    assert (item["orderSysId"], item["errorCode"]) == ("C", 24)
    answer = stage.ask("cancel-trigger-order", instId=BTC, ordId="T")
    assert answer == documented("cancel_trigger_missing")
    assert stage.sizes() == [4 * 3]
    assert [stage.state(name) for name in ("A", "C", "T")] == ["filled"] * 3


def test_a_single_cancel_says_in_its_inner_code_what_happened(set_stage, order) -> None:
    """An outer code 0 is not success."""
    stage = set_stage(order())
    assert shape(stage.ask("cancel-order", instId=BTC, ordId="A")) == shape(documented("cancel_order_done"))
    again = stage.ask("cancel-order", instId=BTC, ordId="A")
    assert (again["code"], again["data"]["sCode"], again["data"]["sMsg"]) == ("0", "24", "OrderNotFound:A")
    assert stage.ask("cancel-order", ordId="A")["code"] == "51"
    assert stage.ask("cancel-order", instId=BTC)["code"] == "51"


def test_a_single_cancel_needs_the_right_instrument(set_stage, order) -> None:
    """Else a mistyped instrument would cancel somebody else's order."""
    stage = set_stage(order())
    assert stage.ask("cancel-order", instId="ETH-USDT-SWAP", ordId="A")["data"]["sCode"] == "24"
    assert stage.working() == ["A"]


def test_cancelling_all_covers_one_margin_and_merge_mode_at_a_time(set_stage, order) -> None:
    """Four calls per instrument; whoever sends only the first leaves the rest."""
    modes = [(margin, merge) for margin in ("cross", "isolated") for merge in ("merge", "split")]
    orders = [order(f"{margin}-{merge}", margin_mode=margin, merge_mode=merge) for margin, merge in modes]
    stage = set_stage(*orders, order("E", instrument_id="ETH-USDT-SWAP"), order("T", kind=OrderKind.TRIGGER))
    assert stage.ask(ALL, **CROSS_MERGED)["data"] == {"errorList": []}
    assert stage.working() == ["cross-split", "isolated-merge", "isolated-split", "E", "T"]
    for cross, merged in ((1, 0), (0, 1), (0, 0)):
        stage.ask(ALL, **CROSS_MERGED | {"IsCrossMargin": cross, "IsMergeMode": merged})
    assert stage.working() == ["E", "T"]


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"InstrumentID": None}, "51"),
        ({"InstrumentID": "NOUSDT"}, "50"),
        ({"InstrumentID": BTC}, "50"),
        ({"ProductGroup": "Spot"}, "51"),
        ({"IsCrossMargin": None}, "51"),
        ({"IsCrossMargin": "1"}, "51"),
        ({"IsCrossMargin": True}, "51"),
        ({"IsMergeMode": -1}, "51"),
    ],
)
def test_cancelling_all_refuses_what_the_pages_do_not_show(set_stage, order, changed: dict[str, Any], code: str) -> None:
    """No dashes, whole numbers, contracts only; what the real exchange takes besides is not known."""
    stage = set_stage(order())
    assert stage.ask(ALL, **CROSS_MERGED | changed)["code"] == code
    assert stage.working() == ["A"]


def test_a_scenario_can_take_the_forms_that_clients_send(set_stage, order) -> None:
    """Dashes from one client, text from another."""
    rules = OrderRules(instrument_form=InstrumentForm.ANY, takes_text_flags=True)
    stage = set_stage(order(), ordering=rules)
    assert stage.ask(ALL, **CROSS_MERGED | {"InstrumentID": BTC, "IsCrossMargin": "1", "IsMergeMode": "2"})["code"] == "51"
    assert stage.ask(ALL, **CROSS_MERGED | {"InstrumentID": BTC, "IsCrossMargin": "1"})["code"] == "0"
    assert stage.working() == []


@pytest.mark.parametrize(("answer", "code"), [(MismatchAnswer.SILENT, "0"), (MismatchAnswer.REFUSE, "50")])
def test_the_wrong_product_group_cancels_nothing(set_stage, order, answer: MismatchAnswer, code: str) -> None:
    """The same trap as in a batch close."""
    stage = set_stage(order(), mismatch_answer=answer)
    assert stage.ask(ALL, **CROSS_MERGED | {"ProductGroup": "Swap"})["code"] == code
    assert stage.working() == ["A"]


def test_the_answer_of_cancelling_all_can_be_an_empty_object(set_stage, order) -> None:
    """As a client library recorded it; a failure is still named."""
    stage = set_stage(order(), ordering=OrderRules(cancel_all=CancelAllAnswer.EMPTY_OBJECT))
    spared = stage.ask(ALL, Fault(FaultAction.ERROR_ITEMS), **CROSS_MERGED)
    assert [item["errorCode"] for item in spared["data"]["errorList"]] == [51020]
    assert stage.ask(ALL, **CROSS_MERGED)["data"] == {}
    assert stage.working() == []


def test_cancelling_all_triggers_covers_a_group_or_one_instrument(set_stage, order) -> None:
    """All modes unless some are named, and never the resting orders."""
    trigger = {"kind": OrderKind.TRIGGER}
    stage = set_stage(
        order("R"),
        order("B", **trigger),
        order("I", margin_mode="isolated", **trigger),
        order("E", instrument_id="ETH-USDT-SWAP", **trigger),
        order("C", instrument_id="ETH-USD-SWAP", **trigger),
        order("P", size="0", kind=OrderKind.PROTECTION),
    )
    assert stage.ask(ALL_TRIGGERS)["code"] == "51"
    stage.ask(ALL_TRIGGERS, ProductGroup="SwapU", InstrumentID="BTCUSDT", IsCrossMargin=0)
    assert stage.working() == ["R", "B", "E", "C", "P"]
    stage.ask(ALL_TRIGGERS, ProductGroup="SwapU", InstrumentID="BTCUSDT", IsCrossMargin=-1, IsMergeMode=-1)
    assert stage.working() == ["R", "E", "C", "P"]
    assert stage.ask(ALL_TRIGGERS, ProductGroup="SwapU")["data"] == {"errorList": []}
    assert stage.working() == ["R", "C", "P"]


def test_a_scenario_can_let_it_cover_protection(set_stage, order) -> None:
    """No page says so."""
    protection = order("P", size="0", kind=OrderKind.PROTECTION)
    stage = set_stage(protection, ordering=OrderRules(trigger_all_covers_protection=True))
    stage.ask(ALL_TRIGGERS, ProductGroup="SwapU")
    assert stage.working() == []


def test_protection_needs_its_own_endpoint_and_tells_gone_from_unknown(set_stage, order) -> None:
    """Its failures are in the outer code as well, with words of their own."""
    stage = set_stage(order("1000777000000201", size="0", kind=OrderKind.PROTECTION))
    wanted = {"instType": "SWAP", "instId": BTC, "ordId": "1000777000000201"}
    assert stage.ask("cancel-trigger-order", **wanted) == documented("cancel_trigger_missing")
    assert stage.working() == ["1000777000000201"]
    done = stage.ask("cancel-position-sltp", **wanted)
    assert (done["code"], done["data"]) == ("0", {"ordId": "1000777000000201", "sCode": "0", "sMsg": ""})
    assert stage.ask("cancel-position-sltp", **wanted) == documented("cancel_protection_executed")
    unknown = set_stage().ask("cancel-position-sltp", **wanted)
    assert unknown == documented("cancel_protection_missing")


def test_trailing_exits_are_cancelled_by_side_with_the_price_zero(set_stage, order) -> None:
    """They have no id; the answer is the same when there was none."""
    stage = set_stage(
        order("L", size="0", kind=OrderKind.TRAILING),
        order("S", size="0", kind=OrderKind.TRAILING, position_side=PositionSide.SHORT),
    )
    wanted = {"instId": BTC, "retracePoint": "1000", "posSide": "long"}
    assert stage.ask("trace-order", triggerPrice="-1", **wanted)["code"] == "51"
    for _ in range(2):
        assert stage.ask("trace-order", triggerPrice="0", **wanted) == {"code": "0", "msg": "", "data": {}}
        assert stage.working() == ["S"]


def test_a_scripted_item_leaves_the_orders_of_its_side(set_stage, order) -> None:
    """The same fault as for closes, in the words of cancels."""
    stage = set_stage(order(), order("S", position_side=PositionSide.SHORT))
    fault = Fault(FaultAction.ERROR_ITEMS, position_side=PositionSide.SHORT, error_code=14, error_message="DuplicateAction")
    [item] = stage.ask(BATCH, fault, OrderSysIDs=["A", "S"])["data"]["errorList"]
    assert (item["orderSysId"], item["errorCode"], item["errorMsg"]) == ("S", 14, "DuplicateAction")
    assert stage.working() == ["S"]
    assert stage.ask("cancel-order", fault, instId=BTC, ordId="S")["data"]["sCode"] == "14"
