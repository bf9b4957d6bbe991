"""The Dagster on which ways in are tried, and what is tried on the jobs, schedules and sensors themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
from dagster_stack import INSTRUMENTS, DagsterStack, build_settings_text, run_dagster_with
from flatten_lab import position
from ways import FLATTEN, HELD, Definition, Launch, Way
from ways_launches import list_edited, list_parts, list_tagged, list_times
from ways_mutations import build_flatten_config
from ways_process import LocalRuns

from deepcoin_ops.domain.model import Venue
from deepcoin_ops.orchestration import tags
from deepcoin_ops.paper.listing import LISTED
from deepcoin_ops.paper.scenario import LimitSettings, PaperAccount, Scenario
from deepcoin_ops.paper.server import PaperExchange

# The last one is named wherever nothing may be sent; each of the others has controls of its own.
ACCOUNTS = ("main", "second", "third", "kept")
KEPT = "kept"
PERIOD_S = 0.05
MAX_LATENESS = timedelta(minutes=30)
DEFINITION = Definition(ACCOUNTS, INSTRUMENTS, MAX_LATENESS)
_CONFIGS: dict[str, dict[str, Any]] = {
    FLATTEN: build_flatten_config(KEPT),
    "plan_positions": {"ops": {"show_plan": {"config": {"account": KEPT}}}},
    "preflight": {"ops": {"check_admission": {"config": {"account": KEPT}}}},
    "check_credentials": {"ops": {"check_keys": {"config": {"account": KEPT}}}},
    "collect_evidence": {"ops": {"fetch_day_evidence": {"config": {"account": KEPT}}}},
    "rebuild_day_tables": {},
    "__ASSET_JOB": {},
}
TABLE_JOBS = ("rebuild_day_tables", "__ASSET_JOB")


@contextmanager
def run_ways_stack(folder: Path) -> Iterator[DagsterStack]:
    """A Dagster with a fast exchange that counts, on which every account holds something."""
    text = build_settings_text(ACCOUNTS, past_days=2).replace("spacing_s: 0.2", f"spacing_s: {PERIOD_S}")
    text = text.replace("settle_s: 0.3, read_gap_s: 0.3", "settle_s: 0.1, read_gap_s: 0.1")
    settings = folder / "flatten.yaml"
    settings.write_text(text)
    owners = tuple(PaperAccount(each, (position(HELD, "", "100"),)) for each in ACCOUNTS)
    limits = LimitSettings(period_s=PERIOD_S, retry_after="0")
    with PaperExchange(Scenario(LISTED, owners, limits=limits)) as paper:
        variables = {
            "DEEPCOIN_OPS_SETTINGS": str(settings),
            "DEEPCOIN_OPS_STATE": str(folder / "state"),
            "DEEPCOIN_OPS_PAPER_URL": paper.url,
            "DEEPCOIN_BASE_URL": paper.url,
            "DEEPCOIN_OPS_VENUE": Venue.PAPER.value,
        }
        with run_dagster_with(folder, variables, paper) as stack:
            yield stack


def list_jobs(runs: LocalRuns) -> list[str]:
    """Every job of the code location; one that is new has no run config here and fails."""
    names = [job.name for job in runs.repository.get_all_jobs()]
    assert set(names) == set(_CONFIGS)
    return names


def list_config_ways(runs: LocalRuns) -> Iterator[Way]:
    """Every field and every foreign key of the run-config schema of every job, and of each op of it alone.

    What is not asked of the flatten itself is edited in a dry run, so that nothing may be sent. Jobs over the tables take
    seconds; their fields get one value each.
    """
    for name in list_jobs(runs):
        job = runs.repository.get_job(name)
        for part in list_parts(job) if name not in TABLE_JOBS else [()]:
            base = _CONFIGS[name] if not part or part == (_first_op(name),) else {}
            of_part = job.get_subset(op_selection=list(part)) if part else job
            for number, (label, config) in enumerate(list_edited(of_part, base)):
                if name == FLATTEN and ".config.account" not in label and ".config.instruments" not in label:
                    config = _as_dry_run(config, label)
                launch = Launch(name, config, _day_tags(name), part)
                if name != "__ASSET_JOB" or number % 4 == 0:
                    yield build_way(runs, "run config", f"{name} {'/'.join(part)} {label}", launch)


def _first_op(job: str) -> str:
    return next(iter(_CONFIGS[job].get("ops", {"": None})))


def _as_dry_run(config: dict[str, Any], label: str) -> dict[str, Any]:
    asked = config.get("ops", {}).get("plan_closes", {}).get("config")
    if isinstance(asked, dict) and ".config.dry_run" not in label:
        return {**config, "ops": {**config["ops"], "plan_closes": {"config": {**asked, "dry_run": True}}}}
    return config


def _day_tags(job: str) -> dict[str, str]:
    return {"dagster/partition": f"{datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"} if job in TABLE_JOBS else {}


def list_tag_ways(runs: LocalRuns) -> Iterator[Way]:
    """Every tag on every job."""
    for name in list_jobs(runs):
        for label, launch in list_tagged(name, _CONFIGS[name], datetime.now(UTC), MAX_LATENESS):
            yield build_way(runs, "tag", label, replace(launch, tags={**launch.tags, **_day_tags(name)}))


def list_age_ways(runs: LocalRuns) -> Iterator[Way]:
    """A launch that was asked for long ago, as one is that waited while the daemon was away."""
    for label, asked_at in list_times(datetime.now(UTC), MAX_LATENESS).items():
        if asked_at < datetime.now(UTC) and asked_at.year > 1:
            launch = Launch(FLATTEN, _CONFIGS[FLATTEN], asked_at=asked_at)
            yield build_way(runs, "age of a launch", f"asked for {label}", launch)


def list_tick_ways(runs: LocalRuns) -> Iterator[Way]:
    """Every schedule evaluated for moments past and future, and what this evaluation asks to be launched for an account."""
    for schedule in runs.repository.schedule_defs:
        for label, moment in list_times(datetime.now(UTC), MAX_LATENESS).items():
            for account in ("main", KEPT) if schedule.job_name == FLATTEN else (KEPT,):
                wanted = DEFINITION.find_wanted(_tick(account, moment)) if schedule.job_name == FLATTEN else None
                yield Way(
                    "tick", f"{schedule.name} of {account} {label}", _evaluate(runs, schedule, moment, account), wanted
                )


def _evaluate(runs: LocalRuns, schedule: dg.ScheduleDefinition, moment: datetime, account: str) -> Callable[[], str]:
    def go() -> str:
        context = dg.build_schedule_context(
            instance=runs.instance, scheduled_execution_time=moment, repository_def=runs.repository
        )
        try:
            tick = schedule.evaluate_tick(context)
        except dg.DagsterError as error:
            return f"failed: {error}"
        requests = [each for each in tick.run_requests or () if each.tags.get(tags.ACCOUNT, account) == account]
        launches = [Launch(schedule.job_name, each.run_config, each.tags) for each in requests if not each.partition_key]
        return "; ".join(runs.launch(each) for each in launches) or str(tick.skip_message)

    return go


def list_control_ways(runs: LocalRuns) -> Iterator[Way]:
    """What a person and the evening's tick do, and what has to send."""
    now = datetime.now(UTC)
    for account in ACCOUNTS:
        launches = {
            "by hand": Launch(FLATTEN, build_flatten_config(account)),
            "by hand, of what is open": Launch(FLATTEN, build_flatten_config(account, instruments=[HELD])),
            "by a tick that has just come": _tick(account, now),
            "by a tick that came within the limit": _tick(account, now - MAX_LATENESS / 2),
        }
        for label, launch in launches.items():
            yield replace(build_way(runs, "control", f"{account} {label}", launch), is_control=True)


def _tick(account: str, moment: datetime) -> Launch:
    return Launch(FLATTEN, build_flatten_config(account, dry_run=False), {tags.SCHEDULED_AT: moment.isoformat()})


def build_way(runs: LocalRuns, kind: str, label: str, launch: Launch) -> Way:
    """The way in of a launch in this process."""
    return Way(kind, label[:300], lambda: runs.launch(launch), DEFINITION.find_wanted(launch))
