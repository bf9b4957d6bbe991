"""Settings: what a good file gives, and that a bad one is told with its place and its cure, before anything is sent."""

from __future__ import annotations

import json
from datetime import time
from pathlib import Path

import pytest
import yaml

from deepcoin_ops.domain.errors import SettingsError
from deepcoin_ops.domain.model import Venue
from deepcoin_ops.settings import Settings, load_settings, resolve_credentials, without_credentials

ACCOUNT = "accounts: {main: {credentials_prefix: DEEPCOIN, instruments: [BTC-USDT-SWAP, ETH-USD-SWAP]}}\n"
TWO_ACCOUNTS = """
accounts:
  main: {credentials_prefix: DEEPCOIN, instruments: [BTC-USDT-SWAP]}
  hedge: {credentials_prefix: HEDGE, instruments: [BTC-USDT-SWAP]}
"""
SECRETS = {"DEEPCOIN_API_KEY": "key-7f3a", "DEEPCOIN_SECRET_KEY": "sec-91bc", "DEEPCOIN_PASSPHRASE": "pass phrase-44"}


@pytest.fixture
def settings_path(tmp_path: Path) -> Path:
    return tmp_path / "desk.yaml"


def _load(path: Path, text: str, **environ: str) -> Settings:
    path.write_text(text, encoding="utf-8")
    return load_settings({"DEEPCOIN_OPS_SETTINGS": str(path), "DEEPCOIN_OPS_STATE": str(path.parent), **environ})


def _problems(path: Path, text: str, **environ: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        _load(path, text, **environ)
    return str(caught.value).splitlines()[1:]


def _account(instruments: str, more: str = "") -> str:
    return f"accounts: {{main: {{credentials_prefix: DEEPCOIN, {more} instruments: {instruments}}}}}\n"


BAD_FILES = {
    "boundary in a clock change": (
        ACCOUNT + 'schedule: {timezone: Europe/Zurich, day_boundary: "02:30"}',
        "schedule.day_boundary",
        "clocks change",
    ),
    "boundary in a repeated hour": (
        ACCOUNT + 'schedule: {timezone: America/New_York, day_boundary: "01:00"}',
        "schedule.day_boundary",
        "clocks change",
    ),
    "unknown key": (ACCOUNT + "colour: red", "colour", "accounts, schedule, pace"),
    "misspelt section": (ACCOUNT + "shedule: {}", "shedule", "did you mean schedule?"),
    "misspelt key": (ACCOUNT + "flatten: {setle_s: 3}", "flatten.setle_s", "did you mean settle_s?"),
    "misspelt account key": (_account("[BTC-USDT-SWAP]", "close_spots: true,"), "main.close_spots", "close_spot?"),
    "duplicate key": (ACCOUNT + "pace: {}\npace: {}", "pace", "again after line 2"),
    "duplicate account": (TWO_ACCOUNTS.replace("hedge", "main"), "accounts.main", "remove one of the two"),
    "no accounts": ("pace: {}", "accounts", "add it"),
    "empty accounts": ("accounts: {}", "accounts", "at least one"),
    "bad account name": (ACCOUNT.replace("main", "Main Desk"), "accounts.Main Desk", "a-z, 0-9"),
    "no prefix": ("accounts: {main: {instruments: [BTC-USDT-SWAP]}}", "main.credentials_prefix", "add it"),
    "one prefix twice": (TWO_ACCOUNTS.replace("HEDGE", "DEEPCOIN"), "hedge.credentials_prefix", "of its own"),
    "empty list": (_account("[]"), "accounts.main.instruments", "at least one instrument"),
    "no list": (_account("BTC-USDT-SWAP"), "accounts.main.instruments", "a list of"),
    "lower case": (_account("[btc-usdt-swap]"), "main.instruments[0]", "did you mean BTC-USDT-SWAP?"),
    "other spelling": (_account("[BTC_USDT_SWAP]"), "main.instruments[0]", "did you mean BTC-USDT-SWAP?"),
    "no dashes": (_account("[BTCUSDT]"), "main.instruments[0]", "such as BTC-USDT-SWAP"),
    "duplicate instrument": (_account("[ETH-USDT-SWAP, BTC-USDT-SWAP, ETH-USDT-SWAP]"), "instruments[2]", "at [0]"),
    "misspelt product group": (
        _account("[{instrument: BTC-USDT-SWAP, product_group: swapu}]"),
        "instruments[0].product_group",
        "did you mean SwapU?",
    ),
    "product group that does not fit": (
        _account("[{instrument: BTC-USDT-SWAP, product_group: Swap}]"),
        "instruments[0].product_group",
        "expected SwapU",
    ),
    "misspelt item key": (
        _account("[{instrument: BTC-USDT-SWAP, productGroup: SwapU}]"),
        "instruments[0].productGroup",
        "did you mean product_group?",
    ),
    "item of another type": (_account("[5]"), "instruments[0]", "found 5"),
    "spot without close_spot": (_account("[SOL-USDT]"), "instruments[0]", "set close_spot: true"),
    "misspelt word": (
        _account("[BTC-USDT-SWAP]", "cancel_orders: opening_only,"),
        "main.cancel_orders",
        "all, opening, none",
    ),
    "near word": (_account("[BTC-USDT-SWAP]", "cancel_orders: openin,"), "main.cancel_orders", "did you mean opening?"),
    "no word": (_account("[BTC-USDT-SWAP]", "cancel_orders: false,"), "main.cancel_orders", "one of all"),
    "all triggers but not all orders": (
        _account("[BTC-USDT-SWAP]", "cancel_orders: opening, cancel_triggers: by_product_group,"),
        "main.cancel_triggers",
        "as long as cancel_orders is not all",
    ),
    "text for a switch": (_account("[BTC-USDT-SWAP]", 'close_spot: "yes",'), "main.close_spot", "true or false"),
    "wrong timezone": (ACCOUNT + "schedule: {timezone: Europe/Lodnon}", "schedule.timezone", "mean Europe/London?"),
    "timezone in lower case": (ACCOUNT + "schedule: {timezone: utc}", "schedule.timezone", "did you mean UTC?"),
    "too few cron fields": (ACCOUNT + "schedule: {cron: 30 23 * *}", "schedule.cron", "five cron fields"),
    "cron with seconds": (ACCOUNT + "schedule: {cron: 0 30 23 * * *}", "schedule.cron", "five cron fields"),
    "cron out of range": (ACCOUNT + "schedule: {cron: 61 23 * * *}", "schedule.cron", "0 to 59"),
    "cron that never fires": (ACCOUNT + "schedule: {cron: 0 12 30 2 *}", "schedule.cron", "no such day"),
    "cron before the boundary": (ACCOUNT + "schedule: {cron: 45 23 * * *}", "schedule.cron", "boundary 00:00"),
    "cron after the boundary": (ACCOUNT + "schedule: {cron: 10 0 * * *}", "schedule.cron", "boundary 00:00"),
    "default cron at a new boundary": (ACCOUNT + 'schedule: {day_boundary: "23:30"}', "schedule.cron", "23:30"),
    "cron at the boundary on one day": (
        # 02:30 does not exist on the day the clocks go forward; the tick then comes at 03:00, where the day begins.
        ACCOUNT + 'schedule: {cron: 30 2 * * *, timezone: America/New_York, day_boundary: "03:10"}',
        "schedule.cron",
        "03:00",
    ),
    "two ticks in a day": (ACCOUNT + "schedule: {cron: 0 8-9 * * *}", "schedule.cron", "at most one tick"),
    "boundary out of range": (ACCOUNT + 'schedule: {day_boundary: "24:00"}', "schedule.day_boundary", "23:59"),
    "no lateness": (ACCOUNT + "schedule: {max_lateness_minutes: 0}", "schedule.max_lateness_minutes", "greater than"),
    "negative settle": (ACCOUNT + "flatten: {settle_s: -1}", "flatten.settle_s", "greater than or equal to 0"),
    "fraction of a round": (ACCOUNT + "flatten: {max_rounds: 1.5}", "flatten.max_rounds", "a whole number"),
    "too many in flight": (ACCOUNT + "flatten: {max_in_flight: 4}", "flatten.max_in_flight", "less than or equal to 3"),
    "endless deadline": (ACCOUNT + "flatten: {max_deadline_s: .inf}", "flatten.max_deadline_s", "a number"),
    "spacing of nothing": (ACCOUNT + "pace: {close_spacing_s: 0}", "pace.close_spacing_s", "greater than 0"),
    "number in quotes": (ACCOUNT + 'pace: {margin_ms: "60"}', "pace.margin_ms", "a number"),
    "too wide a clock offset": (ACCOUNT + "exchange: {max_clock_offset_s: 60}", "max_clock_offset_s", "equal to 30"),
    "empty section": (ACCOUNT + "exchange:", "exchange", "a mapping of keys"),
    "relative tables": (ACCOUNT + "storage: {tables: tables}", "storage.tables", "an absolute folder"),
}


@pytest.mark.parametrize(("text", "key", "cure"), BAD_FILES.values(), ids=BAD_FILES)
def test_a_bad_file_is_told_with_file_line_key_and_cure(settings_path: Path, text: str, key: str, cure: str) -> None:
    """An operator mends the file from the message alone, at night."""
    (line,) = [line for line in _problems(settings_path, text) if f"{key}: expected " in line]
    assert line.strip().startswith(f"{settings_path}:")
    assert cure in line


LIVE_ONLY = {
    "close_spacing_s": (ACCOUNT + "pace: {close_spacing_s: 0.9}", "pace.close_spacing_s", "at least 1.0"),
    "positions_spacing_s": (ACCOUNT + "pace: {positions_spacing_s: 0.05}", "pace.positions_spacing_s", "at least 0.1"),
    "account_spacing_s": (ACCOUNT + "pace: {account_spacing_s: 0.5}", "pace.account_spacing_s", "at least 1.0"),
    "orders_spacing_s": (ACCOUNT + "pace: {orders_spacing_s: 0.09}", "pace.orders_spacing_s", "at least 0.1"),
    "cancel_spacing_s": (ACCOUNT + "pace: {cancel_spacing_s: 0.9}", "pace.cancel_spacing_s", "at least 1.0"),
    "trigger_cancel_spacing_s": (
        ACCOUNT + "pace: {trigger_cancel_spacing_s: 0.03}",
        "pace.trigger_cancel_spacing_s",
        "at least 0.034",
    ),
    "market_spacing_s": (ACCOUNT + "pace: {market_spacing_s: 0.1}", "pace.market_spacing_s", "at least 0.2"),
    "read_gap_s": (ACCOUNT + "flatten: {read_gap_s: 1.0}", "flatten.read_gap_s", "at least 1.1"),
}


@pytest.mark.parametrize(("text", "key", "bound"), LIVE_ONLY.values(), ids=LIVE_ONLY)
def test_only_the_paper_venue_may_be_faster_than_the_exchange_allows(
    settings_path: Path, text: str, key: str, bound: str
) -> None:
    """Tests hurry the paper exchange; the same file must not reach the real one."""
    assert _load(settings_path, text).venue is Venue.PAPER
    (line,) = _problems(settings_path, text, DEEPCOIN_OPS_VENUE="live")
    assert f"{key}: expected {bound}" in line


def test_all_problems_are_told_at_once_with_the_line_each_stands_on(settings_path: Path) -> None:
    """Mending one and starting again for the next costs an evening."""
    text = """
accounts:
  main:
    credentials_prefix: DEEPCOIN
    instruments:
      - BTC-USDT-SWAP
      - btc-usd-swap
      - BTC-USDT-SWAP
schedule: {timezone: Mars/Base}
paces: {}
"""
    lines = _problems(settings_path, text, DEEPCOIN_OPS_VENUE="papre")
    assert len(lines) == 5
    found = "\n".join(lines)
    for place in ("DEEPCOIN_OPS_VENUE", "yaml:7: accounts.main.instruments[1]", "yaml:8: accounts.main.instruments[2]"):
        assert place in found
    assert "yaml:9: schedule.timezone" in found
    assert "yaml:10: paces" in found


def test_the_message_begins_with_what_it_means_for_the_positions(settings_path: Path) -> None:
    """Whoever is woken by it wants to know first whether anything was sent."""
    with pytest.raises(SettingsError, match=r"^The settings cannot be used\. Nothing was sent"):
        _load(settings_path, "accounts: {}")


UNREADABLE = {
    "empty": (b"", "a mapping of keys at the top"),
    "a list": (b"- accounts", "a mapping of keys at the top"),
    "not YAML": (b"accounts: {main: [", "expected YAML"),
    "an unknown tag": (b"accounts: !python/object:os.system {}", "expected YAML"),
    "control characters": (b"accounts: \x07", "expected YAML"),
    "not text": (b"accounts: \xff\xfe", "expected UTF-8"),
}


@pytest.mark.parametrize(("content", "cure"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_file_that_is_no_settings_file_is_told_as_such(settings_path: Path, content: bytes, cure: str) -> None:
    """A traceback of the YAML parser is no message."""
    settings_path.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        load_settings({"DEEPCOIN_OPS_SETTINGS": str(settings_path)})
    assert str(settings_path) in str(caught.value)
    assert cure in str(caught.value)


def test_a_missing_file_is_told_with_the_variable_that_names_it(settings_path: Path) -> None:
    """Falling back to the shipped file would flatten other instruments than the desk's."""
    with pytest.raises(SettingsError, match=r"desk\.yaml: expected a settings file, found none.*DEEPCOIN_OPS_SETTINGS"):
        load_settings({"DEEPCOIN_OPS_SETTINGS": str(settings_path)})


def test_a_path_that_cannot_be_read_is_told_with_the_reason(tmp_path: Path) -> None:
    """A folder stands for every unreadable file here: tests may run as root, whom no mode stops."""
    with pytest.raises(SettingsError, match="expected a readable file, found Is a directory"):
        load_settings({"DEEPCOIN_OPS_SETTINGS": str(tmp_path)})


def test_an_alias_of_its_own_parent_does_not_hang(settings_path: Path) -> None:
    """YAML allows a mapping that holds itself; walking it for line numbers must end."""
    assert _problems(settings_path, "accounts: &a {main: *a}")


BAD_ENVIRONMENT = {
    "venue": ("DEEPCOIN_OPS_VENUE", "LIVE", "did you mean live?"),
    "venue of another word": ("DEEPCOIN_OPS_VENUE", "test", "paper or live"),
    "misspelt variable": ("DEEPCOIN_OPS_VENEU", "live", "did you mean DEEPCOIN_OPS_VENUE?"),
    "state that is a file": ("DEEPCOIN_OPS_STATE", __file__, "expected a folder"),
    "state in the working folder": ("DEEPCOIN_OPS_STATE", "state", f"write {Path.cwd() / 'state'}"),
    "state by dots": ("DEEPCOIN_OPS_STATE", "./state", "written in full from / or ~ on"),
    "state of an unknown user": ("DEEPCOIN_OPS_STATE", "~no-such-user/state", "that user has no home folder"),
    "armings in the working folder": ("DEEPCOIN_OPS_ARMING", "arming", f"write {Path.cwd() / 'arming'}"),
    "paper elsewhere": ("DEEPCOIN_OPS_PAPER_URL", "http://192.0.2.1:8788", "a loopback address"),
    "paper over https": ("DEEPCOIN_OPS_PAPER_URL", "https://127.0.0.1", "a loopback address"),
    "paper with a path": ("DEEPCOIN_OPS_PAPER_URL", "http://127.0.0.1:8788/deepcoin", "without user, path or query"),
    "paper with a query": ("DEEPCOIN_OPS_PAPER_URL", "http://127.0.0.1:8788?a=b", "without user, path or query"),
    "paper with a user": ("DEEPCOIN_OPS_PAPER_URL", "http://127.0.0.1@192.0.2.1", "without user, path or query"),
    "paper with a bad port": ("DEEPCOIN_OPS_PAPER_URL", "http://127.0.0.1:port", "a loopback address"),
    "paper by a lookalike": ("DEEPCOIN_OPS_PAPER_URL", "http://127.0.0.1.example.org", "a loopback address"),
    "live without TLS": ("DEEPCOIN_BASE_URL", "http://api.deepcoin.com", "https://host"),
    "live with a backslash": ("DEEPCOIN_BASE_URL", "https://api.deepcoin.com\\@192.0.2.1", "https://host"),
    "live without a host": ("DEEPCOIN_BASE_URL", "https://", "https://host"),
}


@pytest.mark.parametrize(("name", "value", "cure"), BAD_ENVIRONMENT.values(), ids=BAD_ENVIRONMENT)
def test_a_bad_variable_is_told_with_name_and_cure(settings_path: Path, name: str, value: str, cure: str) -> None:
    """A wrong variable is as easy to write as a wrong key, and harder to see."""
    (line,) = _problems(settings_path, ACCOUNT, **{name: value})
    assert f"environment: {name}: expected " in line
    assert cure in line


SECRETS_IN_WRONG_PLACES = {
    "as a prefix": (ACCOUNT.replace("DEEPCOIN", "s3cr3t"), {}),
    "as a numeric prefix": (ACCOUNT.replace("DEEPCOIN", "53537"), {}),
    "behind an unknown key": (ACCOUNT + "api_key: s3cr3t", {}),
    "in the tables' URL": (ACCOUNT + "storage: {tables: 's3://user:s3cr3t@bucket'}", {}),
    "in a broken line": (ACCOUNT + "passphrase: [s3cr3t", {}),
    "in the paper URL": (ACCOUNT, {"DEEPCOIN_OPS_PAPER_URL": "http://user:s3cr3t@127.0.0.1:1"}),
    "in the live URL": (ACCOUNT, {"DEEPCOIN_BASE_URL": "https://api.deepcoin.com?key=s3cr3t"}),
}


@pytest.mark.parametrize(("text", "environ"), SECRETS_IN_WRONG_PLACES.values(), ids=SECRETS_IN_WRONG_PLACES)
def test_a_secret_written_in_the_wrong_place_is_not_repeated(
    settings_path: Path, text: str, environ: dict[str, str]
) -> None:
    """Messages end in logs and in the web page's events."""
    found = "\n".join(_problems(settings_path, text, **environ))
    assert "s3cr3t" not in found
    assert "53537" not in found


def test_the_values_written_in_the_shipped_file_are_the_defaults(settings_path: Path) -> None:
    """The file says so at its top; a stranger deletes a line and expects no change."""
    shipped = load_settings({})
    bare = _load(settings_path, ACCOUNT)
    sections = ("schedule", "pace", "flatten", "exchange")
    assert [getattr(bare, name) for name in sections] == [getattr(shipped, name) for name in sections]
    written = yaml.safe_load(shipped.source_path.read_text(encoding="utf-8"))
    assert all(set(written[name]) == set(type(getattr(shipped, name)).model_fields) for name in sections)


def test_paths_are_absolute_and_apart_for_each_venue(settings_path: Path) -> None:
    """Paper and live must never share a ledger, a lease, a lock or a table."""
    paper, live = (_load(settings_path, ACCOUNT, DEEPCOIN_OPS_VENUE=venue) for venue in ("paper", "live"))
    assert paper.ledger_path == settings_path.parent / "paper" / "ledger.sqlite"
    assert live.ledger_path == settings_path.parent / "live" / "ledger.sqlite"
    for name in ("ledger_path", "pace_folder", "locks_folder", "tables_url"):
        assert getattr(paper, name) != getattr(live, name)
        assert Path(getattr(paper, name)).is_absolute()


def test_loading_creates_nothing(settings_path: Path, tmp_path: Path) -> None:
    """The folders belong to those who write them."""
    state = tmp_path / "state"
    assert _load(settings_path, ACCOUNT, DEEPCOIN_OPS_STATE=str(state)).state_folder == state
    assert not state.exists()


def test_a_tables_url_of_the_desk_gets_a_folder_for_each_venue(
    settings_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One bucket for both venues would mix their tables."""
    (tmp_path / "s3fs.py").touch()  # the driver that opens such URLs, as far as loading looks
    monkeypatch.syspath_prepend(tmp_path)
    text = ACCOUNT + "storage: {tables: 's3://bucket/desk/'}"
    assert _load(settings_path, text).tables_url == "s3://bucket/desk/paper"
    assert _load(settings_path, text, DEEPCOIN_OPS_VENUE="live").tables_url == "s3://bucket/desk/live"


@pytest.mark.parametrize(
    ("environ", "base_url"),
    [
        ({}, "http://127.0.0.1:8788"),
        ({"DEEPCOIN_OPS_VENUE": ""}, "http://127.0.0.1:8788"),
        ({"DEEPCOIN_OPS_PAPER_URL": "http://[::1]:9000/"}, "http://[::1]:9000"),
        ({"DEEPCOIN_BASE_URL": "https://api.example.org"}, "http://127.0.0.1:8788"),
        ({"DEEPCOIN_OPS_VENUE": "live"}, "https://api.deepcoin.com"),
        ({"DEEPCOIN_OPS_VENUE": "live", "DEEPCOIN_BASE_URL": "https://api.example.org:444"}, "https://api.example.org:444"),
        ({"DEEPCOIN_OPS_VENUE": "live", "DEEPCOIN_BASE_URL": "http://localhost:1"}, "http://localhost:1"),
    ],
)
def test_the_venue_decides_which_address_is_used(settings_path: Path, environ: dict[str, str], base_url: str) -> None:
    """No variable may send the paper venue to the real exchange."""
    assert _load(settings_path, ACCOUNT, **environ).base_url == base_url


def test_an_account_is_found_by_name_and_alone_without_one(settings_path: Path) -> None:
    """The command line needs no name while there is one account, and must not guess between two."""
    assert _load(settings_path, ACCOUNT).account().name == "main"
    two = _load(settings_path, TWO_ACCOUNTS)
    assert two.account("hedge").credentials_prefix == "HEDGE"
    with pytest.raises(SettingsError, match=r"desk\.yaml: accounts: expected one of main, hedge.*name the account"):
        two.account(None)
    with pytest.raises(SettingsError, match=r"one of main, hedge, found \"hegde\"; did you mean hedge\?"):
        two.account("hegde")


def test_an_item_may_name_its_product_group(settings_path: Path) -> None:
    """A desk that wants the product group in writing gets it checked against the id."""
    text = _account("[{instrument: ETH-USD-SWAP, product_group: Swap}, {instrument: ETH-USDT-SWAP}]")
    assert _load(settings_path, text).account().instruments == ("ETH-USD-SWAP", "ETH-USDT-SWAP")


def test_the_lock_is_waited_for_as_long_as_a_late_tick_may_be(settings_path: Path) -> None:
    """A run that waits longer would start a flatten that its own schedule would have skipped."""
    late = ACCOUNT + "schedule: {max_lateness_minutes: 10}\n"
    assert _load(settings_path, late).flatten.lock_wait_s == 600
    assert _load(settings_path, late + "flatten: {lock_wait_s: 5}").flatten.lock_wait_s == 5


def test_the_deadline_is_three_closes_for_each_open_instrument_with_a_ceiling(settings_path: Path) -> None:
    """40 open instruments get 240 s; a thousand do not get an hour."""
    settings = _load(settings_path, ACCOUNT)
    assert settings.deadline_s(40) == 240
    assert settings.deadline_s(1000) == 1800
    assert settings.max_run_time_s == 1800 + 1800 + 1800 + 120 + 60  # the order lists of a few instruments, rounded up


def test_the_calendar_is_the_desks(settings_path: Path) -> None:
    """A day boundary in the afternoon moves the trading day, and the cron is judged against it."""
    text = ACCOUNT + 'schedule: {timezone: Asia/Hong_Kong, day_boundary: "16:00", cron: 30 15 * * 1-5}'
    calendar = _load(settings_path, text).calendar
    assert (calendar.timezone, calendar.day_boundary) == ("Asia/Hong_Kong", time(16))


def test_paper_credentials_are_public_and_ask_no_environment(settings_path: Path) -> None:
    """The demo needs no key, and a real key in the environment must not be sent to the paper exchange."""
    settings = _load(settings_path, ACCOUNT)
    credentials = resolve_credentials(settings, settings.account(), SECRETS)
    assert (credentials.api_key, credentials.passphrase) == ("PAPER-main", "paper-main")


def test_live_credentials_come_from_the_variables_the_prefix_names(settings_path: Path) -> None:
    """Each account signs with its own key."""
    settings = _load(settings_path, ACCOUNT, DEEPCOIN_OPS_VENUE="live")
    credentials = resolve_credentials(settings, settings.account(), SECRETS)
    assert (credentials.api_key, credentials.secret_key, credentials.passphrase) == tuple(SECRETS.values())
    assert repr(credentials) == "Credentials(account='main')"


@pytest.mark.parametrize("value", [None, "", "  ", "sec-91bc\n", " sec-91bc", "sec-91b\u00e9", "sec\x0091bc"])
def test_a_missing_or_unfit_credential_is_named_and_never_shown(settings_path: Path, value: str | None) -> None:
    """A line end from a copied file would otherwise come back in the HTTP library's exception, with the secret."""
    settings = _load(settings_path, ACCOUNT, DEEPCOIN_OPS_VENUE="live")
    environ = {name: text for name, text in SECRETS.items() if name != "DEEPCOIN_SECRET_KEY"}
    if value is not None:
        environ["DEEPCOIN_SECRET_KEY"] = value
    with pytest.raises(SettingsError, match=r"environment: DEEPCOIN_SECRET_KEY: .*account main") as caught:
        resolve_credentials(settings, settings.account(), environ)
    assert "91b" not in str(caught.value)
    assert "DEEPCOIN_API_KEY" not in str(caught.value)


def test_a_process_that_only_shows_things_gets_no_accounts_credentials_whichever_settings_name_them() -> None:
    """The environment may hold the keys of another desk's settings file."""
    kept = {"DEEPCOIN_OPS_STATE": "/state", "PATH": "/bin", "DEEPCOIN_BASE_URL": "https://api.deepcoin.com"}
    others = {"HEDGE_API_KEY": "k", "HEDGE_SECRET_KEY": "s", "hedge_passphrase": "p", "DEEPCOIN_OPS_ALERT_URLS": "u"}
    assert without_credentials(kept | SECRETS | others) == kept


def test_what_the_ledger_keeps_is_whole_and_stable(settings_path: Path) -> None:
    """The ledger hashes it: the same settings must give the same text."""
    settings, again = (_load(settings_path, ACCOUNT) for _ in range(2))
    assert settings.as_public_json() == again.as_public_json()
    kept = json.loads(settings.as_public_json())
    assert kept["venue"] == "paper"
    assert kept["accounts"]["main"]["instruments"] == ["BTC-USDT-SWAP", "ETH-USD-SWAP"]
    assert kept["schedule"]["day_boundary"] == "00:00:00"
    assert kept["flatten"]["max_rounds"] == 10
