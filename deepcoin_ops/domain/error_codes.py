"""What each of the exchange's codes means for a flatten, with its source. A code that is not here needs a person.

Sources: "codes page" is https://www.deepcoin.com/docs (error codes), "close page" is
https://www.deepcoin.com/docs/DeepCoinTrade/batchClosePosition, "by-ids page" is
https://www.deepcoin.com/docs/DeepCoinTrade/closePositionByIds, "cancel pages" are .../DeepCoinTrade/batchCancelOrder,
cancelTriggerOrder and cancelPositionSlTp; "observed" was seen on the live service or in other clients and stands in no
official table.
"""

from __future__ import annotations

from dataclasses import dataclass

from deepcoin_ops.domain.model import Refusal

THROTTLE_CODE = "50000"
TIMESTAMP_CODES = frozenset({"50102", "50112"})
_PROVEN_REFUSALS = frozenset(str(code) for code in range(50100, 50116))


@dataclass(frozen=True)
class CodeMeaning:
    """What a code says, what to make of it in a flatten, and who says so."""

    meaning: str
    advice: str
    source: str


_READS_DECIDE = "The positions reads decide whether it is flat or its size is frozen by resting orders."
_ORDERS_DECIDE = "The next order list decides whether it still waits; the next positions reads, whether it has filled."
_STOP = "The whole flatten stops; mend the key, its permissions or its bound addresses."
_UNLISTED = CodeMeaning("A code this version does not know.", "Look at the raw item and at the exchange's page.", "none")

_MEANINGS: dict[str, CodeMeaning] = {
    "50000": CodeMeaning("Too many requests.", "The pace slows down and the next round sends again.", "observed"),
    "50100": CodeMeaning("The API access is frozen.", _STOP, "codes page"),
    "50101": CodeMeaning("The key belongs to another environment.", _STOP, "codes page"),
    "50102": CodeMeaning("The request's timestamp has expired.", "The clock is corrected once.", "codes page"),
    "50103": CodeMeaning("The key header is empty.", _STOP, "codes page"),
    "50104": CodeMeaning("The passphrase header is empty.", _STOP, "codes page"),
    "50105": CodeMeaning("The passphrase is wrong.", _STOP, "codes page"),
    "50106": CodeMeaning("The signature header is empty.", _STOP, "codes page"),
    "50107": CodeMeaning("The timestamp header is empty.", _STOP, "codes page"),
    "50108": CodeMeaning("The broker id does not exist.", _STOP, "codes page"),
    "50109": CodeMeaning("The broker domain does not exist.", _STOP, "codes page"),
    "50110": CodeMeaning("This machine's address is not bound to the key.", _STOP, "codes page"),
    "50111": CodeMeaning("The signature is wrong.", _STOP, "codes page"),
    "50112": CodeMeaning("The request's timestamp is malformed.", "The clock is corrected once.", "codes page"),
    "50113": CodeMeaning("The key is unknown; unbound keys are deleted after 30 idle days.", _STOP, "codes page"),
    "50114": CodeMeaning("Not authorised; probably the key may not trade.", _STOP, "codes page"),
    "50115": CodeMeaning("The endpoint does not take this method.", _STOP, "codes page"),
    "51020": CodeMeaning("Insufficient position.", _READS_DECIDE, "close page"),
    "51008": CodeMeaning("The order does not exist.", _READS_DECIDE, "close page"),
    "51404": CodeMeaning("The position does not exist or is closed already.", _READS_DECIDE, "by-ids page"),
    "24": CodeMeaning("The order to cancel is not found.", _ORDERS_DECIDE, "cancel pages"),
    "51400": CodeMeaning("The take profit or stop loss to cancel does not exist.", _ORDERS_DECIDE, "cancel pages"),
    "51401": CodeMeaning("The take profit or stop loss is executed or cancelled already.", _ORDERS_DECIDE, "cancel pages"),
    "1033201232": CodeMeaning("The trigger order to cancel is not found.", _ORDERS_DECIDE, "cancel pages"),
    "51": CodeMeaning("A parameter is missing or out of range.", "Mend this instrument's settings.", "observed"),
    "50": CodeMeaning("The instrument is unknown.", "Mend this instrument's settings.", "observed"),
    "14": CodeMeaning("Duplicate action.", "Look at the exchange's page before sending again by hand.", "observed"),
    "31": CodeMeaning("Not enough position to close.", _READS_DECIDE, "observed"),
    "36": CodeMeaning("Not enough money.", "Look at the account's margin on the exchange's page.", "observed"),
    "44": CodeMeaning("The size is not a multiple of the lot.", "Close the odd rest by hand.", "observed"),
    "193": CodeMeaning("The size is above the maximum of one order.", "The next round closes more of it.", "observed"),
    "194": CodeMeaning("The size is below the minimum.", "Close the odd rest by hand.", "observed"),
    "195": CodeMeaning("The position is below the minimum.", "Close the odd rest by hand.", "observed"),
}


def explain_code(error_code: str) -> CodeMeaning:
    """What a code means; an unlisted one says that it is unlisted."""
    return _MEANINGS.get(error_code, _UNLISTED)


def refusal_of(http_status: int, error_code: str, *, is_data_null: bool) -> Refusal | None:
    """The refusal an answer proves, or None when it does not prove that nothing was done.

    The allowlist: HTTP 401 with 50000; HTTP 400, 401 or 405 with 50100 to 50115; HTTP 200 with code 50 or 51 and a
    `data` that is null. A bare 401, a 429 and every other code prove nothing.

    Args:
        http_status: Status of the answer.
        error_code: The envelope's code, as text.
        is_data_null: Whether the envelope has a `data` and it is null.

    Source: the codes page for 501xx and their statuses; 401 with 50000, 50 and 51 were observed.
    """
    if http_status == 401 and error_code == THROTTLE_CODE:
        return Refusal.THROTTLED
    if http_status in (400, 401, 405) and error_code in _PROVEN_REFUSALS:
        return Refusal.TIMESTAMP if error_code in TIMESTAMP_CODES else Refusal.FATAL
    if http_status == 200 and error_code in ("50", "51") and is_data_null:
        return Refusal.PARAMETER
    return None
