"""Every answer a close can get, as a table: what it proves, and that everything else is UNKNOWN."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deepcoin_ops.domain.model import Outcome, PositionSide, Refusal
from deepcoin_ops.exchange import wire

PAYLOADS = Path(__file__).parents[2] / "payloads"
ITEM = {"instId": "BTC-USDT-SWAP", "posiDirection": "long", "errorCode": 51020, "errorMsg": "Insufficient position"}
MISSING = object()


def read_payload(name: str) -> tuple[int, bytes]:
    """A documented answer as it would arrive: status and bytes."""
    payload = json.loads((PAYLOADS / f"{name}.json").read_text("utf-8"))
    return payload["http_status"], json.dumps(payload["body"]).encode()


def envelope(code: Any, data: Any = MISSING, msg: str = "") -> bytes:
    """An answer's bytes; without a `data` key unless one is given."""
    return json.dumps({"code": code, "msg": msg} | ({} if data is MISSING else {"data": data})).encode()


def closed_with(item: Any) -> wire.CloseReading:
    """The reading of an answer with this one errorList item."""
    return wire.read_close_answer(200, envelope("0", {"errorList": [item]}))


@pytest.mark.parametrize("path", sorted(PAYLOADS.glob("*.json")), ids=lambda path: path.stem)
def test_every_payload_names_its_source(path: Path) -> None:
    """A documented answer without a source cannot be told from an invented one."""
    payload = json.loads(path.read_text("utf-8"))
    assert set(payload) == {"source", "http_status", "body"}
    assert payload["source"].startswith(("https://www.deepcoin.com/docs", "observed"))


@pytest.mark.parametrize(
    ("name", "outcome", "refusal", "code"),
    [
        ("close_accepted", Outcome.ACCEPTED, None, "0"),
        ("close_partial", Outcome.PARTIAL, None, "0"),
        ("close_by_ids_already_closed", Outcome.PARTIAL, None, "0"),
        ("close_parameter_missing", Outcome.REFUSED, Refusal.PARAMETER, "51"),
        ("close_instrument_unknown", Outcome.REFUSED, Refusal.PARAMETER, "50"),
        ("order_not_found", Outcome.UNKNOWN, None, "24"),
        ("refused_signature", Outcome.REFUSED, Refusal.FATAL, "50111"),
        ("refused_timestamp", Outcome.REFUSED, Refusal.TIMESTAMP, "50102"),
        ("refused_frozen", Outcome.REFUSED, Refusal.FATAL, "50100"),
        ("refused_method", Outcome.REFUSED, Refusal.FATAL, "50115"),
        ("throttled", Outcome.REFUSED, Refusal.THROTTLED, "50000"),
    ],
)
def test_a_documented_answer_is_classified(name: str, outcome: Outcome, refusal: Refusal | None, code: str) -> None:
    """The answers somebody published, each with the outcome that decides what the flatten does next."""
    reading = wire.read_close_answer(*read_payload(name))
    assert (reading.outcome, reading.refusal, reading.error_code) == (outcome, refusal, code)


@pytest.mark.parametrize(
    ("http_status", "body"),
    [
        pytest.param(200, envelope("0"), id="data missing"),
        pytest.param(200, envelope("0", None), id="data null"),
        pytest.param(200, envelope("0", {}), id="data an empty object"),
        pytest.param(200, envelope("0", []), id="data an empty list"),
        pytest.param(200, envelope("0", {"errorList": None}), id="errorList null"),
        pytest.param(200, envelope("0", {"errorList": {}}), id="errorList an object"),
        pytest.param(200, envelope("0", {"errorList": ""}), id="errorList empty text"),
        pytest.param(200, envelope("0", {"errorlist": []}), id="errorList in another spelling"),
        pytest.param(200, envelope("0", {"sCode": "0", "sMsg": "Success"}), id="single order's success"),
        pytest.param(200, envelope("0", {"ordId": "1", "sCode": "31", "sMsg": ""}), id="nested failure with code 0"),
        pytest.param(200, envelope("51400", {"sCode": "51400", "sMsg": ""}), id="outer and nested failure"),
        pytest.param(200, envelope("0", {"errorCode": 0}), id="replace-order shape"),
        pytest.param(200, envelope("0", {"retCode": 100010}), id="transfer shape"),
        pytest.param(200, envelope("0", {"data": [{"posId": "1", "sCode": "0"}]}), id="newer close shape"),
        pytest.param(200, envelope("51", MISSING, "The instType value"), id="51 without data"),
        pytest.param(200, envelope("50", MISSING), id="50 without data"),
        pytest.param(200, envelope("51", {}), id="51 with an empty object"),
        pytest.param(200, envelope("50", []), id="50 with a list"),
        pytest.param(400, envelope("51", None), id="51 with another status"),
        pytest.param(200, envelope("50000", None), id="50000 with status 200"),
        pytest.param(429, envelope("50000", None), id="429"),
        pytest.param(200, envelope("50111"), id="an authentication code with status 200"),
        pytest.param(500, envelope("50111"), id="an authentication code with status 500"),
        pytest.param(401, envelope("50118"), id="401 with a code of the streams"),
        pytest.param(401, envelope("50099"), id="401 just below the authentication codes"),
        pytest.param(401, envelope("50116"), id="401 just above the authentication codes"),
        pytest.param(401, envelope(None), id="401 without a code"),
        pytest.param(401, b"<html>Unauthorized</html>", id="401 with a page"),
        pytest.param(403, b"<html>Request blocked</html>", id="403 of an edge"),
        pytest.param(502, b"<html>Bad gateway</html>", id="502 with a page"),
        pytest.param(500, envelope("0", {"errorList": []}), id="500 that reads like success"),
        pytest.param(201, envelope("0", {"errorList": []}), id="201 that reads like success"),
        pytest.param(307, b"", id="redirect"),
        pytest.param(200, b"", id="empty body"),
        pytest.param(200, b"<html>maintenance</html>", id="200 with a page"),
        pytest.param(200, b'{"code":"0","data":{"errorLi', id="truncated JSON"),
        pytest.param(200, b'{"code":"0","data":{"errorList":[]}}{}', id="two documents"),
        pytest.param(200, b'{"code":"0","code":"0","data":{"errorList":[]}}', id="code twice"),
        pytest.param(200, b'{"code":"0","data":{"errorList":[{}],"errorList":[]}}', id="errorList twice"),
        pytest.param(200, b'{"code":"0","data":{"errorList":[]},"x":NaN}', id="NaN"),
        pytest.param(200, b'{"code":"0","data":{"errorList":[]},"x":-Infinity}', id="Infinity"),
        pytest.param(200, b'[{"code":"0","data":{"errorList":[]}}]', id="a list around it"),
        pytest.param(200, b'"0"', id="a JSON string"),
        pytest.param(200, b"null", id="JSON null"),
        pytest.param(200, b'\xff{"code":"0","data":{"errorList":[]}}', id="not UTF-8"),
        pytest.param(200, b"[" * 100_000, id="nested too deep"),
        pytest.param(200, b'{"msg":"success","data":{"errorList":[]}}', id="code missing"),
        pytest.param(200, envelope(False, {"errorList": []}), id="code false"),
        pytest.param(200, envelope({}, {"errorList": []}), id="code an object"),
        pytest.param(200, envelope("", {"errorList": []}), id="code empty"),
        pytest.param(200, envelope("00", {"errorList": []}), id="code of two zeros"),
        pytest.param(200, envelope(0.0, {"errorList": []}), id="code a fraction"),
        *[
            pytest.param(200, envelope(code, None), id=f"engine code {code}")
            for code in "14 31 36 44 48 49 175 193 194 195 199".split()
        ],
        *[pytest.param(200, envelope(code, None), id=f"code {code}") for code in ("unsupportedAction", "localIDNotExist")],
    ],
)
def test_an_answer_that_proves_nothing_is_unknown(http_status: int, body: bytes) -> None:
    """Each of these may stand for a close that happened; taking one for a refusal or a success loses a position."""
    reading = wire.read_close_answer(http_status, body)
    assert (reading.outcome, reading.refusal, reading.close_errors) == (Outcome.UNKNOWN, None, ())
    assert reading.reason


@pytest.mark.parametrize("code", ["0", 0])
def test_success_is_read_from_a_code_of_either_type(code: str | int) -> None:
    """The pages show the code as text and, in one sample, as a number."""
    assert wire.read_close_answer(200, envelope(code, {"errorList": []})).outcome is Outcome.ACCEPTED


@pytest.mark.parametrize("code", ["50111", 50111])
def test_a_refusal_is_read_from_a_code_of_either_type(code: str | int) -> None:
    """A drifting type must not turn a wrong key into an unknown outcome."""
    reading = wire.read_close_answer(401, envelope(code))
    assert (reading.refusal, reading.error_code) == (Refusal.FATAL, "50111")


def test_the_outer_success_message_changes_nothing() -> None:
    """`msg` is empty, `Success` or `success` on the pages; none of them says more than the code."""
    readings = {wire.read_close_answer(200, envelope("0", {"errorList": []}, msg)) for msg in ("", "Success", "success")}
    assert len(readings) == 1


def test_every_field_of_an_error_item_is_kept() -> None:
    """The items are what a desk argues about with the exchange, so nothing of them may get lost."""
    first, second = wire.read_close_answer(*read_payload("close_partial")).close_errors
    assert (first.item_index, first.instrument_id, first.position_side) == (0, "ETH-USDT-SWAP", PositionSide.LONG)
    assert (first.error_code, first.error_message) == ("51020", "Insufficient position")
    assert (first.member_id, first.exchange_account_id, first.trade_unit_id) == ("10000042", "20000042", "TU101")
    assert (second.item_index, second.position_side, second.error_code) == (1, PositionSide.SHORT, "51008")
    assert json.loads(first.raw_json)["tradeUnitId"] == "TU101"


@pytest.mark.parametrize("code", [51020, "51020", " 51020 "])
def test_an_items_error_code_is_text_whatever_its_type(code: Any) -> None:
    """It is documented as a number and is text at sister endpoints."""
    assert closed_with(ITEM | {"errorCode": code}).close_errors[0].error_code == "51020"


@pytest.mark.parametrize(
    ("direction", "side"),
    [
        ("long", PositionSide.LONG),
        ("short", PositionSide.SHORT),
        ("Long", PositionSide.LONG),
        ("0", PositionSide.LONG),
        ("1", PositionSide.SHORT),
        (0, PositionSide.LONG),
        (1, PositionSide.SHORT),
        ("", None),
        ("net", None),
        (None, None),
        (False, None),
    ],
)
def test_an_items_side_is_known_or_none(direction: Any, side: PositionSide | None) -> None:
    """Words on the pages, digits in the exchange's streams; a guess at anything else would name the wrong side."""
    assert closed_with(ITEM | {"posiDirection": direction}).close_errors[0].position_side is side


def test_an_empty_item_is_an_error_with_nothing_known_about_it() -> None:
    """The exchange reported a failure; missing fields do not make it a success."""
    reading = closed_with({})
    (error,) = reading.close_errors
    assert reading.outcome is Outcome.PARTIAL
    assert (error.instrument_id, error.position_side, error.error_code, error.raw_json) == ("", None, "", "{}")
    assert "no code" in reading.reason


@pytest.mark.parametrize("item", [None, 51020, "Insufficient position", ["x", 1], True])
def test_an_item_that_is_no_object_is_kept_as_it_came(item: Any) -> None:
    """Even a misshapen item says that something failed, and a person will want to see it."""
    reading = closed_with(item)
    assert reading.outcome is Outcome.PARTIAL
    assert json.loads(reading.close_errors[0].raw_json) == item


def test_half_a_surrogate_pair_can_be_stored() -> None:
    """JSON may carry what no database takes; an answer that could not be recorded would be lost."""
    reading = wire.read_close_answer(
        200, b'{"code":"0","msg":"","data":{"errorList":[{"errorMsg":"\\ud800","\\udfff":1}]}}'
    )
    stored = [reading.reason, *reading.notes, reading.close_errors[0].raw_json, reading.close_errors[0].error_message]
    assert [text.encode().decode() for text in stored] == stored
    assert "d800" in reading.close_errors[0].raw_json


def test_two_equal_items_stay_two() -> None:
    """The same complaint twice is two rows; which of them matters is not for the reader to decide."""
    reading = wire.read_close_answer(200, envelope("0", {"errorList": [ITEM, ITEM]}))
    assert [error.item_index for error in reading.close_errors] == [0, 1]


def test_unknown_fields_of_an_item_are_noticed_once_and_kept() -> None:
    """A new field is the first sign of a changed exchange; it must neither stop the flatten nor pass unseen."""
    items = [ITEM | {"traceId": "T", "posId": "9"}, ITEM | {"traceId": "U"}]
    reading = wire.read_close_answer(200, envelope("0", {"errorList": items}))
    assert reading.notes == ("errorList item with unknown field(s): posId, traceId",)
    assert json.loads(reading.close_errors[0].raw_json)["posId"] == "9"


def test_an_item_that_is_no_object_or_of_another_type_is_noticed_and_kept() -> None:
    """Its raw text is all there is; the day has to say that the wire has changed."""
    reading = wire.read_close_answer(
        200, envelope("0", {"errorList": ["no", ITEM | {"errorCode": [1], "posiDirection": "net"}]})
    )
    assert reading.outcome is Outcome.PARTIAL
    assert reading.notes == (
        "errorList item that is no object",
        "errorList item with unreadable value(s) of: errorCode, posiDirection",
    )
    assert reading.close_errors[0].raw_json == '"no"'


@pytest.mark.parametrize("data", [{}, {"errorList": None}, {"errorList": {}}, None, []], ids=str)
def test_an_answer_without_an_error_list_is_unknown_and_noticed(data: Any) -> None:
    """It proves neither success nor refusal, and is the first sign of another answer format."""
    reading = wire.read_close_answer(200, envelope("0", data))
    assert reading.outcome is Outcome.UNKNOWN
    assert reading.notes == ("close answer with code 0, but errorList is missing or not a list",)


def test_documented_items_leave_no_note() -> None:
    """A note on every answer would hide the one that matters."""
    assert wire.read_close_answer(*read_payload("close_partial")).notes == ()


def test_a_close_body_names_the_group_of_its_instrument() -> None:
    """A wrong pair may be answered like a success with nothing closed, so the group is derived and never passed in."""
    assert wire.close_body("BTC-USDT-SWAP") == '{"productGroup":"SwapU","instId":"BTC-USDT-SWAP"}'
    assert json.loads(wire.close_body("BTC-USD-SWAP"))["productGroup"] == "Swap"
    assert json.loads(wire.close_body("BTC-USDT"))["productGroup"] == "Spot"


def test_a_close_by_ids_body_keeps_the_order_of_its_ids() -> None:
    """The text is signed and recorded as it is; a reordered list would be another request."""
    body = json.loads(wire.close_by_ids_body("BTC-USD-SWAP", iter(["20", "3"])))
    assert body == {"productGroup": "Swap", "instId": "BTC-USD-SWAP", "positionIds": ["20", "3"]}


STATUSES = st.one_of(
    st.sampled_from([200, 201, 204, 301, 307, 400, 401, 403, 404, 405, 418, 429, 500, 502, 503, 504]), st.integers(100, 599)
)
CODES = st.one_of(
    st.integers(0, 60_000).map(str),
    st.integers(50_095, 50_120).map(str),
    st.integers(-10, 60),
    st.text("abcXYZ -", max_size=8),
)
DATA = st.sampled_from([MISSING, None, {}, [], {"errorList": []}, {"errorList": [ITEM]}, {"errorList": None}, "x", 0])


def is_on_the_allowlist(http_status: int, code: str, data: Any) -> bool:
    """The allowlist once more, in its own words: which answers prove anything at all."""
    if http_status == 200 and code == "0":
        return isinstance(data, dict) and isinstance(data.get("errorList"), list)
    if http_status == 200:
        return code in ("50", "51") and data is None
    is_authentication = code in [str(number) for number in range(50_100, 50_116)] and http_status in (400, 401, 405)
    return is_authentication or (http_status == 401 and code == "50000")


@given(STATUSES, CODES, DATA)
def test_every_answer_outside_the_allowlist_is_unknown(http_status: int, code: Any, data: Any) -> None:
    """The list of proofs is closed: a status, code or shape nobody thought of must end as UNKNOWN."""
    reading = wire.read_close_answer(http_status, envelope(code, data))
    is_proof = is_on_the_allowlist(http_status, str(code).strip(), data)
    assert (reading.outcome is not Outcome.UNKNOWN) == is_proof


@given(st.integers(100, 599), st.binary(max_size=200))
def test_any_bytes_are_classified_without_an_exception(http_status: int, body: bytes) -> None:
    """A close that was sent has to be recorded whatever came back, so its reader may not raise."""
    assert wire.read_close_answer(http_status, body).outcome is Outcome.UNKNOWN
