"""Every answer a cancel can get, as a table: what it proves, and that everything else is UNKNOWN."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcoin_ops.domain.model import Outcome, PositionSide, ProductGroup, Refusal
from deepcoin_ops.exchange import wire_cancels as wire
from deepcoin_ops.exchange.client import CANCEL_LANES

PAYLOADS = Path(__file__).parents[2] / "payloads"
BTC, ID = "BTC-USDT-SWAP", "1000777000000101"
LISTS = (wire.BATCH_CANCEL, wire.CANCEL_TRIGGER_GROUP)
SINGLES = (wire.CANCEL_ORDER, wire.CANCEL_TRIGGER, wire.CANCEL_PROTECTION)
ENDPOINTS = (*LISTS, *SINGLES, wire.CANCEL_TRAILING)
ITEM = {"memberId": "1", "accountId": "2", "orderSysId": ID, "errorCode": 24, "errorMsg": f"OrderNotFound:{ID}"}
DONE = {"ordId": ID, "clOrdId": "", "sCode": "0", "sMsg": ""}
MISSING = ...


def read(endpoint: str, http_status: int, body: bytes, order_id: str = ID) -> wire.CancelReading:
    """The reading of an answer to a cancel that named an order."""
    return wire.read_cancel_answer(endpoint, json.dumps({"instId": BTC, "ordId": order_id}), http_status, body)


def read_payload(endpoint: str, name: str) -> wire.CancelReading:
    """The reading of a documented answer as it would arrive."""
    payload = json.loads((PAYLOADS / f"{name}.json").read_text("utf-8"))
    return read(endpoint, payload["http_status"], json.dumps(payload["body"]).encode())


def envelope(code: Any, data: Any = MISSING, msg: str = "") -> bytes:
    """An answer's bytes; without a `data` key unless one is given."""
    return json.dumps({"code": code, "msg": msg} | ({} if data is MISSING else {"data": data})).encode()


@pytest.mark.parametrize(
    ("endpoint", "name", "outcome", "failed"),
    [
        (wire.BATCH_CANCEL, "close_accepted", Outcome.ACCEPTED, []),
        (wire.BATCH_CANCEL, "cancel_batch_partial", Outcome.PARTIAL, [(ID, "24"), ("1000777000000102", "24")]),
        (wire.CANCEL_TRIGGER_GROUP, "cancel_batch_partial", Outcome.PARTIAL, [(ID, "24"), ("1000777000000102", "24")]),
        (wire.CANCEL_ORDER, "cancel_order_done", Outcome.ACCEPTED, []),
        (wire.CANCEL_TRIGGER, "cancel_order_done", Outcome.ACCEPTED, []),
        (wire.CANCEL_TRIGGER, "cancel_trigger_missing", Outcome.PARTIAL, [(ID, "1033201232")]),
        (wire.CANCEL_PROTECTION, "cancel_protection_missing", Outcome.PARTIAL, [("1000777000000201", "51400")]),
        (wire.CANCEL_PROTECTION, "cancel_protection_executed", Outcome.PARTIAL, [("1000777000000201", "51401")]),
        (wire.CANCEL_ORDER, "order_not_found", Outcome.UNKNOWN, []),
        (wire.CANCEL_ORDER, "cancel_protection_missing", Outcome.UNKNOWN, []),
    ],
)
def test_a_documented_answer_is_classified(
    endpoint: str, name: str, outcome: Outcome, failed: list[tuple[str, str]]
) -> None:
    """A failure outside is believed of protections only, whose page shows it; elsewhere it is a shape nobody promised."""
    reading = read_payload(endpoint, name)
    assert (reading.outcome, reading.refusal, reading.notes) == (outcome, None, ())
    assert [(error.order_id, error.error_code) for error in reading.cancel_errors] == failed


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("throttled", Refusal.THROTTLED),
        ("refused_signature", Refusal.FATAL),
        ("refused_timestamp", Refusal.TIMESTAMP),
        ("close_parameter_missing", Refusal.PARAMETER),
        ("close_instrument_unknown", Refusal.PARAMETER),
    ],
)
def test_a_proven_refusal_is_one_for_every_cancel(endpoint: str, name: str, refusal: Refusal) -> None:
    """What proves that nothing was done is one list for closes and cancels."""
    reading = read_payload(endpoint, name)
    assert (reading.outcome, reading.refusal, reading.cancel_errors) == (Outcome.REFUSED, refusal, ())


UNREADABLE = [
    pytest.param(200, b"", id="empty body"),
    pytest.param(200, b"<html>maintenance</html>", id="200 with a page"),
    pytest.param(401, b"<html>Unauthorized</html>", id="401 with a page"),
    pytest.param(502, b"<html>Bad gateway</html>", id="502 with a page"),
    pytest.param(200, b'{"code":"0","data":{"errorLi', id="truncated JSON"),
    pytest.param(200, b'{"code":"0","code":"0","data":{"errorList":[],"sCode":"0"}}', id="code twice"),
    pytest.param(200, b'[{"code":"0","data":{"errorList":[],"sCode":"0"}}]', id="a list around it"),
    pytest.param(200, b'{"data":{"errorList":[],"sCode":"0"}}', id="code missing"),
    pytest.param(500, envelope("0", {"errorList": [], **DONE}), id="500 that reads like success"),
    pytest.param(201, envelope("0", {"errorList": [], **DONE}), id="201 that reads like success"),
    pytest.param(429, envelope("50000", None), id="429"),
    pytest.param(200, envelope("50000", None), id="50000 with status 200"),
    pytest.param(200, envelope("24", None, "OrderNotFound"), id="code 24 without data"),
    pytest.param(200, envelope("51", MISSING), id="51 without data"),
    pytest.param(200, envelope("14", {"errorList": []}), id="an engine code outside, nothing inside"),
    pytest.param(200, envelope("51400", {"sCode": "0"}), id="failure outside, success inside"),
    pytest.param(200, envelope("51400", {"sCode": "51401"}), id="two different failures"),
    pytest.param(200, envelope("51400", {"ordId": ID}), id="failure outside, no code inside"),
    pytest.param(400, envelope("51400", {"sCode": "51400"}), id="the same failure twice under another status"),
]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize(("http_status", "body"), UNREADABLE)
def test_an_answer_that_proves_nothing_is_unknown(endpoint: str, http_status: int, body: bytes) -> None:
    """Each of these may stand for a cancel that happened, or for an order that still waits."""
    reading = read(endpoint, http_status, body)
    assert (reading.outcome, reading.refusal, reading.cancel_errors) == (Outcome.UNKNOWN, None, ())
    assert reading.reason


@pytest.mark.parametrize("endpoint", LISTS)
@pytest.mark.parametrize(
    "data",
    [MISSING, None, {}, [], "", {"errorList": None}, {"errorList": {}}, {"errorlist": []}, DONE],
    ids=str,
)
def test_an_answer_about_many_without_a_list_is_unknown_and_noticed(endpoint: str, data: Any) -> None:
    """An empty object was recorded for a sister endpoint; whether it stands for success, nobody has written down."""
    reading = read(endpoint, 200, envelope("0", data))
    assert (reading.outcome, reading.error_code) == (Outcome.UNKNOWN, "0")
    assert reading.notes == ("cancel answer with code 0, but errorList is missing or not a list",)


@pytest.mark.parametrize("endpoint", SINGLES)
@pytest.mark.parametrize(
    "data",
    [MISSING, None, {}, [], "0", {"ordId": ID}, {"sCode": ""}, {"sCode": None}, {"sCode": False}, {"errorList": []}],
    ids=str,
)
def test_an_answer_about_one_without_an_inner_code_is_unknown_and_noticed(endpoint: str, data: Any) -> None:
    """The outer code says success for failures too."""
    reading = read(endpoint, 200, envelope("0", data))
    assert (reading.outcome, reading.error_code) == (Outcome.UNKNOWN, "0")
    assert reading.notes == ("cancel answer with code 0, but sCode is missing",)


@pytest.mark.parametrize("endpoint", SINGLES)
@pytest.mark.parametrize("code", ["24", 24, "31", "51400", "00", "-1", "1033201232", "localIDNotExist"])
def test_any_other_inner_code_is_an_order_that_was_not_cancelled(endpoint: str, code: Any) -> None:
    """Whether it is gone or could not be cancelled is not for the answer to say."""
    reading = read(endpoint, 200, envelope("0", {"ordId": ID, "sCode": code, "sMsg": "no"}))
    (error,) = reading.cancel_errors
    assert (reading.outcome, reading.error_code) == (Outcome.PARTIAL, "0")
    assert (error.order_id, error.error_code, error.error_message) == (ID, str(code), "no")
    assert str(code) in reading.reason


@pytest.mark.parametrize(("named", "told"), [("9", "9"), ("", ID), (None, ID), (9, "9")])
def test_a_failure_is_of_the_order_it_names_or_else_of_the_one_asked_for(named: Any, told: str) -> None:
    """The page shows an empty id beside an order that is not found."""
    reading = read(wire.CANCEL_TRIGGER, 200, envelope("0", {"ordId": named, "sCode": "24"}))
    assert [error.order_id for error in reading.cancel_errors] == [told]


@pytest.mark.parametrize(("named", "outcome"), [(ID, Outcome.ACCEPTED), ("", Outcome.ACCEPTED), ("9", Outcome.UNKNOWN)])
@pytest.mark.parametrize("endpoint", SINGLES)
def test_a_success_of_another_order_is_no_success(endpoint: str, named: str, outcome: Outcome) -> None:
    """An answer that was mixed up on the way says nothing about this order."""
    reading = read(endpoint, 200, envelope("0", DONE | {"ordId": named}))
    assert (reading.outcome, reading.cancel_errors) == (outcome, ())
    assert reading.notes == (("cancel answer for another order",) if outcome is Outcome.UNKNOWN else ())


@pytest.mark.parametrize("code", ["51400", 51401, "51000"])
def test_a_protections_failure_is_read_from_codes_of_either_type(code: Any) -> None:
    """The same code outside and inside is the documented way in which this cancel fails."""
    reading = read(wire.CANCEL_PROTECTION, 200, envelope(code, {"ordId": ID, "sCode": str(code), "sMsg": ""}))
    assert (reading.outcome, reading.error_code) == (Outcome.PARTIAL, str(code))
    assert [error.error_code for error in reading.cancel_errors] == [str(code)]


@pytest.mark.parametrize("data", [MISSING, None, {}, [], {"traceId": "T"}], ids=str)
def test_a_trailing_cancel_is_accepted_by_its_outer_code(data: Any) -> None:
    """There is nothing else in the documented answer."""
    assert read(wire.CANCEL_TRAILING, 200, envelope("0", data), "").outcome is Outcome.ACCEPTED


@pytest.mark.parametrize(
    ("data", "outcome"),
    [
        ({"sCode": "51400"}, Outcome.PARTIAL),
        ({"sCode": ""}, Outcome.UNKNOWN),
        ({"sCode": "0"}, Outcome.ACCEPTED),
        ({"errorList": [ITEM]}, Outcome.PARTIAL),
        ({"errorList": None}, Outcome.UNKNOWN),
    ],
    ids=str,
)
def test_a_failure_inside_a_trailing_answer_is_not_passed_over(data: Any, outcome: Outcome) -> None:
    """None is documented; one that comes anyway must not read as success."""
    assert read(wire.CANCEL_TRAILING, 200, envelope("0", data), "").outcome is outcome


def test_a_new_field_in_a_trailing_answer_is_noticed() -> None:
    """It may be the failure in a spelling that nobody knows yet."""
    reading = read(wire.CANCEL_TRAILING, 200, envelope("0", {"result": "failed"}), "")
    assert reading.notes == ("cancel answer of a trailing exit with unknown field(s): result",)


def test_every_field_of_an_item_is_kept() -> None:
    """The items are what a desk argues about with the exchange, so nothing of them may get lost."""
    first, second = read(wire.BATCH_CANCEL, 200, envelope("0", {"errorList": [ITEM, ITEM]})).cancel_errors
    assert (first.item_index, second.item_index) == (0, 1)
    assert (first.order_id, first.error_code, first.error_message) == (ID, "24", f"OrderNotFound:{ID}")
    assert (first.member_id, first.exchange_account_id) == ("1", "2")
    assert json.loads(first.raw_json) == ITEM


@pytest.mark.parametrize("item", [None, 24, "OrderNotFound", [ID], True, {}], ids=repr)
def test_an_item_that_says_nothing_is_an_error_all_the_same(item: Any) -> None:
    """The exchange reported a failure; that it is misshapen does not make it a success."""
    reading = read(wire.BATCH_CANCEL, 200, envelope("0", {"errorList": [item]}))
    (error,) = reading.cancel_errors
    assert (reading.outcome, error.order_id, error.error_code) == (Outcome.PARTIAL, "", "")
    assert json.loads(error.raw_json) == item
    assert "no code" in reading.reason


def test_what_is_new_in_an_item_is_noticed() -> None:
    """A changed exchange shows here first."""
    items = ["no", ITEM | {"traceId": "T"}, ITEM | {"errorCode": [24]}]
    assert read(wire.BATCH_CANCEL, 200, envelope("0", {"errorList": items})).notes == (
        "errorList item that is no object",
        "errorList item with unknown field(s): traceId",
        "errorList item with unreadable value(s) of: errorCode",
    )
    reading = read(wire.CANCEL_ORDER, 200, envelope("0", DONE | {"traceId": "T", "sMsg": ["x"]}))
    assert (reading.outcome, reading.notes) == (
        Outcome.ACCEPTED,
        ("cancel answer with unknown field(s): traceId", "cancel answer with unreadable value(s) of: sMsg"),
    )


def test_every_endpoint_has_a_lane_of_its_own_and_a_reader() -> None:
    """Two endpoints in one lane would wait for each other; one without a reader could not be recorded."""
    assert set(CANCEL_LANES) == set(ENDPOINTS)
    assert len(set(CANCEL_LANES.values())) == len(ENDPOINTS)
    with pytest.raises(KeyError):
        read("/deepcoin/trade/swap/cancel-all", 200, envelope("0", {"errorList": []}))


def test_bodies_are_spelled_as_the_pages_show() -> None:
    """The text is signed and recorded as it is."""
    assert wire.batch_cancel_body(iter(["2", "1"])) == '{"orderSysIDs":["2","1"]}'
    assert wire.cancel_order_body(BTC, ID) == f'{{"instId":"{BTC}","ordId":"{ID}"}}'
    assert wire.cancel_trigger_body(BTC, ID) == f'{{"instId":"{BTC}","ordId":"{ID}"}}'
    assert wire.cancel_trigger_group_body(ProductGroup.SWAP_U) == '{"ProductGroup":"SwapU"}'
    assert json.loads(wire.cancel_protection_body(BTC, ID)) == {"instType": "SWAP", "instId": BTC, "ordId": ID}
    assert json.loads(wire.cancel_protection_body("SOL-USDT", ID))["instType"] == "SPOT"
    assert json.loads(wire.cancel_trailing_body(BTC, PositionSide.SHORT, "0.50")) == {
        "instId": BTC,
        "retracePoint": "0.50",
        "triggerPrice": "0",
        "posSide": "short",
    }


@pytest.mark.parametrize("count", [0, 51])
def test_a_batch_names_one_to_fifty_orders(count: int) -> None:
    """An empty one may mean all of them, and what becomes of the fifty-first is not documented."""
    assert len(json.loads(wire.batch_cancel_body(map(str, range(50))))["orderSysIDs"]) == 50
    with pytest.raises(ValueError, match="1 to 50"):
        wire.batch_cancel_body(map(str, range(count)))


STATUSES = st.one_of(st.sampled_from([200, 201, 204, 400, 401, 403, 405, 429, 500, 502, 503]), st.integers(100, 599))
CODES = st.one_of(st.integers(0, 60_000).map(str), st.integers(50_095, 50_120).map(str), st.integers(-10, 60))
DATA = st.sampled_from([MISSING, None, {}, [], {"errorList": []}, {"errorList": [ITEM]}, DONE, DONE | {"sCode": "24"}, 0])


@given(st.sampled_from(ENDPOINTS), STATUSES, CODES, DATA)
def test_success_is_read_from_one_status_and_one_code(endpoint: str, http_status: int, code: Any, data: Any) -> None:
    """The list of proofs is closed: a status, code or shape nobody thought of is neither success nor refusal."""
    reading = read(endpoint, http_status, envelope(code, data))
    is_answer = http_status == 200 and str(code) == "0"
    inner = data.get("sCode") if isinstance(data, dict) else None
    is_repeated = endpoint == wire.CANCEL_PROTECTION and http_status == 200 and inner == str(code)
    if reading.outcome in (Outcome.ACCEPTED, Outcome.PARTIAL):
        assert is_answer or is_repeated
    if reading.outcome is Outcome.ACCEPTED:
        assert not reading.cancel_errors
        assert inner in (None, "0")
    assert (reading.outcome is Outcome.PARTIAL) == bool(reading.cancel_errors)
    assert (reading.outcome is Outcome.REFUSED) == (reading.refusal is not None)


@given(st.sampled_from(ENDPOINTS), st.integers(100, 599), st.binary(max_size=200))
def test_any_bytes_are_classified_without_an_exception(endpoint: str, http_status: int, body: bytes) -> None:
    """A cancel that was sent has to be recorded whatever came back, so its reader may not raise."""
    assert read(endpoint, http_status, body).outcome is Outcome.UNKNOWN
