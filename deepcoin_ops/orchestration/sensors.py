"""The sensors: tables and evidence follow the ledger, whoever wrote to it, and a preflight goes before each flatten.

They only read. Automation that follows runs instead would miss what was killed, terminated, or sent from the command line.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import dagster as dg

from deepcoin_ops.domain.due import find_preflight
from deepcoin_ops.domain.evidence import EVIDENCE_SLACK
from deepcoin_ops.ledger.history import History
from deepcoin_ops.ledger.journal import utc_now
from deepcoin_ops.ledger.records import LedgerHead
from deepcoin_ops.orchestration import tags
from deepcoin_ops.settings import Settings

_INTERVAL_S = 5
# A new Dagster instance beside an old ledger has every past day to build; the newest go first, the others wait their turn.
_DAYS_PER_TICK = 10
# A flatten that was killed writes no closing row; once its day's head has been still for so long, its tables are built.
_QUIET_S = 30.0
_EVIDENCE_INTERVAL_S = 30
_PREFLIGHT_INTERVAL_S = 30


@dataclass
class LedgerCursor:
    """How far the sensor has come in which ledger: the newest row seen, and the days whose tables still have to follow."""

    ledger_id: str = ""
    seq: int = 0
    pending_days: list[str] = field(default_factory=list)

    @classmethod
    def parse(cls, text: str | None) -> LedgerCursor:
        """The cursor from its text; none or an unreadable one starts over, which only rebuilds tables."""
        try:
            stored = json.loads(text or "{}")
            pending_days = [str(day) for day in stored.get("pending_days", [])]
            return cls(str(stored.get("ledger_id", "")), int(stored.get("seq", 0)), pending_days)
        except (ValueError, AttributeError, TypeError):
            return cls()

    def format(self) -> str:
        """The cursor as text."""
        return json.dumps({"ledger_id": self.ledger_id, "seq": self.seq, "pending_days": sorted(self.pending_days)})

    def in_ledger(self, ledger_id: str) -> LedgerCursor:
        """This cursor if it is about that ledger; otherwise one at its beginning, as row numbers begin anew in each."""
        return self if self.ledger_id == ledger_id else LedgerCursor(ledger_id)


def build_ledger_moved(
    settings: Settings,
    job: object,
    ledger_asset: dg.AssetSpec,
    trading_days: dg.PartitionsDefinition[str],
    clock: Callable[[], datetime] = utc_now,
    *,
    is_on: bool = True,
) -> dg.SensorDefinition:
    """Rebuild a day's tables whenever its part of the ledger has moved and come to rest."""

    @dg.sensor(
        name="ledger_moved",
        job=job,  # type: ignore[arg-type]
        minimum_interval_seconds=_INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING if is_on else dg.DefaultSensorStatus.STOPPED,
        description="Rebuilds the tables of a trading day when the ledger has new rows for it. Only reads.",
    )
    def ledger_moved(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        cursor = LedgerCursor.parse(context.cursor)
        ledger = History.open_existing(settings.ledger_path, settings.venue)
        if ledger is None:
            return dg.SensorResult(skip_reason="There is no ledger yet.", cursor=cursor.format())
        with ledger:
            cursor = cursor.in_ledger(ledger.read_ledger_id())
            moved = ledger.read_newer_days(cursor.seq)
            days = sorted({*cursor.pending_days, *(head.trading_day for head in moved)})
            heads = [head for day in days if (head := ledger.read_head(day)) is not None]
            ready = [head for head in heads if _is_at_rest(ledger, head, clock())]
            ready = ready[-_DAYS_PER_TICK:]
        newest = max([cursor.seq, *(head.seq for head in moved)])
        ready_days = {head.trading_day for head in ready}
        next_cursor = LedgerCursor(
            cursor.ledger_id, newest, [head.trading_day for head in heads if head.trading_day not in ready_days]
        )
        known = [head for head in ready if trading_days.has_partition_key(head.trading_day)]
        if not known:
            waiting = ", ".join(next_cursor.pending_days)
            reason = f"Still being written: {waiting}." if waiting else "The ledger has not moved."
            return dg.SensorResult(skip_reason=reason, cursor=next_cursor.format())
        return dg.SensorResult(
            run_requests=[
                dg.RunRequest(run_key=f"{cursor.ledger_id}:{head.trading_day}:{head.seq}", partition_key=head.trading_day)
                for head in known
            ],
            asset_events=[_report_ledger_day(ledger_asset.key, head) for head in known],
            cursor=next_cursor.format(),
        )

    return ledger_moved


def build_preflight_due(settings: Settings, clock: Callable[[], datetime] = utc_now) -> dg.SensorDefinition:
    """Launch a preflight an hour and ten minutes before each tick of the schedule, while there is time to act.

    A sensor and no schedule: no cron stands for "an hour before that cron" on all days. And when the daemon was away at the
    full hour, the preflight comes as soon as it is back. Off until somebody switches it on, as it asks the exchange.
    """

    @dg.sensor(
        name="preflight_due",
        job_name="preflight",
        minimum_interval_seconds=_PREFLIGHT_INTERVAL_S,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Asks an hour and ten minutes before each flatten whether it would be admitted. Only reads.",
    )
    def preflight_due(_context: dg.SensorEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        due = find_preflight(settings.calendar, settings.schedule.cron, clock())
        if due is None:
            return dg.SkipReason("No flatten is due within the hour.")
        tick, lead = due
        return dg.RunRequest(run_key=f"{tick.isoformat()}:{lead.total_seconds():.0f}")

    return preflight_due


def build_evidence_due(settings: Settings, clock: Callable[[], datetime] = utc_now) -> dg.SensorDefinition:
    """Collect the evidence of each account's last flatten: a minute after its closing row, and once its day is over.

    Each of the two is asked for once. Off until somebody switches it on, as it makes the exchange be asked.
    """

    @dg.sensor(
        name="evidence_due",
        # By name: Dagster warns of a beta parameter of its own when a sensor holds the job itself.
        job_name="collect_evidence",
        minimum_interval_seconds=_EVIDENCE_INTERVAL_S,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Collects evidence after each flatten, and again when its trading day is over. Only reads.",
    )
    def evidence_due(_context: dg.SensorEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
        ledger = History.open_existing(settings.ledger_path, settings.venue)
        if ledger is None:
            return dg.SkipReason("There is no ledger yet.")
        with ledger:
            due = {account: _find_due(ledger, settings, account, clock()) for account in settings.accounts}
            ledger_id = ledger.read_ledger_id()
        requests = [
            dg.RunRequest(
                run_key=f"{ledger_id}:{account}:{day}:{since.isoformat()}",
                run_config={"ops": {"fetch_day_evidence": {"config": {"account": account, "trading_day": day}}}},
                # Not the account's tag: the queue would make a flatten wait for this run.
                tags={tags.TRADING_DAY: day},
            )
            for account, (day, since) in ((account, found) for account, found in due.items() if found)
        ]
        return requests or dg.SkipReason("No evidence is owed.")

    return evidence_due


def _find_due(ledger: History, settings: Settings, account: str, now: datetime) -> tuple[str, datetime] | None:
    """The day of the account's last flatten and since when its evidence is owed; None when nothing is."""
    flatten = ledger.read_last_closed_flatten(account)
    if flatten is None or flatten.closed_at is None:
        return None
    day = flatten.request.trading_day
    moments = (flatten.closed_at + EVIDENCE_SLACK, settings.calendar.window(day)[1].astimezone(UTC) + EVIDENCE_SLACK)
    owed_since = max((moment for moment in moments if moment <= now), default=None)
    asked = [record.recorded_at for record in ledger.read_evidence(day) if record.account == account]
    if owed_since is None or any(at >= owed_since for at in asked):
        return None
    return day, owed_since


def _is_at_rest(ledger: History, head: LedgerHead, now: datetime) -> bool:
    if not ledger.has_unclosed_flatten(head.trading_day):
        return True
    return (now - head.recorded_at).total_seconds() >= _QUIET_S


def _report_ledger_day(key: dg.AssetKey, head: LedgerHead) -> dg.AssetMaterialization:
    return dg.AssetMaterialization(
        key,
        partition=head.trading_day,
        description="The ledger has new rows for this trading day.",
        metadata={"ledger_head_seq": head.seq, "ledger_head_hashes": dict(head.hashes)},
    )
