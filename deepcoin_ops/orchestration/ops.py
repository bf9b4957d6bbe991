"""The three ops of a flatten, and the one of a plan. Thin: the controller decides, the ops report.

No op has a retry policy. A policy would turn a termination into a second flatten from the start, and the rounds are the
only layer that may send again.
"""

# Annotations stay unpostponed here: Dagster reads them to build config and resource requirements.
import getpass
import os
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import dagster as dg
from pydantic import Field

from deepcoin_ops.domain.model import FlattenRequest, Outcome, Venue
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
    request = guarded(
        lambda: open_flatten(
            opened,
            launched_by=_launched_by(context),
            instruments=config.instruments,
            is_dry_run=is_live if config.dry_run is None else config.dry_run,
            scheduled_at=_scheduled_at(context),
            run_id=context.run_id,
            parent_flatten_id=_find_parent_flatten(context),
        )
    )
    # Begun here already, so that a termination between two ops leaves a closing row too.
    desk.begin(opened, request)
    _announce(context, opened, request)
    return request.flatten_id


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
        opened, record = guarded(lambda: desk.open_of(flatten_id))
        request = guarded(lambda: _repeat(context, opened, record.request))
        running = desk.begin(opened, request)
        _announce(context, opened, request)

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
        raise dg.Failure(outcome.describe_failure(), metadata=metadata, allow_retries=False)
    # What is open outside the configured instruments is no failure of the flatten, and nothing to pass over.
    log = context.log.warning if outcome.closing.unconfigured else context.log.info
    log(f"{outcome.closing.result}: {outcome.closing.reason}")
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
    opened, record = guarded(lambda: desk.open_of(flatten_id))
    request = guarded(lambda: _repeat(context, opened, record.request))
    # Begun before anything else may fail, so that it gets its closing row.
    running = desk.begin(opened, request)
    _announce(context, opened, request)
    context.log.warning("Only verify_flat is executed again: nothing is sent. Re-execute all steps to close what is left.")

    def look() -> None:
        running.flatten.take_lock()
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


def _repeat(context: dg.OpExecutionContext, desk: Desk, request: FlattenRequest) -> FlattenRequest:
    """Open a new flatten that asks for what an earlier one asked for."""
    return open_flatten(
        desk,
        launched_by=_launched_by(context),
        instruments=request.instruments,
        is_dry_run=request.is_dry_run,
        scheduled_at=request.scheduled_at,
        run_id=context.run_id,
        parent_flatten_id=request.flatten_id,
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


def _scheduled_at(context: dg.OpExecutionContext) -> datetime | None:
    text = context.run.tags.get(tags.SCHEDULED_AT)
    if text is None:
        return None
    try:
        scheduled_at = datetime.fromisoformat(text)
    except ValueError:
        scheduled_at = None
    if scheduled_at is None or scheduled_at.tzinfo is None:
        message = (
            f"The run's tag {tags.SCHEDULED_AT} is {text!r}, not a time with its offset. Nothing was sent; drop the tag."
        )
        raise dg.Failure(message, allow_retries=False)
    return scheduled_at


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
        context.log.info(progress.text if share is None else f"{progress.text} [{share:.0%} of the notional accepted]")

    return log
