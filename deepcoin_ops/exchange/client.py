"""The signed REST client of one account. It sends each request once, paced, and says truthfully what became of it.

Reads raise when they bring no proof. A close or cancel never raises for what the exchange did: its answer is recorded, then
judged by a read. Decisions about what to send live in `flattening`, not here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from deepcoin_ops.domain.error_codes import explain_code, refusal_of
from deepcoin_ops.domain.errors import ReadFailed, ReadRefused
from deepcoin_ops.domain.model import (
    ClockReading,
    CloseAnswer,
    Instrument,
    InstrumentType,
    Outcome,
    PositionsRead,
    RawAnswer,
    Refusal,
    Venue,
)
from deepcoin_ops.domain.orders import CancelAnswer
from deepcoin_ops.exchange import wire, wire_cancels
from deepcoin_ops.exchange.pacing import Pace, never
from deepcoin_ops.exchange.signing import ApiCredentials, signed_headers
from deepcoin_ops.exchange.transport import HttpAnswer, Transport, TransportFailed
from deepcoin_ops.exchange.wire_values import UnreadableAnswer
from deepcoin_ops.exchange.withheld import SignedHeaders

BATCH_CLOSE = "/deepcoin/trade/batch-close-position"
CLOSE_BY_IDS = "/deepcoin/trade/close-position-by-ids"
CLOSE_LANES = {BATCH_CLOSE: "batch-close", CLOSE_BY_IDS: "close-by-ids"}
CANCEL_LANES = {
    wire_cancels.BATCH_CANCEL: "cancel-orders",
    wire_cancels.CANCEL_ORDER: "cancel-order",
    wire_cancels.CANCEL_TRIGGER: "cancel-trigger",
    wire_cancels.CANCEL_TRIGGER_GROUP: "cancel-trigger-all",
    wire_cancels.CANCEL_PROTECTION: "cancel-protection",
    wire_cancels.CANCEL_TRAILING: "cancel-trailing",
}
_PAPER_MARK = "x-paper"
_Parsed = TypeVar("_Parsed")
_Read = TypeVar("_Read", bound=wire.Reading)


@dataclass(frozen=True)
class Fetched(Generic[_Parsed]):
    """A read that was answered whole: what it says, the bytes it came in, and when it was sent and finished.

    Both beginnings are moments after the wait for the slot: a read proves something about the time from then on.
    """

    parsed: _Parsed
    raw: RawAnswer
    started_at: datetime
    finished_at: datetime
    started_monotonic_s: float


def _utc_now() -> datetime:
    return datetime.now(UTC)


class DeepcoinClient:
    """Client of one account at one venue. Safe to share between threads.

    Args:
        transport: Where the requests go.
        venue: Paper answers carry a mark that live ones do not; an answer of the other venue is refused.
        credentials: Key, secret and passphrase; kept out of every message.
        account_pace: Lanes of the account's endpoints.
        market_pace: The lane of market data, which the exchange meters by address.
        now: The wall clock that signs; corrected by `apply_clock_offset`.
    """

    def __init__(
        self,
        *,
        transport: Transport,
        venue: Venue,
        credentials: ApiCredentials,
        account_pace: Pace,
        market_pace: Pace,
        now: Callable[[], datetime] = _utc_now,
    ):
        self._transport = transport
        self._venue = venue
        self._credentials = credentials
        self._account_pace = account_pace
        self._market_pace = market_pace
        self._now = now
        self._clock_offset = timedelta(0)

    @property
    def clock_offset(self) -> timedelta:
        """How far the exchange's clock was ahead of this machine's when it was last corrected."""
        return self._clock_offset

    @property
    def has_shared_pace(self) -> bool:
        """Whether all lanes of the account share one budget at present, because a throttle was seen.

        Raises:
            GuardRefused: The pace cannot be read.
        """
        return self._account_pace.is_shared()

    def close(self) -> None:
        """Close the kept connections."""
        self._transport.close()

    def fetch_clock(self, is_stopped: Callable[[], bool] = never) -> ClockReading:
        """How far the exchange's clock is ahead of this machine's, and by how much that may be wrong.

        Raises:
            ReadFailed: The server time could not be read.
        """
        path = "/deepcoin/market/time"
        self._market_pace.take_slot("market", is_stopped=is_stopped)
        # After the slot: the wait for it would count as travel time.
        started = self._now()
        answer = self._send_fetch(path, signed=False)
        arrived = self._now()
        self._note_read("market", self._market_pace, answer)
        server_time = self._parse_answer(path, answer, wire.parse_server_time)
        half = (arrived - started) / 2
        return ClockReading(server_time - (started + half), half.total_seconds())

    def apply_clock_offset(self, offset: timedelta) -> None:
        """Sign with the exchange's clock from now on."""
        self._clock_offset = offset

    def fetch_uid(self, is_stopped: Callable[[], bool] = never) -> str:
        """The uid of the account that the key belongs to.

        Raises:
            ReadFailed: No readable answer.
        """
        return self.fetch_page("account", "/deepcoin/account/uid", {}, wire.parse_uid, is_stopped).parsed

    def fetch_positions(self, instrument_type: InstrumentType, is_stopped: Callable[[], bool] = never) -> PositionsRead:
        """One complete read of all positions of one instrument type.

        Raises:
            ReadFailed: Anything short of a complete list; that is never "no positions".

        Source: https://www.deepcoin.com/docs/DeepCoinAccount/accountPositions (no paging is documented).
        """
        query = {"instType": instrument_type.value}
        parse = partial(wire.parse_positions, instrument_type=instrument_type)
        page = self.fetch_page("positions", "/deepcoin/account/positions", query, parse, is_stopped)
        positions, notes = page.parsed
        return PositionsRead(
            instrument_type=instrument_type,
            positions=positions,
            started_at=page.started_at,
            finished_at=page.finished_at,
            started_monotonic_s=page.started_monotonic_s,
            raw=page.raw,
            notes=notes,
        )

    def fetch_instruments(
        self, instrument_type: InstrumentType, is_stopped: Callable[[], bool] = never
    ) -> dict[str, Instrument]:
        """The exchange's instrument list of one type, by instrument id.

        Raises:
            ReadFailed: No complete list.
        """
        query = {"instType": instrument_type.value}
        return self._fetch_market("/deepcoin/market/instruments", query, wire.parse_instruments, is_stopped)

    def fetch_last_prices(
        self, instrument_type: InstrumentType, is_stopped: Callable[[], bool] = never
    ) -> dict[str, Decimal]:
        """The last traded prices of one type in quote currency, by instrument id.

        Raises:
            ReadFailed: No complete list.
        """
        query = {"instType": instrument_type.value}
        return self._fetch_market("/deepcoin/market/tickers", query, wire.parse_last_prices, is_stopped)

    def fetch_page(
        self,
        lane: str,
        path: str,
        query: Mapping[str, str],
        parse: Callable[[Any], _Parsed],
        is_stopped: Callable[[], bool] = never,
    ) -> Fetched[_Parsed]:
        """One page of one of the account's lists, parsed, with the bytes it came in and the moment it was asked for.

        Args:
            lane: Its lane in the account's pace.
            path: Its endpoint.
            query: Its parameters, in the order in which they are signed and sent.
            parse: Makes records of the answer's `data`, or raises `UnreadableAnswer`.
            is_stopped: Asked while waiting for the slot.

        Raises:
            ReadFailed: Anything short of a complete page.
            SendWithdrawn: Stopping was asked for before it was sent.
        """
        return self._fetch(lane, self._account_pace, path, query, parse, is_stopped, signed=True)

    def take_close_slot(self, endpoint: str, prepare: Callable[[], None], is_stopped: Callable[[], bool]) -> None:
        """Wait until the pace allows the next close; `prepare` runs in the slot, before it is used up.

        Raises:
            SendWithdrawn: Stopping was asked for; no slot was used.
        """
        self._account_pace.take_slot(CLOSE_LANES[endpoint], prepare=prepare, is_stopped=is_stopped)

    def send_close(self, endpoint: str, body: str) -> CloseAnswer:
        """Send one close, once. The slot was taken before. Sends a request that changes positions.

        Args:
            endpoint: `BATCH_CLOSE` or `CLOSE_BY_IDS`.
            body: The exact text to sign and send, from `wire.close_body` or `wire.close_by_ids_body`.

        Returns:
            The outcome, whatever it was. Nothing is sent again here: the exchange offers no key that would make a
            repeat recognisable.
        """
        common, reading = self._send_write(endpoint, body, wire.read_close_answer)
        return CloseAnswer(**common, close_errors=reading.close_errors if reading else ())

    def note_close_answer(self, endpoint: str, answer: CloseAnswer) -> None:
        """Tell the pace of a close's answer, after it has been recorded: nothing comes between an answer and its record."""
        self._note_pace(CLOSE_LANES[endpoint], self._account_pace, answer.is_throttled, answer.retry_after_s)

    def take_cancel_slot(self, endpoint: str, prepare: Callable[[], None], is_stopped: Callable[[], bool]) -> None:
        """Wait until the pace allows the next cancel of this kind; as `take_close_slot`.

        Raises:
            SendWithdrawn: Stopping was asked for; no slot was used.
        """
        self._account_pace.take_slot(CANCEL_LANES[endpoint], prepare=prepare, is_stopped=is_stopped)

    def send_cancel(self, endpoint: str, body: str) -> CancelAnswer:
        """Send one cancel, once. The slot was taken before. Sends a request that changes orders.

        Args:
            endpoint: One of `CANCEL_LANES`.
            body: The exact text to sign and send, from the body of that endpoint in `wire_cancels`.

        Returns:
            The outcome, whatever it was. Whether an order is gone is for the next order list to say.
        """
        read = partial(wire_cancels.read_cancel_answer, endpoint, body)
        common, reading = self._send_write(endpoint, body, read)
        return CancelAnswer(**common, cancel_errors=reading.cancel_errors if reading else ())

    def note_cancel_answer(self, endpoint: str, answer: CancelAnswer) -> None:
        """Tell the pace of a cancel's answer, after it has been recorded."""
        self._note_pace(CANCEL_LANES[endpoint], self._account_pace, answer.is_throttled, answer.retry_after_s)

    def _send_write(
        self, endpoint: str, body: str, read: Callable[[int, bytes], _Read]
    ) -> tuple[dict[str, Any], _Read | None]:
        """Send a request that changes something.

        Returns:
            The fields that every kind of answer has, and the reading; None when nothing whole came back.
        """
        sent_at = self._now()
        try:
            answer = self._transport.send("POST", endpoint, self._headers("POST", endpoint, body), body)
        except TransportFailed as failure:
            return {
                "outcome": Outcome.NOT_SENT if failure.is_not_sent else Outcome.UNKNOWN,
                "reason": str(failure),
                "sent_at": None if failure.is_not_sent else sent_at,
                "answered_at": self._now(),
                "raw": failure.raw,
            }, None
        read_as_told = read(answer.http_status, answer.raw.body)
        reading = self._distrust_other_venue(answer, read_as_told)
        return {
            "outcome": reading.outcome,
            "reason": reading.reason,
            "sent_at": sent_at,
            "answered_at": self._now(),
            "refusal": reading.refusal,
            "error_code": reading.error_code,
            "retry_after_s": _retry_after_s(answer),
            "raw": answer.raw,
            "is_throttled": read_as_told.refusal is Refusal.THROTTLED or answer.http_status == 429,
            "notes": reading.notes,
        }, reading

    def _distrust_other_venue(self, answer: HttpAnswer, reading: _Read) -> _Read:
        # An unreadable answer may have lost its headers on the way; only a readable one can come from another venue.
        if reading.error_code is None or self._is_from_this_venue(answer):
            return reading
        # Whoever answered may have done anything; the flatten stops and the reads decide.
        reason = f"the answer does not come from the {self._venue} venue; {reading.reason}"
        return replace(reading, outcome=Outcome.UNKNOWN, refusal=Refusal.FATAL, reason=reason)

    def _fetch_market(
        self, path: str, query: Mapping[str, str], parse: Callable[[Any], _Parsed], is_stopped: Callable[[], bool]
    ) -> _Parsed:
        return self._fetch("market", self._market_pace, path, query, parse, is_stopped, signed=False).parsed

    def _fetch(
        self,
        lane: str,
        pace: Pace,
        path: str,
        query: Mapping[str, str],
        parse: Callable[[Any], _Parsed],
        is_stopped: Callable[[], bool],
        *,
        signed: bool,
    ) -> Fetched[_Parsed]:
        path_and_query = f"{path}?{urlencode(query)}" if query else path
        pace.take_slot(lane, is_stopped=is_stopped)
        started_at, started_monotonic_s = self._now(), time.monotonic()
        answer = self._send_fetch(path_and_query, signed=signed)
        self._note_read(lane, pace, answer)
        parsed = self._parse_answer(path_and_query, answer, parse)
        return Fetched(parsed, answer.raw, started_at, self._now(), started_monotonic_s)

    def _send_fetch(self, path_and_query: str, *, signed: bool) -> HttpAnswer:
        headers = self._headers("GET", path_and_query, "") if signed else SignedHeaders()
        try:
            return self._transport.send("GET", path_and_query, headers)
        except TransportFailed as failure:
            raise ReadFailed(f"GET {path_and_query}: {failure}", failure.raw) from failure

    def _note_read(self, lane: str, pace: Pace, answer: HttpAnswer) -> None:
        is_throttled = answer.http_status == 429 or _refusal_of_read(answer) is Refusal.THROTTLED
        self._note_pace(lane, pace, is_throttled, _retry_after_s(answer))

    def _note_pace(self, lane: str, pace: Pace, is_throttled: bool, retry_after_s: float | None) -> None:
        if is_throttled:
            pace.push(lane, retry_after_s)
        else:
            pace.record_clean(lane)

    def _parse_answer(self, path_and_query: str, answer: HttpAnswer, parse: Callable[[Any], _Parsed]) -> _Parsed:
        """The parsed `data` of a read that is complete and from this venue; everything else raises."""
        where = f"GET {path_and_query}: HTTP {answer.http_status}"
        try:
            envelope = wire.parse_envelope(answer.raw.body)
        except UnreadableAnswer as error:
            raise ReadFailed(f"{where}: {error}", answer.raw) from error
        if not self._is_from_this_venue(answer):
            message = f"{where}: the answer does not come from the {self._venue} venue; check the base URL"
            raise ReadRefused(message, Refusal.FATAL, None, answer.raw)
        if (refusal := _refusal_of_read(answer)) is not None:
            message = f"{where}, code {envelope.code}: {explain_code(envelope.code).meaning} {envelope.message}".strip()
            raise ReadRefused(message, refusal, envelope.code, answer.raw)
        if answer.http_status != 200 or not envelope.is_success:
            raise ReadFailed(f"{where}, code {envelope.code}: {envelope.message}", answer.raw)
        try:
            return parse(envelope.data)
        except UnreadableAnswer as error:
            raise ReadFailed(f"{where}: {error}", answer.raw) from error

    def _is_from_this_venue(self, answer: HttpAnswer) -> bool:
        return (_PAPER_MARK in answer.headers) == (self._venue is Venue.PAPER)

    def _headers(self, method: str, path_and_query: str, body: str) -> SignedHeaders:
        return signed_headers(self._credentials, self._now() + self._clock_offset, method, path_and_query, body)


def _refusal_of_read(answer: HttpAnswer) -> Refusal | None:
    try:
        envelope = wire.parse_envelope(answer.raw.body)
    except UnreadableAnswer:
        return None
    is_data_null = envelope.has_data and envelope.data is None
    return refusal_of(answer.http_status, envelope.code, is_data_null=is_data_null)


def _retry_after_s(answer: HttpAnswer) -> float | None:
    """Seconds of a Retry-After header; its date form and nonsense count as absent."""
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else None
