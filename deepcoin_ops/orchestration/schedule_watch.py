"""The sensor that watches the evening's schedule through what Dagster itself keeps of it.

Evaluating a schedule must write nothing: the page's preview evaluates it too, for any time. Only Dagster's tick history
says what was really skipped, so that is what goes into the ledger. The sensor's cursor keeps since when the schedule has
had its cron and timezone. It lies in the same database as the schedule's own state, and a preview leaves it alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import dagster as dg
from dagster._core.definitions.selector import InstigatorSelector  # the tick history has no public door
from dagster._core.scheduler.instigation import InstigatorTick, InstigatorType, SensorInstigatorData, TickStatus

from deepcoin_ops.domain.launching import SeenSchedule
from deepcoin_ops.ledger.journal import Ledger, utc_now
from deepcoin_ops.settings import Settings

FLATTEN_SCHEDULE = "end_of_day_flatten"
_WATCH = "schedule_watch"
_INTERVAL_S = 15
# The schedule fires at most once a day, and a tick is looked at within seconds: this is weeks of being switched off.
_TICKS_LOOKED_AT = 20


@dataclass(frozen=True)
class WatchCursor:
    """What the sensor keeps: the schedule as it was last seen, and the newest skipped tick that is in the ledger."""

    seen: SeenSchedule | None = None
    tick_id: int = 0

    @classmethod
    def parse(cls, text: str | None) -> WatchCursor:
        """The cursor from its text; none or an unreadable one starts over: the schedule then counts as a new one."""
        try:
            stored = json.loads(text or "{}")
            seen = SeenSchedule(
                str(stored["desk"]), str(stored["cron"]), str(stored["timezone"]), datetime.fromisoformat(stored["since"])
            )
            return cls(replace(seen, since=seen.since.astimezone(UTC)), int(stored["tick_id"]))
        except (ValueError, KeyError, TypeError, OverflowError):
            return cls()

    def format(self) -> str:
        """The cursor as text."""
        seen = vars(self.seen) | {"since": self.seen.since.isoformat()} if self.seen else {}
        return json.dumps(seen | {"tick_id": self.tick_id})


def describe_schedule(settings: Settings, since: datetime) -> SeenSchedule:
    """The evening's schedule as these settings have it, since a moment."""
    return SeenSchedule(str(settings.ledger_path), settings.schedule.cron, settings.schedule.timezone, since)


def read_seen_schedules(instance: dg.DagsterInstance) -> list[SeenSchedule]:
    """What the sensors of this Dagster instance have kept, of every desk in it."""
    states = instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
    data = [state.instigator_data for state in states if state.instigator_name == _WATCH]
    kept = [WatchCursor.parse(each.cursor).seen for each in data if isinstance(each, SensorInstigatorData)]
    return [seen for seen in kept if seen is not None]


def build_schedule_watch(settings: Settings, clock: Callable[[], datetime] = utc_now) -> dg.SensorDefinition:
    """Record the scheduled times that were skipped, and keep since when the schedule is as it is.

    On from the start: it asks the exchange nothing and has no job that it could launch.
    """

    @dg.sensor(
        name=_WATCH,
        minimum_interval_seconds=_INTERVAL_S,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Records the scheduled times that were skipped. Launches nothing.",
    )
    def schedule_watch(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        cursor = WatchCursor.parse(context.cursor)
        current = describe_schedule(settings, clock())
        seen = cursor.seen if cursor.seen is not None and cursor.seen.is_same(current) else current
        skipped = [tick for tick in _read_skipped(context) if tick.tick_id > cursor.tick_id]
        if skipped:
            _record_skipped(settings, skipped)
        newest = max([cursor.tick_id, *(tick.tick_id for tick in skipped)])
        count = f"{len(skipped)} skipped time(s) recorded" if skipped else "nothing was skipped"
        reason = f"{count}; the schedule is {seen.cron} {seen.timezone} since {seen.since.isoformat()}"
        return dg.SensorResult(skip_reason=reason, cursor=WatchCursor(seen, newest).format())

    return schedule_watch


def _read_skipped(context: dg.SensorEvaluationContext) -> Sequence[InstigatorTick]:
    """The skipped ticks of this code location's schedule; another location may have one of the same name."""
    location, repository = context.code_location_origin, context.repository_name
    if location is None or repository is None:
        return []
    schedule = InstigatorSelector(location_name=location.location_name, repository_name=repository, name=FLATTEN_SCHEDULE)
    # By the selector alone: Dagster looks at the origin only for ticks of versions before it kept selectors.
    return context.instance.get_ticks("", schedule.get_id(), limit=_TICKS_LOOKED_AT, statuses=[TickStatus.SKIPPED])


def _record_skipped(settings: Settings, skipped: Sequence[InstigatorTick]) -> None:
    """Record each skipped time once for every account: two daemons skip the same one, and a sensor may be started over."""
    with Ledger.open(settings.ledger_path, settings.venue) as ledger:
        for tick in sorted(skipped, key=lambda tick: tick.tick_id):
            scheduled_at = datetime.fromtimestamp(tick.timestamp, UTC)
            trading_day = settings.calendar.day_of(scheduled_at)
            known = {each.account for each in ledger.read_skipped_ticks(trading_day) if each.scheduled_at == scheduled_at}
            for account in settings.accounts:
                if account not in known:
                    reason = tick.skip_reason or "the schedule gave no reason"
                    ledger.record_skipped_tick(account, trading_day, scheduled_at, reason)
