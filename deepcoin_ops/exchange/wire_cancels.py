"""Cancels in the exchange's spelling: where they go, the text they are sent as, and what an answer to one proves. Pure.

Everything that is not proof is UNKNOWN. That an order is gone is said by no answer, only by a later order list.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deepcoin_ops.domain.error_codes import explain_code
from deepcoin_ops.domain.model import Outcome, PositionSide, ProductGroup, product_group_of
from deepcoin_ops.domain.orders import CancelError
from deepcoin_ops.exchange.wire import Envelope, Reading, read_error_list, read_outer, write_body
from deepcoin_ops.exchange.wire_values import notice_fields, notice_values, parse_text

BATCH_CANCEL = "/deepcoin/trade/batch-cancel-order"
CANCEL_ORDER = "/deepcoin/trade/cancel-order"
CANCEL_TRIGGER = "/deepcoin/trade/cancel-trigger-order"
CANCEL_TRIGGER_GROUP = "/deepcoin/trade/swap/cancel-trigger-all"
CANCEL_PROTECTION = "/deepcoin/trade/cancel-position-sltp"
CANCEL_TRAILING = "/deepcoin/trade/trace-order"
MOST_CANCEL_IDS = 50

_ITEM_FIELDS = frozenset("memberId accountId orderSysId errorCode errorMsg".split())
_ITEM_VALUES = {"orderSysId": parse_text, "errorCode": parse_text, "errorMsg": parse_text}
_SINGLE_FIELDS = frozenset("ordId clOrdId sCode sMsg".split())
_SINGLE_VALUES = {"ordId": parse_text, "sCode": parse_text, "sMsg": parse_text}


@dataclass(frozen=True)
class CancelReading(Reading):
    """What an HTTP answer to a cancel amounts to, with the orders that it says were not cancelled."""

    cancel_errors: tuple[CancelError, ...] = ()


def batch_cancel_body(order_ids: Iterable[str]) -> str:
    """The exact text of a request cancelling up to fifty resting orders of any instruments.

    The page's table of parameters spells the name `OrderSysIDs`; the page's sample and the exchange's own sample programs
    spell it `orderSysIDs`, and what somebody ran goes before what somebody listed.

    Raises:
        ValueError: No id, or more than the page allows.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/batchCancelOrder.
    """
    named = list(order_ids)
    if not 1 <= len(named) <= MOST_CANCEL_IDS:
        raise ValueError(f"a batch cancels 1 to {MOST_CANCEL_IDS} orders, not {len(named)}")
    return write_body({"orderSysIDs": named})


def cancel_order_body(instrument_id: str, order_id: str) -> str:
    """The exact text of a request cancelling one resting order.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/cancelOrder.
    """
    return write_body({"instId": instrument_id, "ordId": order_id})


def cancel_trigger_body(instrument_id: str, order_id: str) -> str:
    """The exact text of a request cancelling one trigger order.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/cancelTriggerOrder.
    """
    return write_body({"instId": instrument_id, "ordId": order_id})


def cancel_trigger_group_body(product_group: ProductGroup) -> str:
    """The exact text of a request cancelling every trigger order of a product group: all instruments, all margin modes.

    Instruments and modes are filters, and what is not named is not filtered. So it reaches orders of instruments that the
    settings do not list.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/cancelTriggerOrderAll.
    """
    return write_body({"ProductGroup": product_group.value})


def cancel_protection_body(instrument_id: str, order_id: str) -> str:
    """The exact text of a request cancelling one take profit or stop loss of a position.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/cancelPositionSlTp; that the cancel of trigger orders does not reach
    these was observed.
    """
    instrument_type = product_group_of(instrument_id).instrument_type
    return write_body({"instType": instrument_type.value, "instId": instrument_id, "ordId": order_id})


def cancel_trailing_body(instrument_id: str, position_side: PositionSide, retrace_point: str) -> str:
    """The exact text of a request cancelling the trailing exit of one side: the activation price 0 stands for that.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/traceOrder.
    """
    return write_body(
        {"instId": instrument_id, "retracePoint": retrace_point, "triggerPrice": "0", "posSide": position_side.value}
    )


def read_cancel_answer(endpoint: str, request_body: str, http_status: int, body: bytes) -> CancelReading:
    """Classify the answer to a cancel. Never raises for what was answered.

    Args:
        endpoint: Where the request went; one of the six above.
        request_body: The text that was sent, which names the order where the answer leaves it out.
        http_status: Status of the answer.
        body: Its bytes.

    Returns:
        ACCEPTED when every order asked for is said to be cancelled, PARTIAL with an item for each that is said not to be,
        REFUSED for what `domain.error_codes.refusal_of` proves, else UNKNOWN.

    Raises:
        KeyError: Nothing is known about answers of this endpoint.

    Source: the page of each endpoint, named at its body.
    """
    read = _READERS[endpoint]
    is_answer = _is_protection_answer if endpoint == CANCEL_PROTECTION else _is_success
    outer = read_outer(http_status, body, is_answer)
    if isinstance(outer, Reading):
        return CancelReading(**vars(outer))
    return read(outer, parse_text(json.loads(request_body).get("ordId")) or "")


def _is_success(envelope: Envelope) -> bool:
    return envelope.is_success


def _is_protection_answer(envelope: Envelope) -> bool:
    """Whether a code stands outside and inside alike: only a protection's cancel is shown to repeat its failure outside."""
    data = envelope.data
    return envelope.is_success or (isinstance(data, dict) and parse_text(data.get("sCode")) == envelope.code)


def _read_list(envelope: Envelope, _order_id: str = "") -> CancelReading:
    """An answer about several orders.

    `data: {}` stays UNKNOWN. A client library has it on record for the neighbouring cancel of all resting orders, but not
    whether there was anything to cancel; an answer that lost its errorList would look the same.
    """
    reading, items = read_error_list("cancel", envelope.data, _ITEM_FIELDS, _ITEM_VALUES)
    return CancelReading(**vars(reading), cancel_errors=tuple(_parse_item(index, item) for index, item in enumerate(items)))


def _read_single(envelope: Envelope, order_id: str) -> CancelReading:
    """An answer about one order: its code is the nested one, since the outer one says success either way."""
    data = envelope.data if isinstance(envelope.data, dict) else {}
    code, named = parse_text(data.get("sCode")), parse_text(data.get("ordId"))
    what = "cancel answer"
    if not code:
        reason = f"code {envelope.code}, but sCode is missing"
        return CancelReading(Outcome.UNKNOWN, reason, None, envelope.code, (f"{what} with {reason}",))
    notes = (*notice_fields(what, [data], _SINGLE_FIELDS), *notice_values(what, [data], _SINGLE_VALUES))
    if code != "0":
        message = parse_text(data.get("sMsg")) or ""
        error = CancelError(0, named or order_id, code, message, "", "", json.dumps(data, default=str))
        reason = f"sCode {code}: {explain_code(code).meaning} {message}".strip()
        return CancelReading(Outcome.PARTIAL, reason, None, envelope.code, notes, (error,))
    if named and order_id and named != order_id:
        reason = f"sCode 0, but for another order: {named}"
        return CancelReading(Outcome.UNKNOWN, reason, None, "0", (*notes, f"{what} for another order"))
    return CancelReading(Outcome.ACCEPTED, "code 0 and sCode 0", None, "0", notes)


def _read_trailing(envelope: Envelope, order_id: str) -> CancelReading:
    """An answer about a trailing exit: the page shows an empty `data`, so that a code or list in it would be news.

    It would also be a failure that reads as success, so that it is read as elsewhere.
    """
    data = envelope.data if isinstance(envelope.data, dict) else {}
    if "errorList" in data:
        return _read_list(envelope)
    if "sCode" in data:
        return _read_single(envelope, order_id)
    notes = notice_fields("cancel answer of a trailing exit", [data], frozenset())
    return CancelReading(Outcome.ACCEPTED, "code 0", None, "0", notes)


def _parse_item(index: int, item: Any) -> CancelError:
    """One item; an item that is no object is kept whole in `raw_json` with nothing else known about it."""
    fields = item if isinstance(item, dict) else {}
    return CancelError(
        item_index=index,
        order_id=parse_text(fields.get("orderSysId")) or "",
        error_code=parse_text(fields.get("errorCode")) or "",
        error_message=parse_text(fields.get("errorMsg")) or "",
        member_id=parse_text(fields.get("memberId")) or "",
        exchange_account_id=parse_text(fields.get("accountId")) or "",
        raw_json=json.dumps(item, default=str),
    )


_READERS: Mapping[str, Callable[[Envelope, str], CancelReading]] = {
    BATCH_CANCEL: _read_list,
    CANCEL_ORDER: _read_single,
    CANCEL_TRIGGER: _read_single,
    CANCEL_TRIGGER_GROUP: _read_list,
    CANCEL_PROTECTION: _read_single,
    CANCEL_TRAILING: _read_trailing,
}
