"""The fault script: which call goes wrong, and how. What a fault does to an answer is in `answers`."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from deepcoin_ops.domain.model import PositionSide


class FaultAction(StrEnum):
    """What goes wrong.

    Refused before anything happens:
        THROTTLE: the rate limit's refusal.  AUTH_ERROR: `auth_code`, with its HTTP status.
        UNAUTHORIZED_HTML: 401 without JSON.  TOO_MANY_REQUESTS: 429.  REDIRECT: 307 to a path nobody serves.
    No whole answer:
        HANG: never answered.  RESET: TCP RST.  DISCONNECT: connection closed without a byte.
        TRUNCATED_BODY: shorter than Content-Length.  CUT_STATUS_LINE: ends inside the status line.
    A late answer:
        DELAY: after `delay_s`.
    An answer that is not what it should be:
        SERVER_ERROR: `http_status`.  HTML: 200 with a page.  NOT_AN_OBJECT: 200 with a JSON list.
        ERROR_LIST_MISSING, ERROR_LIST_NULL, ERROR_LIST_NOT_A_LIST, DATA_NULL, DATA_NOT_A_LIST, CODE_AS_INT,
        UNKNOWN_FIELDS, OVERSIZED_BODY: the right answer, misshapen.  STRANGE_ROW: a list has one more row, of a dated
        contract with a side `net`.  UNMARKED: without the paper header.
    A world that did not obey:
        ERROR_ITEMS: rows of `position_side` (default all) stay open and are named in the errorList.
        DUPLICATED_ITEMS: the same, each item twice.  REOPEN: what was closed is open again `delay_s` later.
        HALF_CLOSED: half of each row is closed, and nothing is said.
        STALE_READ: a read of positions or orders shows the world of `delay_s` ago.
        LEFT_OUT: a read of positions lacks the rows of `position_side` (default all).
        REPEATED_PAGE: a list of resting orders shows its first page whatever page was asked for.
    A cancel knows these too: ERROR_ITEMS leaves orders where they are, REOPEN places what was cancelled again.
    """

    THROTTLE = "throttle"
    AUTH_ERROR = "auth_error"
    UNAUTHORIZED_HTML = "unauthorized_html"
    TOO_MANY_REQUESTS = "too_many_requests"
    REDIRECT = "redirect"
    HANG = "hang"
    RESET = "reset"
    DISCONNECT = "disconnect"
    TRUNCATED_BODY = "truncated_body"
    CUT_STATUS_LINE = "cut_status_line"
    DELAY = "delay"
    SERVER_ERROR = "server_error"
    HTML = "html"
    NOT_AN_OBJECT = "not_an_object"
    ERROR_LIST_MISSING = "error_list_missing"
    ERROR_LIST_NULL = "error_list_null"
    ERROR_LIST_NOT_A_LIST = "error_list_not_a_list"
    DATA_NULL = "data_null"
    DATA_NOT_A_LIST = "data_not_a_list"
    CODE_AS_INT = "code_as_int"
    UNKNOWN_FIELDS = "unknown_fields"
    OVERSIZED_BODY = "oversized_body"
    STRANGE_ROW = "strange_row"
    UNMARKED = "unmarked"
    ERROR_ITEMS = "error_items"
    DUPLICATED_ITEMS = "duplicated_items"
    HALF_CLOSED = "half_closed"
    REOPEN = "reopen"
    STALE_READ = "stale_read"
    LEFT_OUT = "left_out"
    REPEATED_PAGE = "repeated_page"


REFUSING_ACTIONS = frozenset(
    {
        FaultAction.THROTTLE,
        FaultAction.AUTH_ERROR,
        FaultAction.UNAUTHORIZED_HTML,
        FaultAction.TOO_MANY_REQUESTS,
        FaultAction.REDIRECT,
    }
)
SPARING_ACTIONS = frozenset({FaultAction.ERROR_ITEMS, FaultAction.DUPLICATED_ITEMS})


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Fault:
    """One line of the script.

    Attributes:
        action: What goes wrong.
        endpoint: The end of the path it is about, such as `batch-close-position` or `account/positions`.
        account: Only this account; None for all.
        instrument_id: Only calls naming this instrument; None for all.
        call: The first matching call it strikes, counted from 1; None strikes every one.
        until_call: The last one; None for `call` alone.
        is_executed: Whether the close happens nevertheless; yes unless said otherwise, and never for a refusal.
        is_executed_late: For DELAY: the close happens after the delay instead of before it.
        position_side: For ERROR_ITEMS and DUPLICATED_ITEMS: the side that stays open; for LEFT_OUT: the side that is not
            shown. None for both.
        error_code: The items' code.
        error_message: The items' message.
        auth_code: For AUTH_ERROR.
        http_status: For SERVER_ERROR.
        delay_s: For DELAY, REOPEN and STALE_READ, in seconds.
    """

    action: FaultAction
    endpoint: str = "batch-close-position"
    account: str | None = None
    instrument_id: str | None = None
    call: int | None = 1
    until_call: int | None = None
    is_executed: bool = True
    is_executed_late: bool = False
    position_side: PositionSide | None = None
    error_code: int = 51020
    error_message: str = "Insufficient position"
    auth_code: str = "50111"
    http_status: int = 502
    delay_s: float = 0.0

    @property
    def delay_before_s(self) -> float:
        """How long processing waits, in seconds."""
        return self.delay_s if self.action is FaultAction.DELAY and self.is_executed_late else 0.0

    @property
    def delay_after_s(self) -> float:
        """How long the answer waits after processing, in seconds."""
        return self.delay_s if self.action is FaultAction.DELAY and not self.is_executed_late else 0.0

    @property
    def refusal_code(self) -> str | None:
        """The code a refusal carries, if it carries one."""
        if self.action in (FaultAction.THROTTLE, FaultAction.TOO_MANY_REQUESTS):
            return "50000"
        return self.auth_code if self.action is FaultAction.AUTH_ERROR else None

    def spares(self, position_side: PositionSide) -> bool:
        """Whether a close leaves rows of this side open."""
        return self.action in SPARING_ACTIONS and self.position_side in (None, position_side)

    def leaves_out(self, position_side: PositionSide) -> bool:
        """Whether a read of positions does not show rows of this side."""
        return self.action is FaultAction.LEFT_OUT and self.position_side in (None, position_side)

    def concerns(self, path: str, account: str | None, instrument_id: str | None) -> bool:
        """Whether a call is one that this fault counts."""
        return (
            path.endswith("/" + self.endpoint.lstrip("/"))
            and self.account in (None, account)
            and self.instrument_id in (None, instrument_id)
        )

    def strikes(self, call_number: int) -> bool:
        """Whether the matching call with this number, counted from 1, goes wrong."""
        return self.call is None or self.call <= call_number <= (self.until_call or self.call)


class FaultScript:
    """The faults still to come. The first one that strikes takes the call, and later ones do not count that call.

    Only calls that passed the signature and the rate limit are counted.
    """

    def __init__(self, faults: Iterable[Fault] = ()) -> None:
        self._lines = [(fault, [0]) for fault in faults]

    def append(self, fault: Fault) -> None:
        """Add a fault at the end; it counts calls from now on."""
        self._lines.append((fault, [0]))

    def take(self, path: str, account: str | None, instrument_id: str | None) -> Fault | None:
        """Count one call and name the fault that strikes it, if any."""
        for fault, seen in self._lines:
            if not fault.concerns(path, account, instrument_id):
                continue
            seen[0] += 1
            if fault.strikes(seen[0]):
                return fault
        return None
