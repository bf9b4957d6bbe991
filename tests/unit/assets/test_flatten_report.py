"""The report as an asset: one page per day, from the ledger's head alone, whatever else is on disk. Nobody listens."""

from __future__ import annotations

import base64
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from flatten_lab import position
from report_lab import open_labs

from deepcoin_ops.definitions import build_definitions
from deepcoin_ops.domain.model import Verdict
from deepcoin_ops.domain.tables import RECONCILIATION
from deepcoin_ops.orchestration.reports import FLATTEN_REPORT, ReportStore
from deepcoin_ops.settings import load_settings

GOOD, BAD, QUIET = "2026-03-04", "2026-03-05", "2026-03-06"


def metadata_by_day(result: dg.ExecuteInProcessResult) -> dict[str | None, dict[str, Any]]:
    """What the report's partitions show."""
    events = [event.materialization for event in result.get_asset_materialization_events()]
    own = [event for event in events if event.asset_key == dg.AssetKey(FLATTEN_REPORT)]
    return {event.partition: {name: value.value for name, value in event.metadata.items()} for event in own}


def test_each_day_of_a_run_has_a_page_and_metadata_of_its_own(office: Any) -> None:
    """A backfill of a year is four runs, and every day tells its own story; nobody flattened is not a clean day."""
    office.record_flatten(GOOD)
    office.record_flatten(BAD, Verdict.RESIDUAL)
    shown = metadata_by_day(office.rebuild(GOOD, QUIET))
    assert {day: each["headline"] for day, each in shown.items()} == {
        GOOD: "FLAT: main (500 USDT closed). No break.",
        BAD: "NOT FLAT: main (200 USDT left open). 1 break (1 ERROR).",
        QUIET: "NOBODY FLATTENED: main (value left not known). 1 break (1 ERROR).",
    }
    assert {day: (each["breaks"], each["flatten_runs"]) for day, each in shown.items()} == {
        GOOD: (0, 1),
        BAD: (1, 1),
        QUIET: (1, 0),
    }
    for day, each in shown.items():
        assert day in Path(each["path"]).read_text()
        assert "exposure" not in each  # no close is on record: no picture


def test_the_page_has_the_tables_head_and_is_the_same_when_built_again(office: Any) -> None:
    """Same ledger head, same bytes; and the page and the tables of a run speak of one moment."""
    office.record_flatten(BAD, Verdict.RESIDUAL)
    first = metadata_by_day(office.rebuild(BAD))[BAD]
    page = Path(first["path"]).read_bytes()
    head = office.store.read(RECONCILIATION, BAD).head
    assert (first["ledger_head_seq"], first["ledger_head_hashes"]) == (head.seq, head.hashes)
    again = metadata_by_day(office.rebuild(BAD))[BAD]
    assert Path(again["path"]).read_bytes() == page
    assert again == first


def test_the_report_needs_no_table_on_disk(office: Any) -> None:
    """It is built beside the tables in any order, so that it may not read what another asset is about to write."""
    office.record_flatten(BAD, Verdict.RESIDUAL)
    page = Path(metadata_by_day(office.rebuild(BAD))[BAD]["path"]).read_bytes()
    shutil.rmtree(office.settings.tables_url)
    job = build_definitions(settings=office.settings).resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(
        asset_selection=[dg.AssetKey(FLATTEN_REPORT)], partition_key=BAD, instance=office.instance
    )
    assert Path(metadata_by_day(result)[BAD]["path"]).read_bytes() == page
    assert [path.name for path in Path(office.settings.tables_url).iterdir()] == [FLATTEN_REPORT]


def test_a_page_of_a_newer_head_stays_and_the_metadata_says_what_it_says(office: Any) -> None:
    """A slow run with an old head must not take back what a later one knows, nor show a picture of the old one."""
    office.record_flatten(BAD, Verdict.RESIDUAL)
    first = metadata_by_day(office.rebuild(BAD))[BAD]
    path = Path(first["path"])
    newer = path.read_text().replace("&#34;seq&#34;: ", "&#34;seq&#34;: 9").replace("1 ERROR", "1 NEWER")
    path.write_text(newer)
    shown = metadata_by_day(office.rebuild(BAD))[BAD]
    assert (shown["built_from_newer_head"], shown["headline"]) == (True, first["headline"].replace("ERROR", "NEWER"))
    assert shown["ledger_head_seq"] > first["ledger_head_seq"]
    assert path.read_text() == newer


def test_a_real_evening_has_its_picture_in_the_metadata(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Flattened on the paper exchange, which is gone when the report is built: the picture comes from the ledger."""
    positions = {"main": [position("BTC-USDT-SWAP", "1", "970"), position("SOL-USDT", "2", "12.5")]}
    with open_labs(tmp_path, positions) as labs:
        labs["main"].flatten()
        trading_day = labs["main"].desk.settings.calendar.day_of(datetime.now(UTC))
    environ = {
        "DEEPCOIN_OPS_SETTINGS": str(tmp_path / "flatten.yaml"),
        "DEEPCOIN_OPS_STATE": str(tmp_path / "state"),
        "DEEPCOIN_OPS_PAPER_URL": "http://127.0.0.1:1",
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(environ)
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path / "dagster")) as instance:
        job = build_definitions(settings=settings).resolve_job_def("rebuild_day_tables")
        shown = metadata_by_day(job.execute_in_process(partition_key=trading_day, instance=instance))[trading_day]
    label, picture = shown["exposure"].rstrip(")").split("](")
    assert label == "![USDT still open over time"
    assert base64.b64decode(picture.removeprefix("data:image/png;base64,")).startswith(b"\x89PNG")
    assert len(picture) < 60_000
    stored = ReportStore(settings.tables_url, settings.locks_folder).read(trading_day)
    assert stored is not None
    assert (stored.facts.headline, stored.facts.breaks) == (shown["headline"], 0)
    assert shown["headline"] == "NOTHING DUE: hedge. FLAT: main (96,637 USDT closed). No break."
