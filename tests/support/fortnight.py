"""Two weeks of a desk with two accounts, from closes on the paper exchange to tables on disk, with a gap in them.

The flattens really ran, one after the other, and are told again on the days of the fortnight; the tables are built by the
real job. The documents show what is read from these tables, and the example is run over them.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.storage.tags import ASSET_PARTITION_RANGE_END_TAG, ASSET_PARTITION_RANGE_START_TAG
from flatten_lab import SETTINGS, build_scenario, position, stubborn
from replayed_days import record_evening, replay_days

from deepcoin_ops.definitions import build_definitions
from deepcoin_ops.domain.tables import RECONCILIATION
from deepcoin_ops.orchestration.tables import TableStore
from deepcoin_ops.settings import Settings, load_settings

BTC, ETH, DOT = "BTC-USDT-SWAP", "ETH-USDT-SWAP", "DOT-USDT-SWAP"
FIRST, LAST, NEVER_BUILT = "2026-03-02", "2026-03-13", "2026-03-11"

_SECOND = f"  second: {{credentials_prefix: SECOND, instruments: [{BTC}, {ETH}]}}"
# No tick on Saturdays and Sundays.
_DESK = SETTINGS.replace("accounts:", f"accounts:\n{_SECOND}")
_DESK += f'schedule: {{first_trading_day: {FIRST}, cron: "30 23 * * 1-5"}}\n'
_HELD = (position(BTC, "PAPER-1", "500"), position(ETH, "PAPER-2", "90.5", "short"))
_EVENINGS = {
    "flat": build_scenario(_HELD),
    "residual": build_scenario(_HELD, stubborn(ETH)),
    "unconfigured": build_scenario([*_HELD, position(DOT, "PAPER-5", "7")]),
}
# What main did; the second account was flat each time. A day that is not here has no flatten at all.
_MAIN = {
    "2026-03-02": "flat",
    "2026-03-03": "residual",
    "2026-03-04": None,
    "2026-03-05": "residual",
    "2026-03-06": "residual",
    "2026-03-09": "flat",
    "2026-03-10": "unconfigured",
    NEVER_BUILT: "flat",
    "2026-03-12": "residual",
}


def build_fortnight(folder: Path) -> Settings:
    """Run the evenings, tell them again, and build every day's tables but one; takes about ten seconds.

    Args:
        folder: Empty; settings, state and tables go there.

    Returns:
        The settings of the desk; its tables are at `tables_url`.
    """
    evenings = {name: record_evening(folder / name, scenario) for name, scenario in _EVENINGS.items()}
    settings_file = folder / "flatten.yaml"
    settings_file.write_text(_DESK)
    variables = {
        "DEEPCOIN_OPS_SETTINGS": str(settings_file),
        "DEEPCOIN_OPS_STATE": str(folder / ".deepcoin_ops"),
        "DEEPCOIN_OPS_PAPER_URL": "http://127.0.0.1:1",
    }
    settings = load_settings(variables)
    second = evenings["flat"].of_account("second")
    replay_days(settings, {day: [*([evenings[name]] if name else []), second] for day, name in _MAIN.items()})
    (folder / "dagster").mkdir()
    with _environment(variables), dg.DagsterInstance.ephemeral(tempdir=str(folder / "dagster")) as instance:
        tags = {ASSET_PARTITION_RANGE_START_TAG: FIRST, ASSET_PARTITION_RANGE_END_TAG: LAST}
        job = build_definitions(settings=settings).resolve_job_def("rebuild_day_tables")
        assert job.execute_in_process(tags=tags, instance=instance).success
    TableStore(settings.tables_url, settings.locks_folder).path(RECONCILIATION, NEVER_BUILT).unlink()
    return settings


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """The resources of a run find their settings where they look for them: in the environment."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
