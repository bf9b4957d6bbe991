"""Nobody sleeps through it: a real daemon, nothing switched on by hand, and a web server that takes what is told."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from alert_receiver import TOKEN, AlertReceiver
from dagster_stack import INSTRUMENTS, DagsterStack, build_scenario, build_settings_text, run_dagster
from flatten_lab import stubborn
from waiting import stays, wait_for

ACCOUNT = "main"
STUBBORN = INSTRUMENTS[0]


@pytest.fixture(scope="module")
def receiver() -> Iterator[AlertReceiver]:
    """Where alerts arrive."""
    with AlertReceiver() as running:
        yield running


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory, receiver: AlertReceiver) -> Iterator[DagsterStack]:
    """A Dagster whose schedule nobody has switched on, on a desk of which one position cannot be closed."""
    folder = tmp_path_factory.mktemp("dagster-alerts")
    scenario = build_scenario([ACCOUNT], stubborn(STUBBORN))
    with run_dagster(folder, build_settings_text([ACCOUNT]), scenario, DEEPCOIN_OPS_ALERT_URLS=receiver.url) as running:
        yield running


def list_arrived(receiver: AlertReceiver, words: str) -> list[str]:
    """The messages whose titles hold some words."""
    return [message["message"] for message in receiver.messages if words in message["title"]]


@pytest.mark.chaos
def test_days_that_nobody_flattened_are_told_although_nothing_ever_ran(
    stack: DagsterStack, receiver: AlertReceiver
) -> None:
    """There is no ledger yet, and the schedule was forgotten; each day is told once, however often the sensor looks."""

    def told() -> list[str] | None:
        return list_arrived(receiver, "NOBODY FLATTENED") or None

    wait_for("an alert of a missed day", told)
    messages = stays(told, for_s=20.0) or []
    days = [message.split("trading day ")[1][:10] for message in messages]
    assert len(set(days)) == len(days) <= 2
    assert all(day < stack.trading_day for day in days)
    assert stack.page.list_runs("flatten_positions") == []


def test_a_flatten_that_ends_not_flat_is_told_within_the_sensors_interval(
    stack: DagsterStack, receiver: AlertReceiver
) -> None:
    """With what is open, and the run in which to look; the addresses are in no tick, run or file."""
    run_id = stack.page.launch_flatten(ACCOUNT)
    assert stack.page.wait_for_end(run_id).status == "FAILURE"
    [message] = wait_for("an alert of the flatten", lambda: list_arrived(receiver, "NOT FLAT") or None)
    [flatten] = stack.read_flattens(ACCOUNT)
    assert f"flatten {flatten.request.flatten_id}" in message
    assert f"Open: {STUBBORN} long 100" in message
    assert f"run {run_id} in Dagster's page" in message
    assert stack.truly_open(ACCOUNT) == {STUBBORN}
    written = [path for path in stack.settings.state_folder.parent.rglob("*") if path.is_file()]
    assert not [path for path in written if TOKEN.encode() in path.read_bytes()]
