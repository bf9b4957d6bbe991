"""Settings that cannot be used: told from the environment alone, whatever can be kept."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from alert_receiver import AlertReceiver

from deepcoin_ops.alerts import memory
from deepcoin_ops.alerts.broken_settings import tell_broken_settings
from deepcoin_ops.domain.errors import SettingsError
from deepcoin_ops.settings import load_settings
from deepcoin_ops.settings_alerts import parse_alert_urls

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)


@pytest.fixture
def receiver() -> Iterator[AlertReceiver]:
    """Where alerts arrive."""
    with AlertReceiver() as running:
        yield running


@pytest.fixture
def tell(settings_file: Callable[..., dict[str, str]], receiver: AlertReceiver) -> Callable[..., list[str]]:
    """Tells of a file without accounts, or of another; variables may be added."""

    def tell(now: datetime, text: str = "accounts: {}", **variables: str) -> list[str]:
        environ = settings_file("http://127.0.0.1:1", text) | variables
        with pytest.raises(SettingsError) as raised:
            load_settings(environ)
        return tell_broken_settings(raised.value, parse_alert_urls(receiver.url), now, environ)

    return tell


def test_it_is_told_again_after_an_hour(tell: Callable[..., list[str]], receiver: AlertReceiver) -> None:
    """The timer comes every few minutes, each time as a new process."""
    for later in (timedelta(0), timedelta(minutes=59), timedelta(hours=1), timedelta(minutes=61)):
        tell(NOW + later)
    assert len(receiver.messages) == 2


def test_a_failed_delivery_does_not_count_as_told(tell: Callable[..., list[str]], receiver: AlertReceiver) -> None:
    """The next run of the timer tries again."""
    receiver.status = 500
    assert tell(NOW) == ["address 1 (json) answered with error 500."]
    receiver.status = 200
    tell(NOW + timedelta(minutes=5))
    assert len(receiver.messages) == 1


def test_where_nothing_can_be_kept_it_is_told_every_time(
    tell: Callable[..., list[str]], receiver: AlertReceiver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Too often is a nuisance, and silence is a position left open."""
    (tmp_path / "state").write_text("a file where the folder should be")
    tell(NOW)
    tell(NOW)
    assert len(receiver.messages) == 1  # the machine's folder for temporary files has kept it
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "state"))
    for _ in range(2):
        monkeypatch.setattr(memory, "_of_this_process", {})  # each run of the timer is a new process
        tell(NOW)
    assert len(receiver.messages) == 3


@pytest.mark.parametrize(
    "text", ["hush-4711", "accounts: *hush-4711", "accounts: !hush-4711 x", "accounts: [hush-4711, 'a; b']"]
)
def test_what_was_found_stays_on_this_machine(tell: Callable[..., list[str]], receiver: AlertReceiver, text: str) -> None:
    """A terminal may show what somebody pasted into the wrong place; a chat service may not."""
    tell(NOW, text=text)
    assert "flatten.yaml:1: " in receiver.messages[0]["message"]
    assert "hush-4711" not in str(receiver.messages)


def test_no_venue_is_claimed_that_may_be_another(tell: Callable[..., list[str]], receiver: AlertReceiver) -> None:
    """Whoever reads of the paper venue at night goes back to sleep."""
    tell(NOW, DEEPCOIN_OPS_VENUE="liev")
    assert receiver.titles == ["[venue not known] all accounts: the settings cannot be used: NOTHING WILL BE FLATTENED"]
    assert "did you mean live?" in receiver.messages[0]["message"]
