"""What a person sees in a browser after an evening on which something stayed open: Dagster's page, and the day's report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from browser import Browser, open_browser
from dagster_stack import INSTRUMENTS, DagsterStack, build_scenario, build_settings_text, run_dagster
from flatten_lab import stubborn
from waiting import wait_for

from deepcoin_ops.domain.tables import RECONCILIATION
from deepcoin_ops.orchestration.reports import FLATTEN_REPORT

ACCOUNT, STUCK = "main", INSTRUMENTS[0]
PHONE_PX = 390


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """One browser for all tests."""
    with open_browser(tmp_path_factory.mktemp("browser")) as running:
        yield running


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[DagsterStack]:
    """A Dagster after a flatten that left one instrument open, with the day's tables and its report built."""
    stays_open = stubborn(STUCK)
    folder = tmp_path_factory.mktemp("dagster-browser")
    with run_dagster(folder, build_settings_text([ACCOUNT]), build_scenario([ACCOUNT], stays_open)) as running:
        run = running.page.wait_for_end(running.page.launch_flatten(ACCOUNT))
        assert run.status == "FAILURE"
        for asset in (RECONCILIATION.name, FLATTEN_REPORT):
            wait_for(f"{asset} of today", lambda asset=asset: find_days(running, asset))
        # A day that is just being built again has no details in the page.
        for run_id in running.page.list_runs("rebuild_day_tables"):
            running.page.wait_for_end(run_id)
        yield running


def find_days(stack: DagsterStack, asset: str) -> list[str]:
    """The days of an asset that were built after the flatten; the sensor builds one that is not over yet as well."""
    with stack.open_history() as history:
        head = history.read_head(stack.trading_day)
    built = stack.page.list_materialisations(asset, [stack.trading_day])
    return [each.partition for each in built if head and each.metadata["ledger_head_seq"] == head.seq]


def test_the_run_of_a_flatten_names_first_what_is_left(stack: DagsterStack, browser: Browser) -> None:
    """Who opens a failed run wants to know what is open, and not which exception was raised."""
    [run_id] = stack.page.list_runs("flatten_positions")
    browser.open(f"{stack.page.url}/runs/{run_id}", "verify_flat", f"{STUCK} RESIDUAL: long 100 still open")
    browser.take_picture("run")


def test_the_assets_page_says_what_a_row_is_and_what_its_columns_mean(stack: DagsterStack, browser: Browser) -> None:
    """The table's contract is where its user looks for it."""
    url = f"{stack.page.url}/assets/{RECONCILIATION.name}?view=overview"
    browser.open(url, f"One row per {RECONCILIATION.row_is}", "quantity_after_contracts", "what_to_do")
    browser.take_picture("overview")


def test_a_partition_shows_its_window_its_head_and_how_many_flattened(stack: DagsterStack, browser: Browser) -> None:
    """A key alone does not tell from when to when the day went."""
    url = f"{stack.page.url}/assets/{RECONCILIATION.name}?view=partitions&partition={stack.trading_day}"
    starts_at, _ends_at = stack.settings.calendar.window(stack.trading_day)
    shown = browser.open(url, stack.trading_day, "flatten_runs", "ledger_head_seq", "NOT_FLAT")
    assert starts_at.isoformat() in shown
    browser.take_picture("partitions")


def test_the_checks_page_lists_every_check_with_what_the_day_came_to(stack: DagsterStack, browser: Browser) -> None:
    """The badge is what people look at in passing."""
    url = f"{stack.page.url}/assets/{RECONCILIATION.name}?view=checks"
    names = ("all_flat", "no_unknown_outcomes", "no_unconfigured_positions", "evidence_matches", "days_with_open_breaks")
    browser.open(url, *names, "ledger_chain_intact", "schema")
    detail = f"{url}&checkDetail=all_flat"
    browser.open(detail, f"{stack.trading_day}: 1 x RESIDUAL_POSITION")
    browser.take_picture("checks")


def test_the_plot_of_the_evening_is_in_the_reports_metadata(stack: DagsterStack, browser: Browser) -> None:
    """The picture is carried by the page itself, so that it needs no file that may be gone."""
    url = f"{stack.page.url}/assets/{FLATTEN_REPORT}?view=events&partition={stack.trading_day}"
    browser.open(url, "NOT FLAT: main", "exposure")
    browser.click("[Show Markdown]")
    width_px, height_px = browser.wait_for_picture()
    browser.take_picture("plot")
    assert width_px > 300
    assert height_px > 100


@pytest.mark.parametrize("width_px", [PHONE_PX, 1200], ids=["phone", "desk"])
def test_the_report_is_one_file_that_fits_the_screen(stack: DagsterStack, browser: Browser, width_px: int) -> None:
    """It is opened from a mail on the way to work, where nothing else can be loaded."""
    [latest, *_] = stack.page.list_materialisations(FLATTEN_REPORT, [stack.trading_day])
    browser.set_width(width_px)
    shown = browser.open(Path(latest.metadata["path"]).as_uri(), "NOT FLAT", STUCK)
    browser.take_picture(f"report-{width_px}")
    assert "flatten again or close it by hand" in shown
    assert browser.overflow_px() == 0
    assert browser.requested_urls() == []
