"""The three ops of a flatten, and the one of a plan. Thin: the controller decides, the ops report.

No op has a retry policy. A policy would turn a termination into a second flatten from the start, and the rounds are the
only layer that may send again.
"""

# Annotations stay unpostponed here: Dagster reads them to build config and resource requirements.
import getpass
import os
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TypeVar

import dagster as dg
from pydantic import Field

from deepcoin_ops.domain.model import FlattenRequest, Outcome, Venue
from deepcoin_ops.domain.showing import show_text
from deepcoin_ops.flattening.desk import Desk
from deepcoin_ops.flattening.guards import choose_instruments
from deepcoin_ops.flattening.observation import fetch_plan
from deepcoin_ops.flattening.opening import open_flatten
from deepcoin_ops.flattening.progress import Progress
from deepcoin_ops.flattening.supervision import run_beside
from deepcoin_ops.orchestration import tags
from deepcoin_ops.orchestration.config import PLAIN_TEXT, read_config, schema_of
from deepcoin_ops.orchestration.failures import guarded
from deepcoin_ops.orchestration.metadata import build_before_metadata, build_outcome_metadata, build_plan_metadata
from deepcoin_ops.orchestration.resources import FlattenDesk, RunningFlatten
from deepcoin_ops.orchestration.shown import build_failure

_Result = TypeVar("_Result")
_SENDS_PER_LOG_LINE = 10


class PlanConfig(dg.Config):
    """What to look at."""

    account: str | None = Field(None, description="Its name in the settings; may be left out where there is only one.")
    instruments: list[str] = Field(
        default_factory=list, description="Configured instruments; none named means all configured ones."
    )


class FlattenConfig(PlanConfig):
    """What a flatten is asked to do."""

    dry_run: bool | None = Field(
        None, description="Show the plan and send nothing. Left out: true on the live venue, false on paper."
    )


@dg.op(
    config_schema=schema_of(FlattenConfig),
    out=dg.Out(str, description="The flatten's id; the plan itself is never handed on."),
)
def plan_closes(context: dg.OpExecutionContext, desk: FlattenDesk) -> str:
    """Open the flatten: record who asks for what. Reads nothing from the exchange and sends nothing."""
    config = read_config(context, FlattenConfig)
    opened = guarded(lambda: desk.open(config.account))
    is_live = desk.settings.venue is Venue.LIVE
    running = _begin(
        context,
        desk,
        opened,
        instruments=config.instruments,
        is_dry_run=is_live if config.dry_run is None else config.dry_run,
        parent_flatten_id=_find_parent_flatten(context),
    )
    return running.flatten.request.flatten_id


@dg.op(ins={"flatten_id": dg.In(PLAIN_TEXT)}, out=dg.Out(str, description="The id of the flatten whose closes were sent."))
def issue_batch_closes(context: dg.OpExecutionContext, desk: FlattenDesk, flatten_id: str) -> str:
    """Lock the account, read it afresh, check the guards, send rounds of closes. Sends.

    Never acts on an earlier plan: when this step is executed again it opens a new flatten. Whatever is left open at the end
    is for `verify_flat` to say.
    """
    running = desk.running(flatten_id)
    if running is None:
        # Opened by another process: by the run that this one repeats, or by a second worker of this very run, which two
        # daemons on one instance do start.
        running = _repeat(context, desk, flatten_id)

    def work() -> None:
        running.flatten.take_lock()
        running.flatten.close_rounds()

    _run_step(context, running, work)
    if running.flatten.plan is not None:
        context.add_output_metadata(build_before_metadata(running.flatten.plan, running.describe_spared()))
    return running.flatten.request.flatten_id


@dg.op(ins={"flatten_id": dg.In(PLAIN_TEXT)})
def verify_flat(context: dg.OpExecutionContext, desk: FlattenDesk, flatten_id: str) -> None:
    """Take the reads that prove the account flat, write verdicts and closing row; fail naming what is left. Sends nothing.

    When only this step is executed again, it verifies the account as it is now, under a flatten id of its own, and still
    sends nothing.
    """
    running = desk.running(flatten_id)
    if running is None:
        running = _begin_verification(context, desk, flatten_id)
    outcome = _run_step(context, running, running.flatten.verify)
    running.finish()
    metadata = build_outcome_metadata(outcome)
    if not outcome.is_success:
        raise build_failure(outcome.describe_failure(), metadata)
    # What is open outside the configured instruments is no failure of the flatten, and nothing to pass over.
    log = context.log.warning if outcome.closing.unconfigured else context.log.info
    log(show_text(f"{outcome.closing.result}: {outcome.closing.reason}"))
    context.add_output_metadata(metadata)


@dg.op(config_schema=schema_of(PlanConfig))
def show_plan(context: dg.OpExecutionContext, desk: FlattenDesk) -> None:
    """Read the account and show what a flatten would close and cancel. Sends neither and records nothing."""
    config = read_config(context, PlanConfig)
    opened = guarded(lambda: desk.open(config.account))
    instruments = guarded(lambda: choose_instruments(opened.account, config.instruments))
    found = guarded(lambda: fetch_plan(opened, instruments))
    context.add_output_metadata(build_plan_metadata(found))


def _begin_verification(context: dg.OpExecutionContext, desk: FlattenDesk, flatten_id: str) -> RunningFlatten:
    running = _repeat(context, desk, flatten_id)
    context.log.warning("Only verify_flat is executed again: nothing is sent. Re-execute all steps to close what is left.")

    def look() -> None:
        running.flatten.take_lock(only_reads=True)
        running.flatten.take_snapshot()

    _run_step(context, running, look)
    return running


def _run_step(context: dg.OpExecutionContext, running: RunningFlatten, work: Callable[[], _Result]) -> _Result:
    """Run a part of a flatten beside this thread. When that ends the flatten, in whatever way, its result tags the run."""
    try:
        return guarded(lambda: run_beside(work, running.stop, running.messages, _follow_progress(context)))
    finally:
        if running.flatten.outcome is not None:
            _tag_result(context, running.flatten.outcome.closing.result.value)


def _tag_result(context: dg.OpExecutionContext, result: str) -> None:
    try:
        context.instance.add_run_tags(context.run_id, {tags.RESULT: result})
    except Exception:  # noqa: BLE001 - a tag that cannot be written must not take the place of an interrupt
        context.log.warning(f"the run could not be tagged with its result {result}")


def _repeat(context: dg.OpExecutionContext, desk: FlattenDesk, flatten_id: str) -> RunningFlatten:
    """Begin a new flatten that asks for what an earlier one asked for."""
    opened, record = guarded(lambda: desk.open_of(flatten_id))
    request = record.request
    return _begin(
        context,
        desk,
        opened,
        instruments=request.instruments,
        is_dry_run=request.is_dry_run,
        parent_flatten_id=request.flatten_id,
        scheduled_at=request.scheduled_at,
        is_own=request.run_id == context.run_id,
    )


def _begin(
    context: dg.OpExecutionContext,
    desk: FlattenDesk,
    opened: Desk,
    *,
    instruments: Iterable[str],
    is_dry_run: bool,
    parent_flatten_id: str | None,
    scheduled_at: datetime | None = None,
    is_own: bool = False,
) -> RunningFlatten:
    """Open a flatten for this run and take charge of it. The scheduled time is that of the run's tag, where it has one.

    `is_own` says that it repeats one that another worker of this very run opened.
    """
    launched_at = _find_launch_time(context)
    tagged_at, problem = _read_tagged_time(context)
    if not is_own:
        problem = problem or _find_missing_part(context)
    request = guarded(
        lambda: open_flatten(
            opened,
            launched_by=_launched_by(context),
            instruments=instruments,
            is_dry_run=is_dry_run,
            scheduled_at=tagged_at or scheduled_at,
            run_id=context.run_id,
            parent_flatten_id=parent_flatten_id,
        )
    )
    # Begun before anything else may fail or the run is terminated between two ops: it gets its closing row all the same.
    running = desk.begin(opened, request, launched_at)
    _announce(context, opened, request)
    if problem:
        reason = f"account {request.account}: {problem}"
        _run_step(context, running, lambda: running.flatten.abandon(reason))
        raise build_failure(reason)
    return running


def _find_missing_part(context: dg.OpExecutionContext) -> str:
    """Find what is wrong with a run of some steps: what closes is to be proven in the same run.

    A run that repeats another one may leave out what that one did first.
    """
    run = context.run
    parts = run.step_keys_to_execute or run.resolved_op_selection
    needed = {issue_batch_closes.name, verify_flat.name}
    if run.parent_run_id is None or context.instance.get_run_by_id(run.parent_run_id) is None:
        needed.add(plan_closes.name)
    if parts is None or issue_batch_closes.name not in parts or needed <= set(parts):
        return ""
    missing = ", ".join(sorted(needed - set(parts)))
    return (
        f"the run was launched without {missing}. Nothing was sent, and all positions are as they were. Launch the whole "
        "job flatten_positions."
    )


def _launched_by(context: dg.OpExecutionContext) -> str:
    schedule = context.run.tags.get("dagster/schedule_name")
    launched_by = f"schedule {schedule}" if schedule else f"hand launch in Dagster, process of {_find_user()}"
    return f"re-execution, {launched_by}" if context.run.parent_run_id else launched_by


def _find_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container's user need not have a name
        return f"uid {os.getuid()}"


def _find_parent_flatten(context: dg.OpExecutionContext) -> str | None:
    """The flatten of the run that this run is a re-execution of."""
    parent = context.instance.get_run_by_id(context.run.parent_run_id) if context.run.parent_run_id else None
    return parent.tags.get(tags.FLATTEN_ID) if parent else None


def _find_launch_time(context: dg.OpExecutionContext) -> datetime:
    """When this run was asked for, before it waited in any queue. A re-execution is a run of its own."""
    record = context.instance.get_run_record_by_id(context.run_id)
    if record is None:
        message = (
            f"Dagster has no record of run {context.run_id}, so when it was launched is not known. Nothing was sent, and "
            "all positions are as they were. Launch flatten_positions anew."
        )
        raise build_failure(message)
    return record.create_timestamp.astimezone(UTC)


def _read_tagged_time(context: dg.OpExecutionContext) -> tuple[datetime | None, str]:
    """The scheduled time of the run's tag, which can be typed by hand, and what is wrong with the tag; "" if nothing is."""
    text = context.run.tags.get(tags.SCHEDULED_AT)
    if text is None:
        return None, ""
    problem = (
        f"the run's tag {tags.SCHEDULED_AT} is {text!r}, not a time with its offset. Nothing was sent, and all positions "
        "are as they were. Launch flatten_positions anew without the tag."
    )
    try:
        tagged_at = datetime.fromisoformat(text)
        # The first and the last day there are have offsets that lead nowhere.
        return (tagged_at.astimezone(UTC), "") if tagged_at.tzinfo is not None else (None, problem)
    except (ValueError, OverflowError):
        return None, problem


def _announce(context: dg.OpExecutionContext, desk: Desk, request: FlattenRequest) -> None:
    starts, ends = desk.settings.calendar.window(request.trading_day)
    context.instance.add_run_tags(
        context.run_id,
        {
            tags.ACCOUNT: request.account,
            tags.FLATTEN_ID: request.flatten_id,
            tags.TRADING_DAY: request.trading_day,
            # A re-execution inherits its parent's tags, and would show that one's result until it has its own.
            tags.RESULT: tags.NO_RESULT_YET,
        },
    )
    context.log.info(
        f"Flatten {request.flatten_id} of account {request.account} on the {desk.settings.venue} venue, trading day "
        f"{request.trading_day} ({starts.isoformat()} to {ends.isoformat()}), launched by {request.launched_by}"
        f"{', dry run' if request.is_dry_run else ''}: {', '.join(request.instruments)}"
    )


def _follow_progress(context: dg.OpExecutionContext) -> Callable[[Progress], None]:
    """Log what a person watching wants to know; single accepted closes only every so often."""

    def log(progress: Progress) -> None:
        if progress.outcome is Outcome.ACCEPTED and progress.sends % _SENDS_PER_LOG_LINE:
            return
        share = progress.answered_share
        accepted = "" if share is None else f" [{share:.0%} of the notional accepted]"
        context.log.info(f"{show_text(progress.text)}{accepted}")

    return log
