"""What each documented endpoint answers when nothing goes wrong: parameters and the market in, a payload out.

No HTTP, no signatures, no limits. Parameter faults are answered as the exchange was seen to answer them.
"""

from __future__ import annotations

from collections.abc import Mapping

from deepcoin_ops.domain.model import InstrumentType, ProductGroup
from deepcoin_ops.paper import history, wire
from deepcoin_ops.paper.calls import (
    Call,
    Endpoint,
    ParameterFault,
    read_choice,
    read_instrument_type,
    read_lag_s,
    read_number,
    read_text,
)
from deepcoin_ops.paper.listing import PaperInstrument
from deepcoin_ops.paper.market import Market
from deepcoin_ops.paper.open_questions import MismatchAnswer
from deepcoin_ops.paper.order_cancels import ORDER_CANCELS
from deepcoin_ops.paper.order_history import ORDER_HISTORY
from deepcoin_ops.paper.order_lists import ORDER_LISTS
from deepcoin_ops.paper.wire import Payload, envelope


def _server_time(market: Market, _call: Call) -> Payload:
    return envelope({"ts": market.clock.now_ms()})


def _ping(_market: Market, _call: Call) -> Payload:
    return envelope({})


def _instruments(market: Market, call: Call) -> Payload:
    return envelope([wire.instrument_row(instrument) for instrument in _listed(market, call) if instrument.is_listed])


def _tickers(market: Market, call: Call) -> Payload:
    return envelope([wire.ticker_row(instrument, market.clock.now_ms()) for instrument in _listed(market, call)])


def _mark_price(market: Market, call: Call) -> Payload:
    return envelope([wire.mark_price_row(instrument, market.clock.now_ms()) for instrument in _listed(market, call)])


def _uid(market: Market, call: Call) -> Payload:
    return envelope({"uid": market.books[call.account].account.uid})


def _positions(market: Market, call: Call) -> Payload:
    instrument_id = call.parameters.get("instId") or None
    rows = market.rows(call.account, read_instrument_type(call), read_lag_s(market, call))
    shown = [row for row in rows if call.fault is None or not call.fault.leaves_out(row.position.position_side)]
    return envelope([wire.position_row(row) for row in shown if instrument_id in (None, row.position.instrument_id)])


def _balances(market: Market, call: Call) -> Payload:
    market.let_time_pass()
    rows = wire.balance_rows(market.books[call.account], read_instrument_type(call) is InstrumentType.SPOT)
    currency = call.parameters.get("ccy") or None
    return envelope([row for row in rows if currency in (None, row["ccy"])])


def _positions_history(market: Market, call: Call) -> Payload:
    window = _window(call, "startTime", "endTime")
    listed = history.select(market, call.account, read_instrument_type(call), window, read_lag_s(market, call))
    # Selling spot leaves nothing here: whether the real list ever shows a holding is not known.
    rows = [
        closed
        for closed in listed
        if closed.row.instrument.product_group is not ProductGroup.SPOT and not closed.is_opening
    ]
    filters = ("instId", "posId", "mgnMode", "mrgPosition")
    return envelope(_first(call, filters, [history.position_row(closed) for closed in rows]))


def _fills(market: Market, call: Call) -> Payload:
    window = _window(call, "begin", "end")
    listed = history.select(market, call.account, read_instrument_type(call), window, read_lag_s(market, call))
    after, before = read_number(call, "after"), read_number(call, "before")
    # `after` goes on to older bills, `before` to newer ones; the pages do not say which way round it is.
    rows = [
        closed
        for closed in listed
        if (after is None or closed.number < after) and (before is None or closed.number > before)
    ]
    return envelope(_first(call, ("instId", "ordId"), [history.fill_row(closed) for closed in rows]))


def _first(call: Call, filters: tuple[str, ...], rows: list[Payload]) -> list[Payload]:
    """The rows that fit the parameters that name something, as many as one page holds."""
    limit = read_number(call, "limit") or history.PAGE_ROWS
    if limit > history.PAGE_ROWS:
        raise ParameterFault(f"The limit value `{limit}` must be equal or lesser than {history.PAGE_ROWS}")
    wanted = {name: call.parameters[name] for name in filters if call.parameters.get(name)}
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())][:limit]


def _window(call: Call, starts: str, ends: str) -> tuple[int | None, int | None]:
    return read_number(call, starts), read_number(call, ends)


def _batch_close(market: Market, call: Call) -> Payload:
    instrument = _addressed(market, call)
    failures = market.batch_close(call.account, instrument, call.arrival, call.fault) if instrument else []
    return envelope(wire.error_list(market.books[call.account].account, failures))


def _close_by_ids(market: Market, call: Call) -> Payload:
    instrument = _addressed(market, call)
    ids = call.parameters.get("positionIds")
    if not isinstance(ids, list) or not ids:
        raise ParameterFault("The positionIds field is required")
    names = [str(name) for name in ids]
    failures = market.close_by_ids(call.account, instrument, names, call.arrival, call.fault) if instrument else []
    return envelope(wire.error_list(market.books[call.account].account, failures))


def _listed(market: Market, call: Call) -> list[PaperInstrument]:
    """The instruments of the requested type, or the one that is named."""
    instrument_type, wanted = read_instrument_type(call), call.parameters.get("instId") or None
    return [
        instrument
        for instrument in market.instruments.values()
        if instrument.product_group.instrument_type is instrument_type and wanted in (None, instrument.instrument_id)
    ]


def _addressed(market: Market, call: Call) -> PaperInstrument | None:
    """The instrument a close is about; None when its product group is another one and the scenario keeps silent.

    The exchange routes a close by its product group, so a wrong one probably looks for positions in the wrong place,
    finds none and reports no error. That looks like success and is the trap this answer lays.
    """
    product_group = ProductGroup(read_choice(call, "productGroup", [group.value for group in ProductGroup]))
    instrument_id = read_text(call, "instId")
    instrument = market.instruments.get(instrument_id)
    is_mismatched = instrument is not None and instrument.product_group is not product_group
    if is_mismatched and market.scenario.mismatch_answer is MismatchAnswer.SILENT:
        return None
    if instrument is None or is_mismatched:
        raise ParameterFault("len(rows) expected(1) got(0) rows([])", code="50")
    return instrument


ENDPOINTS: Mapping[str, Endpoint] = {
    "/deepcoin/market/time": Endpoint("GET", is_private=False, answer=_server_time),
    "/deepcoin/market/ping": Endpoint("GET", is_private=False, answer=_ping),
    "/deepcoin/market/instruments": Endpoint("GET", is_private=False, answer=_instruments),
    "/deepcoin/market/tickers": Endpoint("GET", is_private=False, answer=_tickers),
    "/deepcoin/market/mark-price": Endpoint("GET", is_private=False, answer=_mark_price),
    "/deepcoin/account/uid": Endpoint("GET", is_private=True, answer=_uid),
    "/deepcoin/account/positions": Endpoint("GET", is_private=True, answer=_positions),
    "/deepcoin/account/positions-history": Endpoint("GET", is_private=True, answer=_positions_history),
    "/deepcoin/account/balances": Endpoint("GET", is_private=True, answer=_balances),
    "/deepcoin/trade/fills": Endpoint("GET", is_private=True, answer=_fills),
    "/deepcoin/trade/batch-close-position": Endpoint("POST", is_private=True, answer=_batch_close),
    "/deepcoin/trade/close-position-by-ids": Endpoint("POST", is_private=True, answer=_close_by_ids),
    **ORDER_LISTS,
    **ORDER_CANCELS,
    **ORDER_HISTORY,
}
"""What is served. Everything else answers 404, signed or not."""
