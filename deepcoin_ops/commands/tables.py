"""The tables of the command line, for people: records in, rich renderables out. Nothing is gathered or decided here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from deepcoin_ops.commands.arming import ArmingProposal
from deepcoin_ops.commands.check_tables import build_finding, build_standing
from deepcoin_ops.commands.flatten import FlattenEnding
from deepcoin_ops.commands.layout import (
    BAD,
    DOUBTFUL,
    GOOD,
    STYLES,
    add_row,
    build_cell,
    build_facts,
    build_notices,
    build_table,
    describe_amount,
    describe_instant,
    describe_names,
    plain,
)
from deepcoin_ops.commands.order_tables import build_cancels, build_planned_orders, describe_cancel
from deepcoin_ops.commands.reports import AccountStatus, DayReport, PlanReport, StatusReport
from deepcoin_ops.domain.model import CloseAttempt, FlattenClosing, FlattenResult, InstrumentVerdict, Position
from deepcoin_ops.domain.planning import ClosePlan, describe_notional
from deepcoin_ops.flattening.closing import describe_beside
from deepcoin_ops.flattening.desk import Desk
from deepcoin_ops.flattening.kill_switch import KillNote
from deepcoin_ops.flattening.targets import CloseTargets
from deepcoin_ops.ledger.records import AlteredEntry, FlattenRecord

_SPARED = "left open by the settings"


def build_plan_tables(report: PlanReport) -> RenderableType:
    """What `plan` shows."""
    plan = report.plan
    shown = f"account {report.account}, {report.venue} venue: {len(plan.lines)} of {len(report.instruments)} are open"
    parts: list[RenderableType] = [_build_closes(plan, shown)]
    closes = f"{plan.notional_usdt:,.0f} USDT open, {report.closes} close(s), largest first: about "
    times = f"{report.time_to_last_close_s:.1f} s to the last close, {report.time_to_proven_flat_s:.1f} s to the proof"
    parts.append(plain(closes + times if plan.lines else f"nothing to close: about {times.partition(', ')[2]}"))
    parts += build_notices(_SPARED, report.spared)
    parts += build_notices("not configured, never closed", _sizes(report.unconfigured))
    parts += build_notices("expected to stay open, never closed", _sizes(report.plan.expected))
    parts += build_notices("held back, no close would be sent", report.held_back)
    parts += build_planned_orders(report.orders)
    parts += map(build_finding, report.findings)
    if report.kill_reason is not None:
        parts.append(plain(f"A flatten would be refused: {report.kill_reason}.", BAD))
    parts.append(plain("Nothing was sent and nothing was recorded."))
    return Group(*parts)


def build_proposal_tables(proposal: ArmingProposal) -> RenderableType:
    """What `arm` shows before it asks."""
    arming, now = proposal.arming, datetime.now(UTC)
    facts = {
        "account": arming.account,
        "uid": arming.uid,
        "exchange": arming.base_url,
        "state": arming.state_folder,
        "cap": f"{describe_notional(arming.cap_usdt)} in one flatten",
        "armed until": arming.describe_expiry(now),
        "armed now": proposal.current.describe_expiry(now) if proposal.current else "no",
    }
    parts: list[RenderableType] = [build_plan_tables(proposal.plan), build_facts(facts)]
    parts += (plain(finding.text, BAD if finding.is_blocking else DOUBTFUL) for finding in proposal.excess)
    return Group(*parts)


def build_flatten_tables(desk: Desk, ending: FlattenEnding) -> RenderableType:
    """What `flatten` did, once it has its closing row."""
    assert ending.outcome is not None and ending.flatten is not None  # noqa: S101, PT018 - asked before it is shown
    closing = ending.outcome.closing
    parts: list[RenderableType] = []
    if ending.flatten.request.is_dry_run and ending.plan is not None:
        parts.append(_build_closes(ending.plan, "dry run: what would be closed"))
        parts += build_notices(_SPARED, CloseTargets(desk.account).describe_all_spared(ending.plan))
    if ending.outcome.verdicts:
        parts.append(build_verdicts(ending.outcome.verdicts, ending.attempts))
    parts += build_close_errors(ending.attempts)
    parts += build_cancels(ending.cancels)
    parts.append(_build_ending(closing))
    parts.append(plain(f"flatten {closing.flatten_id} in the ledger {desk.ledger.path}"))
    if closing.unconfigured:
        parts.append(plain(f"{describe_beside(closing.unconfigured)}.", BAD))
    return Group(*parts)


def _build_ending(closing: FlattenClosing) -> Text:
    if closing.result is FlattenResult.DRY_RUN:
        return plain("dry run: nothing was sent", GOOD)
    times = {"last close": closing.time_to_last_close_s, "proven flat": closing.time_to_proven_flat_s}
    told = [f"{what} after {time_s:.1f} s" for what, time_s in times.items() if time_s is not None]
    refused = f", {closing.refused_sends} of them refused" if closing.refused_sends else ""
    sent = f"{closing.sends} close(s) sent in {closing.rounds} round(s){refused}"
    style = GOOD if closing.result is FlattenResult.FLAT else BAD
    return Text("\n").join([plain(f"{closing.result}: {closing.reason}", style), plain("; ".join((sent, *told)), style)])


def build_day_tables(report: DayReport) -> RenderableType:
    """What `ledger show` shows."""
    window = f"{report.starts_at.isoformat()} to {report.ends_at.isoformat()}"
    title = plain(f"trading day {report.trading_day} ({window}), {report.venue} venue, ledger {report.ledger_path}", "bold")
    parts: list[RenderableType] = [title, *_build_setback(report.ledger_setback)]
    if report.head_seq is None:
        return Group(
            *parts,
            *_build_altered(report.altered),
            plain("no entries: nobody flattened on this day, and no tick was skipped"),
        )
    for record in report.flattens:
        flatten_id = record.request.flatten_id
        attempts = [attempt for attempt in report.attempts if attempt.flatten_id == flatten_id]
        parts.append(plain(describe_flatten(record)))
        if verdicts := report.verdicts.get(flatten_id):
            parts.append(build_verdicts(verdicts, attempts))
        parts += _build_attempts(attempts)
        parts += build_close_errors(attempts)
        parts += build_cancels([cancel for cancel in report.cancels if cancel.flatten_id == flatten_id])
    ticks = {tick.scheduled_at.isoformat(): f"account {tick.account}: {tick.reason}" for tick in report.skipped_ticks}
    parts += build_notices("skipped ticks", ticks)
    heads = ", ".join(f"{account} {text}" for account, text in report.head_hashes.items())
    parts.append(plain(f"head: entry {report.head_seq}; {heads}"))
    parts += _build_altered(report.altered)
    if not report.altered:
        parts.append(plain("the hash chain is intact, from its beginning", GOOD))
    return Group(*parts)


def build_status_tables(report: StatusReport) -> RenderableType:
    """What `status` shows."""
    facts = {
        "venue": report.venue.value,
        "exchange": report.base_url,
        "settings": str(report.settings_path),
        "state": f"{report.state_folder}, {report.state_origin}",
        "ledger": f"{report.ledger_path}{'' if report.is_ledger_there else ' (nothing recorded yet)'}",
    }
    doubts = _build_setback(report.ledger_setback)
    if report.ledger_trouble:
        doubts.append(plain(f"LEDGER NOT READ, so what was flattened is not known: {report.ledger_trouble}", BAD))
    if report.unwatched:
        doubts.append(plain(report.unwatched, BAD))
    doubts += _build_altered(report.unreadable)
    strays = {str(path): "is no account's switch" for path in report.stray_kill_files}
    untold = {each.entry.key: f"{each.state}: {each.entry.title}" for each in report.untold_alerts}
    is_known = report.ledger_trouble is None
    accounts = (part for account in report.accounts for part in _build_account(account, is_ledger_read=is_known))
    return Group(
        build_facts(facts),
        *doubts,
        *(_build_kill_note(note, "on the other venue, ") for note in report.other_kill_notes),
        *accounts,
        *build_notices("beside the kill switches, stops nothing", strays),
        *build_notices("alerts that reached nobody, or not everybody; `deepcoin-ops alerts --show` has all", untold),
    )


def _build_setback(setback: str | None) -> list[RenderableType]:
    return [plain(f"LEDGER NOT USED: {setback}.", BAD)] if setback else []


def _build_kill_note(note: KillNote, where: str = "") -> RenderableType:
    text = f"KILL SWITCH ON: {where}no close and no cancel is sent ({note.describe()}); `{note.cure}` switches it off"
    return plain(text, BAD)


def _build_altered(entries: Sequence[AlteredEntry]) -> list[RenderableType]:
    return [plain(f"ALTERED: entry {each.seq} ({each.kind}, {each.account}): {each.reason}", BAD) for each in entries]


def _build_account(account: AccountStatus, *, is_ledger_read: bool) -> Iterator[RenderableType]:
    yield plain(f"account {account.name}: {len(account.instruments)} instruments configured", "bold")
    for note in account.kill_notes:
        yield _build_kill_note(note)
    yield from build_standing(account)
    if not is_ledger_read:
        return
    last = account.last_flatten
    yield plain(describe_flatten(last) if last else "no flatten is recorded", BAD if account.is_flatten_unclosed else "")
    intents = {
        attempt.intent.attempt_id: f"{attempt.intent.instrument_id} {describe_instant(attempt.intent_at)}"
        for attempt in account.open_intents
    }
    yield from build_notices("closes without a recorded answer; they may have happened", intents)
    cancels = {
        cancel.intent.cancel_id: f"{describe_cancel(cancel)} {describe_instant(cancel.intent_at)}"
        for cancel in account.open_cancels
    }
    yield from build_notices("cancels without a recorded answer; they may have happened", cancels)


def describe_flatten(record: FlattenRecord) -> str:
    """A flatten in words: which, when, by whom, and how it ended."""
    request = record.request
    ending = "no closing row: it still runs, or was killed; look at the positions"
    if record.closing is None and record.closed_at is not None:
        ending = "it has ended, and how cannot be read; look at the positions"
    elif record.closing is not None and record.closed_at is not None:
        ending = f"{record.closing.result} at {describe_instant(record.closed_at)}: {record.closing.reason}"
    dry = ", dry run" if request.is_dry_run else ""
    asked, configured = request.instruments, record.configured
    is_part = len(asked) < len(configured)
    part = f", of {len(configured)} configured instruments only {describe_names(asked)}" if is_part else ""
    by = f"by {request.launched_by}{dry}{part}"
    return f"flatten {request.flatten_id}, {describe_instant(record.opened_at)}, {by}: {ending}"


def _build_closes(plan: ClosePlan, title: str) -> Table:
    headers = ("#", "instrument", "product group", "side", "size", "notional", "concerns")
    table = build_table(title, *headers, right=("#", "size", "notional"))
    for order, line in enumerate(plan.lines, 1):
        size, notional = describe_amount(line.quantity_contracts), describe_notional(line.notional_usdt)
        concerns = "; ".join(line.concerns.values())
        add_row(table, str(order), line.instrument_id, line.product_group.value, line.sides, size, notional, concerns)
    return table


def build_verdicts(verdicts: Sequence[InstrumentVerdict], attempts: Sequence[CloseAttempt]) -> RenderableType:
    """The verdicts, largest notional first, with the outcome of each attempt; then why something is not proven flat."""
    # What is still open has a cause; where everything is flat, the column would be empty.
    has_causes = any(verdict.cause for verdict in verdicts)
    headers = ("instrument", "size before", "notional before", "attempts", "verdict", *(["cause"] if has_causes else []))
    table = build_table("verdicts, largest first", *headers, right=("size before", "notional before"))
    largest_first = sorted(verdicts, key=lambda each: -(each.notional_before_usdt or Decimal(0)))
    for verdict in largest_first:
        outcomes = [each.outcome for each in attempts if each.intent.instrument_id == verdict.instrument_id]
        table.add_row(
            build_cell(verdict.instrument_id),
            describe_amount(verdict.quantity_before_contracts),
            describe_notional(verdict.notional_before_usdt),
            Text(", ").join(plain(outcome, STYLES[outcome]) for outcome in outcomes),
            plain(verdict.verdict, STYLES[verdict.verdict]),
            *([plain(verdict.cause or "")] if has_causes else []),
        )
    doubts = {each.instrument_id: each.reason for each in largest_first if not each.verdict.is_flat}
    return Group(table, *build_notices("not proven flat", doubts))


def _build_attempts(attempts: Sequence[CloseAttempt]) -> list[RenderableType]:
    table = build_table("close attempts", "#", "round", "instrument", "sent at", "outcome", "reason", right=("#", "round"))
    for attempt in attempts:
        intent, sent_at = attempt.intent, attempt.sent_at or attempt.intent_at
        shown = (str(intent.send_number), str(intent.round_number), intent.instrument_id, f"{sent_at:%H:%M:%S} UTC")
        outcome = plain(attempt.outcome, STYLES[attempt.outcome])
        table.add_row(*map(build_cell, shown), outcome, build_cell(attempt.reason))
    return [table] if attempts else []


def build_close_errors(attempts: Sequence[CloseAttempt]) -> list[RenderableType]:
    """The returned error items as a table; none when there are none."""
    table = build_table("close errors", "#", "instrument", "side", "code", "message")
    for attempt in attempts:
        for item in attempt.close_errors:
            side = item.position_side.value if item.position_side else ""
            add_row(table, str(attempt.intent.send_number), item.instrument_id, side, item.error_code, item.error_message)
    return [table] if table.row_count else []


def _sizes(positions: Sequence[Position]) -> dict[str, str]:
    """Side and size of every row, by instrument."""
    sizes: dict[str, list[str]] = {}
    for row in positions:
        sizes.setdefault(row.instrument_id, []).append(f"{row.position_side} {describe_amount(row.quantity_contracts)}")
    return {instrument_id: ", ".join(listed) for instrument_id, listed in sizes.items()}
