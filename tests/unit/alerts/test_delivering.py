"""A whole pass: from a real ledger to a real web server on loopback, each fact once, whatever becomes of the deliveries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from alert_receiver import TOKEN, AlertReceiver
from flatten_lab import SETTINGS

from deepcoin_ops.alerts import delivering
from deepcoin_ops.alerts.alert import Alert, AlertKind
from deepcoin_ops.alerts.delivering import AlertsReport, deliver_due, find_kept_flattens, send_test
from deepcoin_ops.alerts.outbox import AlertState, OutboxEntry
from deepcoin_ops.commands.alerts import build_test_letter
from deepcoin_ops.domain.breaks import Severity
from deepcoin_ops.domain.errors import AlertsFailed
from deepcoin_ops.settings import Settings, load_settings
from deepcoin_ops.settings_alerts import AlertAddresses, parse_alert_urls

# Nobody flattened on the seventh and the eighth, and there is not even a ledger.
NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
MISSED = [f"FLATTEN_MISSING:main:2026-03-0{day}" for day in (7, 8)]
TITLE = "[paper] main: NOBODY FLATTENED by the deadline; what is open is not known"


@pytest.fixture
def settings(settings_file: Callable[..., dict[str, str]]) -> Settings:
    """A desk on which nothing ever ran."""
    return load_settings(settings_file("http://127.0.0.1:1"))


@pytest.fixture
def receiver() -> Iterator[AlertReceiver]:
    """Where alerts arrive."""
    with AlertReceiver() as running:
        yield running


@pytest.fixture
def addresses(receiver: AlertReceiver) -> AlertAddresses:
    """Its address."""
    return parse_alert_urls(receiver.url)


def files_of(settings: Settings) -> str:
    """Everything that is written below the state folder."""
    return "".join(path.read_text() for path in settings.state_folder.rglob("*") if path.is_file())


def test_each_fact_arrives_once_however_often_somebody_looks(
    settings: Settings, addresses: AlertAddresses, receiver: AlertReceiver
) -> None:
    """Sensor and timer look all the time, and a process that starts anew knows what was told."""
    first = deliver_due(settings, addresses, NOW, wait_s=0)
    again = deliver_due(settings, addresses, NOW + timedelta(minutes=5), wait_s=0)
    assert receiver.titles == [TITLE, TITLE]
    assert (first.found, again.found, again.receipts) == (2, 0, ())
    assert first.is_all_told
    assert again.is_all_told
    assert TOKEN not in files_of(settings) + first.describe() + repr(first)


def test_two_who_deliver_at_once_deliver_once(
    settings: Settings, addresses: AlertAddresses, receiver: AlertReceiver
) -> None:
    """The sensor and the command line are two processes, and each may run at any moment."""
    with ThreadPoolExecutor(4) as pool:
        passes = [pool.submit(deliver_due, settings, addresses, NOW, wait_s=each) for each in (60, 60, 60, 60)]
        reports: list[AlertsReport] = [each.result() for each in passes]
    assert len(receiver.messages) == 2
    assert sum(report.found for report in reports) == 2


def test_whoever_does_not_wait_finds_it_held_and_does_nothing(
    settings: Settings, addresses: AlertAddresses, receiver: AlertReceiver
) -> None:
    """A sensor's tick must not stand behind a slow delivery of the command line."""
    receiver.is_mute = True
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(deliver_due, settings, addresses, NOW, wait_s=0, limit_s=10)
        while not receiver.tries:
            assert not slow.done()
        other = deliver_due(settings, addresses, NOW, wait_s=0)
        assert (other.is_busy, other.is_all_told, other.receipts) == (True, False, ())
        assert slow.result().failures[0].startswith("address 1 (json) no answer within 10 s")


def test_a_failed_delivery_is_noted_and_tried_again_after_its_pause(
    settings: Settings, addresses: AlertAddresses, receiver: AlertReceiver
) -> None:
    """It raises into nothing; what is told of it names the address by its number."""
    receiver.status = 503
    report = deliver_due(settings, addresses, NOW, wait_s=0)
    assert report.failures == [f"address 1 (json) answered with error 503: {MISSED[0]}"]
    assert not report.is_all_told
    assert report.states == {AlertState.WAITING: 2}
    receiver.status = 200
    # The second was not tried after the first had failed, so that it is due at once.
    deliver_due(settings, addresses, NOW + timedelta(seconds=14), wait_s=0)
    assert (receiver.tries, len(receiver.messages)) == (2, 1)
    deliver_due(settings, addresses, NOW + timedelta(seconds=15), wait_s=0)
    assert (receiver.tries, len(receiver.messages)) == (3, 2)
    assert TOKEN not in files_of(settings)


def test_without_an_address_alerts_are_kept_and_told_once_there_is_one(
    settings: Settings, addresses: AlertAddresses, receiver: AlertReceiver
) -> None:
    """Nothing pretends to have been delivered."""
    report = deliver_due(settings, AlertAddresses(), NOW, wait_s=0)
    assert (report.states, report.is_all_told) == ({AlertState.KEPT: 2}, False)
    assert "names no address, so nobody is told" in report.describe()
    deliver_due(settings, addresses, NOW + timedelta(hours=1), wait_s=0)
    assert len(receiver.messages) == 2


def test_a_bad_address_is_told_and_the_good_one_delivers(settings: Settings, receiver: AlertReceiver) -> None:
    """By its number."""
    report = deliver_due(settings, parse_alert_urls(f"oops {receiver.url}"), NOW, wait_s=0)
    assert len(receiver.messages) == 2
    assert "address 1: expected an apprise URL" in report.describe()
    assert not report.is_all_told


def test_a_pass_brings_few_letters_to_an_address_and_the_next_one_the_rest(
    settings_file: Callable[..., dict[str, str]], addresses: AlertAddresses, receiver: AlertReceiver
) -> None:
    """A tick has to end in time whatever there is to tell."""
    names = "\n".join(
        f"  a{number}: {{credentials_prefix: A{number}, instruments: [BTC-USDT-SWAP]}}" for number in range(4)
    )
    settings = load_settings(settings_file("http://127.0.0.1:1", f"accounts:\n{names}\n"))
    deliver_due(settings, addresses, NOW, wait_s=0)
    assert len(receiver.messages) == 5
    deliver_due(settings, addresses, NOW + timedelta(seconds=1), wait_s=0)
    assert len(receiver.messages) == 8


def test_what_cannot_be_kept_is_told_all_the_same_once_an_hour(
    settings: Settings, addresses: AlertAddresses, receiver: AlertReceiver
) -> None:
    """A full disk stops the flatten too: the night on which somebody has to be woken."""
    settings.alerts_folder.parent.mkdir(parents=True)
    settings.alerts_folder.write_text("a file where the folder should be")
    for now in (NOW, NOW + timedelta(minutes=59), NOW + timedelta(hours=1)):
        with pytest.raises(OSError, match="exists"):
            deliver_due(settings, addresses, now, wait_s=0)
    assert receiver.titles == ["[paper] all accounts: alerts cannot be kept on the disk"] * 2
    assert f"- {TITLE}" in receiver.messages[0]["message"]


def test_a_disk_with_hardly_any_room_is_told_before_anything_is_written_to_try_it(
    settings: Settings, addresses: AlertAddresses, receiver: AlertReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What tries the disk must not take the room that the next intent would have had."""
    monkeypatch.setattr(delivering, "_LEAST_ROOM_BYTES", 1 << 62)
    with pytest.raises(OSError, match="bytes are left"):
        deliver_due(settings, addresses, NOW, wait_s=0)
    assert receiver.titles[-1] == "[paper] all accounts: the ledger cannot be written: NOTHING WILL BE FLATTENED"
    assert not list(settings.state_folder.rglob("*.tmp"))


def test_a_log_of_the_ledger_that_cannot_be_written_is_found_before_a_flatten_is_due(
    settings: Settings, addresses: AlertAddresses, receiver: AlertReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another user opened the ledger first, and the log is that user's."""
    settings.ledger_path.parent.mkdir(parents=True, exist_ok=True)
    log = settings.ledger_path.with_name(f"{settings.ledger_path.name}-wal")
    log.touch()
    monkeypatch.setattr(delivering.os, "access", lambda path, mode: path != log)
    with pytest.raises(OSError, match=r"no permission to write ledger\.sqlite-wal"):
        deliver_due(settings, addresses, NOW, wait_s=0)
    assert receiver.titles[-1] == "[paper] all accounts: the ledger cannot be written: NOTHING WILL BE FLATTENED"


def test_a_pass_that_fails_says_so_once_an_hour_and_delivers_what_was_kept(
    settings: Settings, addresses: AlertAddresses, receiver: AlertReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of this program must not be a night without alerts; what it quotes stays on this machine."""
    deliver_due(settings, AlertAddresses(), NOW, wait_s=0)

    def fail(_facts: object) -> list[Alert]:
        raise KeyError("hush")

    monkeypatch.setattr(delivering, "find_alerts", fail)
    for minutes in (1, 30, 61):
        with pytest.raises(AlertsFailed, match="KeyError: 'hush'"):
            deliver_due(settings, addresses, NOW + timedelta(minutes=minutes), wait_s=0)
    assert receiver.titles == [TITLE, TITLE, *["[paper] all accounts: ALERTS FAIL: no other alert may come"] * 2]
    assert "a pass over the alerts ended early: KeyError." in receiver.messages[2]["message"]
    assert "hush" not in str(receiver.messages)


def test_a_desk_that_begins_later_is_told_what_is_not_watched(
    settings_file: Callable[..., dict[str, str]], addresses: AlertAddresses, receiver: AlertReceiver
) -> None:
    """Two alerts are off until then."""
    first = datetime.now(UTC).date() + timedelta(days=20)
    text = f"{SETTINGS}schedule: {{first_trading_day: {first}}}\n"
    settings = load_settings(settings_file("http://127.0.0.1:1", text))
    said = deliver_due(settings, addresses, NOW, wait_s=0).describe()
    warning = f"Nothing is watched before {first}"
    assert warning in said
    assert warning in build_test_letter(settings, NOW).body
    assert receiver.messages == []


def test_a_flatten_counts_as_kept_only_once_its_end_is() -> None:
    """That it passed over a cap is told while it is at work; what it leaves open has to be read all the same."""

    def entry(kind: AlertKind) -> OutboxEntry:
        return OutboxEntry.of(Alert(f"{kind}:{kind.lower()}", kind, Severity.ERROR, "main", "", ""), NOW)

    kept = find_kept_flattens(entry(kind) for kind in AlertKind)
    assert kept == {"not_flat", "unverified", "refused", "killed"}


def test_a_test_alert_goes_to_every_address_past_the_outbox(settings: Settings, receiver: AlertReceiver) -> None:
    """Again and again, until it arrives."""
    with AlertReceiver() as gone:
        both = parse_alert_urls(f"{gone.url} {receiver.url}")
    told = [send_test(both, build_test_letter(settings, NOW)) for _ in range(2)]
    assert [[each.failure for each in receipts] for receipts in told] == [["could not be reached", None]] * 2
    assert receiver.titles == ["[paper] test alert of deepcoin_ops"] * 2
    assert not settings.state_folder.exists()
