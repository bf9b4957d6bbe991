"""The tables' contracts: one file per table and trading day. The only place where column names and meanings are written.

A frame of any of them has all its columns with their types, with zero rows too. What fills them is in `day_frames`. A size,
a price or a value may always be missing: what no decimal of a file holds is null, and the break SCHEMA_DRIFT has its text.
"""

from __future__ import annotations

from deepcoin_ops.domain.breaks import BreakType, Severity
from deepcoin_ops.domain.frames import Column, Kind, Table
from deepcoin_ops.domain.model import FlattenResult, Outcome, PositionSide, ProductGroup, ResidualCause, Verdict
from deepcoin_ops.domain.orders import OrderKind, OrderList

_DAY = Column("trading_day", Kind.TEXT, "Local date on which the trading day starts, YYYY-MM-DD.")
_ACCOUNT = Column("account", Kind.TEXT, "The account's name in the settings.")

_ATTEMPT_KEYS = (
    _DAY,
    _ACCOUNT,
    Column("flatten_id", Kind.TEXT, "The flatten that sent it."),
    Column("attempt_id", Kind.TEXT, "One send; ids rise with the sends of a flatten."),
    Column("instrument_id", Kind.TEXT, "What was to be closed."),
)

CLOSE_ATTEMPTS = Table(
    name="close_attempts",
    row_is="batch close that was sent, or whose sending cannot be ruled out",
    key=("attempt_id",),
    zero_rows_mean="no close was sent for this trading day",
    columns=(
        *_ATTEMPT_KEYS,
        Column("product_group", Kind.TEXT, "Spot, Swap (coin-margined) or SwapU (USDT-margined).", words=ProductGroup),
        Column("round_number", Kind.INTEGER, "Round of the flatten, from 1."),
        Column("send_number", Kind.INTEGER, "Number of the send within its flatten, from 1."),
        Column("endpoint", Kind.TEXT, "Path that the close was sent to."),
        Column("quantity_contracts", Kind.DECIMAL, "Open size before the send, all sides; base units for spot.", True),
        Column("notional_usdt", Kind.DECIMAL, "Value of that size in quote currency; missing without a price.", True),
        Column("intent_at", Kind.INSTANT, "When the intent was recorded, before the first byte left."),
        Column("sent_at", Kind.INSTANT, "When it was sent; missing when nothing left or nobody lived to say.", True),
        Column("answered_at", Kind.INSTANT, "When the answer, the error or the timeout came.", True),
        Column(
            "outcome", Kind.TEXT, "ACCEPTED, PARTIAL, REFUSED, NOT_SENT or UNKNOWN. None of them says flat.", words=Outcome
        ),
        Column("reason", Kind.TEXT, "The outcome in words."),
        Column("error_code", Kind.TEXT, "The answer's outer code; missing without a readable answer.", True),
        Column("http_status", Kind.INTEGER, "HTTP status; missing without an answer.", True),
        Column("close_errors", Kind.INTEGER, "How many errorList items came back."),
    ),
    preview=("account", "instrument_id", "round_number", "outcome", "notional_usdt", "error_code", "reason"),
)

CLOSE_ERRORS = Table(
    name="close_errors",
    row_is="errorList item that a batch close returned",
    key=("attempt_id", "item_index"),
    zero_rows_mean="no batch close of this trading day returned an error item; a timeout is not one",
    columns=(
        *_ATTEMPT_KEYS,
        Column("item_index", Kind.INTEGER, "Place of the item in its errorList, from 0."),
        Column(
            "position_side", Kind.TEXT, "long or short; missing where the item names no known side.", True, PositionSide
        ),
        Column("error_code", Kind.TEXT, "The item's code, as text; empty where it has none."),
        Column("error_message", Kind.TEXT, "The item's message."),
        Column("error_meaning", Kind.TEXT, "What the code means for a flatten."),
        Column("advice", Kind.TEXT, "What follows from it."),
        Column("meaning_source", Kind.TEXT, "Who says so: a page of the exchange, or observed."),
        Column("reported_instrument_id", Kind.TEXT, "The instrument that the item itself names."),
        Column("member_id", Kind.TEXT, "The exchange's user id in the item."),
        Column("exchange_account_id", Kind.TEXT, "The exchange's account id in the item."),
        Column("trade_unit_id", Kind.TEXT, "The exchange's trade unit in the item."),
        Column("answered_at", Kind.INSTANT, "When the answer came."),
        Column("raw_json", Kind.TEXT, "The item as it was received."),
    ),
    preview=("account", "instrument_id", "position_side", "error_code", "error_message", "error_meaning"),
)

CANCEL_ATTEMPTS = Table(
    name="cancel_attempts",
    row_is="cancel of waiting orders that was sent, or whose sending cannot be ruled out",
    key=("cancel_id",),
    zero_rows_mean="no cancel was sent for this trading day",
    columns=(
        _DAY,
        _ACCOUNT,
        Column("flatten_id", Kind.TEXT, "The flatten that sent it."),
        Column("cancel_id", Kind.TEXT, "One send; ids rise with the cancels of a flatten."),
        Column("order_kind", Kind.TEXT, "RESTING, TRIGGER, PROTECTION or TRAILING.", words=OrderKind),
        Column("instrument_ids", Kind.TEXT, "Whose orders it is about, comma between; empty for a whole product group."),
        Column("order_ids", Kind.TEXT, "The orders it names, comma between; empty where the request names none."),
        Column("orders", Kind.INTEGER, "How many orders it names."),
        Column("send_number", Kind.INTEGER, "Number of the cancel within its flatten, from 1."),
        Column("endpoint", Kind.TEXT, "Path that the cancel was sent to."),
        Column("intent_at", Kind.INSTANT, "When the intent was recorded, before the first byte left."),
        Column("sent_at", Kind.INSTANT, "When it was sent; missing when nothing left or nobody lived to say.", True),
        Column("answered_at", Kind.INSTANT, "When the answer, the error or the timeout came.", True),
        Column(
            "outcome",
            Kind.TEXT,
            "ACCEPTED, PARTIAL, REFUSED, NOT_SENT or UNKNOWN. None of them says that the orders are gone.",
            words=Outcome,
        ),
        Column("reason", Kind.TEXT, "The outcome in words."),
        Column("error_code", Kind.TEXT, "The answer's outer code; missing without a readable answer.", True),
        Column("http_status", Kind.INTEGER, "HTTP status; missing without an answer.", True),
        Column("cancel_errors", Kind.INTEGER, "How many orders the answer says were not cancelled."),
        Column("error_codes", Kind.TEXT, "The codes of those, each once, comma between."),
    ),
    preview=("account", "instrument_ids", "order_kind", "orders", "outcome", "error_codes", "reason"),
)

_POSITION_COLUMNS = (
    _DAY,
    _ACCOUNT,
    Column("flatten_id", Kind.TEXT, "The flatten that read it."),
    Column("row_index", Kind.INTEGER, "Place of the row in the read, from 0, contracts before spot."),
    Column("instrument_id", Kind.TEXT, "What is held."),
    Column("product_group", Kind.TEXT, "Spot, Swap or SwapU; missing for an id of another spelling.", True, ProductGroup),
    Column("position_id", Kind.TEXT, "The exchange's id of the position; empty where it gives none."),
    Column("position_side", Kind.TEXT, "long or short; missing for a side of another name.", True, PositionSide),
    Column("quantity_contracts", Kind.DECIMAL, "Size in contracts; base units for spot.", True),
    Column("margin_mode", Kind.TEXT, "As the exchange names it."),
    Column("merge_mode", Kind.TEXT, "As the exchange names it."),
    Column("average_price", Kind.DECIMAL, "Average entry price; missing where the exchange tells none.", True),
    Column("margin_currency", Kind.TEXT, "Currency of the margin."),
    Column("is_configured", Kind.BOOLEAN, "Whether the account's settings named the instrument then."),
    Column("is_dry_run", Kind.BOOLEAN, "Whether the flatten was a dry run."),
    Column("read_purpose", Kind.TEXT, "Which read: snapshot, round or verify."),
    Column("read_started_at", Kind.INSTANT, "When the read was begun."),
    Column("read_finished_at", Kind.INSTANT, "When its answer had arrived."),
)
_POSITION_PREVIEW = ("account", "instrument_id", "position_side", "quantity_contracts", "is_configured", "read_started_at")

POSITIONS_BEFORE = Table(
    name="positions_before",
    row_is="position row that a flatten's first complete read showed",
    key=("flatten_id", "row_index"),
    zero_rows_mean="no flatten of this trading day read a position before its closes; see flatten_runs in the metadata",
    columns=_POSITION_COLUMNS,
    preview=_POSITION_PREVIEW,
)

POSITIONS_AFTER = Table(
    name="positions_after",
    row_is="position row that a flatten's last complete read showed",
    key=("flatten_id", "row_index"),
    zero_rows_mean="no flatten of this trading day read a position at its end; see flatten_runs in the metadata",
    columns=_POSITION_COLUMNS,
    preview=_POSITION_PREVIEW,
)

ORDERS_AFTER = Table(
    name="orders_after",
    row_is="waiting order that the last complete reads of a flatten's order lists showed",
    key=("flatten_id", "row_index"),
    zero_rows_mean="no order list that a flatten of this trading day read whole showed an order; or none was read",
    columns=(
        _DAY,
        _ACCOUNT,
        Column("flatten_id", Kind.TEXT, "The flatten that read it."),
        Column("row_index", Kind.INTEGER, "Place of the order in the lists, from 0."),
        Column("order_list", Kind.TEXT, "Which of the exchange's lists: RESTING, TRIGGER or TRAILING.", words=OrderList),
        Column("order_kind", Kind.TEXT, "RESTING, TRIGGER, PROTECTION or TRAILING.", words=OrderKind),
        Column("instrument_id", Kind.TEXT, "In which instrument."),
        Column("order_id", Kind.TEXT, "The exchange's id of the order; empty for a trailing exit, which has none."),
        Column("side", Kind.TEXT, "buy or sell, as the exchange tells it; empty where it does not."),
        Column("position_side", Kind.TEXT, "long or short; missing where the order names none.", True, PositionSide),
        Column("quantity_contracts", Kind.DECIMAL, "Not filled yet; 0: the whole position. Missing if not told.", True),
        Column("price", Kind.DECIMAL, "Limit price in quote currency; missing without one.", True),
        Column("trigger_price", Kind.DECIMAL, "Price that sets it off; missing without one.", True),
        Column("trigger_type", Kind.TEXT, "Which price sets it off, as the exchange names it; empty without one."),
        Column("can_open", Kind.BOOLEAN, "Whether it may open or enlarge a position. What does not plainly close may."),
        Column("is_configured", Kind.BOOLEAN, "Whether the account's settings named the instrument then."),
        Column("is_dry_run", Kind.BOOLEAN, "Whether the flatten was a dry run."),
        Column(
            "read_purpose", Kind.TEXT, "What the read was for. One that failed later leaves an earlier one as the last."
        ),
        Column("read_started_at", Kind.INSTANT, "When the read of its list was begun."),
        Column("read_finished_at", Kind.INSTANT, "When its last answer had arrived."),
    ),
    preview=("account", "instrument_id", "order_kind", "side", "position_side", "quantity_contracts", "price", "can_open"),
)

RECONCILIATION = Table(
    name="reconciliation",
    row_is="account, instrument and side of the day, or finding about a whole account",
    key=("subject",),
    zero_rows_mean="nobody flattened, and no flatten was due, or its deadline had not passed when this was built",
    columns=(
        _DAY,
        _ACCOUNT,
        Column("subject", Kind.TEXT, "Account/instrument/side, or account/finding: the same text on every day."),
        Column("instrument_id", Kind.TEXT, "Which instrument; missing for a finding about the whole account.", True),
        Column("position_side", Kind.TEXT, "long or short; missing where no side of it was seen.", True, PositionSide),
        Column("flatten_id", Kind.TEXT, "The flatten that decided the verdict; missing without one.", True),
        Column("quantity_before_contracts", Kind.DECIMAL, "Open on this side at the day's first read of it.", True),
        Column("notional_before_usdt", Kind.DECIMAL, "Value of that size; missing without a price.", True),
        Column("quantity_after_contracts", Kind.DECIMAL, "Open at the last counting read; missing without one.", True),
        Column("notional_after_usdt", Kind.DECIMAL, "Value of that size; missing without a price.", True),
        Column("attempts", Kind.INTEGER, "Closes of the instrument on this day; one close takes all its sides."),
        Column("outcomes", Kind.TEXT, "Their outcomes in order, comma between them; empty without attempts."),
        Column("error_items", Kind.INTEGER, "errorList items that this row explains: those of its side."),
        Column("error_codes", Kind.TEXT, "Their codes, each once, comma between them."),
        Column("evidence", Kind.TEXT, "MATCHES, MISMATCH, UNCOMPARED or UNAVAILABLE, and why; missing without any.", True),
        Column(
            "orders_left", Kind.INTEGER, "Orders of this side in the last lists that count; missing if none was read.", True
        ),
        Column(
            "residual_cause",
            Kind.TEXT,
            "Why this side is still open, as far as reads and answers tell; missing where it is not, or nobody looked.",
            True,
            ResidualCause,
        ),
        Column(
            "verdict",
            Kind.TEXT,
            "ALREADY_FLAT, FLAT, RESIDUAL, RESTING_ORDER_LEFT or UNVERIFIED, of the whole instrument.",
            True,
            Verdict,
        ),
        Column(
            "break_type", Kind.TEXT, "The most serious finding; missing when there is nothing to tell.", True, BreakType
        ),
        Column("findings", Kind.TEXT, "Everything found, most serious first, comma between."),
        Column("is_break", Kind.BOOLEAN, "Whether somebody has to do something: severity ERROR or WARN."),
        Column("severity", Kind.TEXT, "ERROR: money at risk. WARN: somebody decides. INFO: settled.", True, Severity),
        Column("since_at", Kind.INSTANT, "Since when the break type holds; missing without one.", True),
        Column("age_s", Kind.SECONDS, "How old it was when the trading day ended, in seconds; 0 if it began later.", True),
        Column("reason", Kind.TEXT, "What was seen, in words."),
        Column("what_to_do", Kind.TEXT, "What the owner of a break does; missing without a break.", True),
    ),
    preview=("account", "instrument_id", "position_side", "verdict", "break_type", "severity", "reason", "what_to_do"),
)

FLATTEN_SUMMARY = Table(
    name="flatten_summary",
    row_is="flatten of an account, dry runs and refused ones included",
    key=("flatten_id",),
    zero_rows_mean="no flatten was opened for this trading day",
    columns=(
        _DAY,
        _ACCOUNT,
        Column("flatten_id", Kind.TEXT, "The flatten."),
        Column("launched_by", Kind.TEXT, "Who or what launched it."),
        Column("is_dry_run", Kind.BOOLEAN, "Whether it only showed its plan."),
        Column("scheduled_at", Kind.INSTANT, "The tick it was launched for; missing for a launch by hand.", True),
        Column("opened_at", Kind.INSTANT, "When it was opened."),
        Column("closed_at", Kind.INSTANT, "When its closing row was written; missing without one.", True),
        Column(
            "result",
            Kind.TEXT,
            "FLAT, NOT_FLAT, UNVERIFIED, REFUSED or DRY_RUN; missing without a closing row.",
            True,
            FlattenResult,
        ),
        Column("reason", Kind.TEXT, "Why it ended so, in words."),
        Column("instruments", Kind.INTEGER, "How many were asked for."),
        Column("already_flat", Kind.INTEGER, "Verdicts ALREADY_FLAT."),
        Column("flat", Kind.INTEGER, "Verdicts FLAT."),
        Column("residual", Kind.INTEGER, "Verdicts RESIDUAL."),
        Column("resting_order_left", Kind.INTEGER, "Verdicts RESTING_ORDER_LEFT."),
        Column("unverified", Kind.INTEGER, "Verdicts UNVERIFIED."),
        Column("attempts", Kind.INTEGER, "Closes on record, those that were withdrawn before sending included."),
        Column("error_items", Kind.INTEGER, "errorList items returned."),
        Column("throttled_sends", Kind.INTEGER, "Closes answered with the rate limit's refusal."),
        Column("cancels", Kind.INTEGER, "Cancels of waiting orders on record, those that never left included."),
        Column(
            "orders_left",
            Kind.INTEGER,
            "Orders in the instruments asked for, by its last complete lists; missing where none was read.",
            True,
        ),
        Column("rounds", Kind.INTEGER, "Rounds of closes; missing without a closing row.", True),
        Column("sends", Kind.INTEGER, "Closes sent; missing without a closing row.", True),
        Column("refused_sends", Kind.INTEGER, "Closes refused; missing without a closing row.", True),
        Column("residual_notional_usdt", Kind.DECIMAL, "Value left open; missing where it is not known.", True),
        Column("time_to_last_close_s", Kind.SECONDS, "From the first send slot to the last answer, in seconds.", True),
        Column("time_to_proven_flat_s", Kind.SECONDS, "From the first send slot to the proof; missing without one.", True),
        Column("exposure_usdt_s", Kind.DECIMAL, "Notional times the seconds it stayed open, in USDT-seconds.", True),
        Column(
            "unconfigured",
            Kind.TEXT,
            "Open, neither configured nor expected: instrument, side, size; empty without any.",
        ),
    ),
    preview=("account", "result", "is_dry_run", "residual", "unverified", "sends", "time_to_proven_flat_s", "reason"),
)

CLOSED_POSITIONS = Table(
    name="closed_positions",
    row_is="row of the exchange's positions history whose position was closed on this trading day",
    key=("evidence_seq", "item_index"),
    zero_rows_mean=(
        "the exchange shows no closed position, if the partition's evidence is COMPLETE; otherwise nothing is known"
    ),
    columns=(
        _DAY,
        _ACCOUNT,
        Column("instrument_id", Kind.TEXT, "What was closed."),
        Column("product_group", Kind.TEXT, "Swap or SwapU; missing for an id of another spelling.", True, ProductGroup),
        Column("position_side", Kind.TEXT, "long or short; missing where the row names no known side.", True, PositionSide),
        Column("position_id", Kind.TEXT, "The exchange's id of the position."),
        Column("closed_contracts", Kind.DECIMAL, "Size that was closed.", True),
        Column("quantity_contracts", Kind.DECIMAL, "Size of the position as the row tells it.", True),
        Column("average_open_price", Kind.DECIMAL, "Average price at which it was opened, quote currency.", True),
        Column("average_close_price", Kind.DECIMAL, "Average price at which it was closed, quote currency.", True),
        Column("pnl", Kind.DECIMAL, "Realised profit, in the currency beside it.", True),
        Column("fee", Kind.DECIMAL, "Trading fee as the exchange signs it, in the currency beside it.", True),
        Column("funding_fee", Kind.DECIMAL, "Funding paid or received, in the currency beside it.", True),
        Column("currency", Kind.TEXT, "Currency of profit and fees."),
        Column("margin_mode", Kind.TEXT, "cross or isolated."),
        Column("merge_mode", Kind.TEXT, "merge or split."),
        Column("opened_at", Kind.INSTANT, "The earlier of the row's two times."),
        Column("closed_at", Kind.INSTANT, "The later of the row's two times, in whole seconds."),
        Column("evidence_seq", Kind.INTEGER, "Ledger entry of the read that it was taken from."),
        Column("item_index", Kind.INTEGER, "Place of the row in that read, from 0."),
    ),
    preview=("account", "instrument_id", "position_side", "closed_contracts", "average_close_price", "pnl", "currency"),
)

TABLES = (
    CLOSE_ATTEMPTS,
    CLOSE_ERRORS,
    CANCEL_ATTEMPTS,
    POSITIONS_BEFORE,
    POSITIONS_AFTER,
    ORDERS_AFTER,
    RECONCILIATION,
    FLATTEN_SUMMARY,
    CLOSED_POSITIONS,
)
