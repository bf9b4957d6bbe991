"""The one door for settings: one file and a few environment variables go in, frozen objects come out.

No other module reads an environment variable or the settings file. Loading sends nothing and creates no folder; whether
the live venue may be used is decided by whoever opens it.
"""

from __future__ import annotations

import ipaddress
import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

from deepcoin_ops.domain.caps import Caps, OnCap
from deepcoin_ops.domain.day import DueTick
from deepcoin_ops.domain.due import plan_due
from deepcoin_ops.domain.errors import SettingsError
from deepcoin_ops.domain.model import Venue
from deepcoin_ops.domain.orders import CancelOrders, CancelTriggers
from deepcoin_ops.domain.paper_credentials import paper_credentials
from deepcoin_ops.domain.trading_day import TradingCalendar
from deepcoin_ops.settings_alerts import ALERT_URLS_VARIABLE, AlertAddresses, parse_alert_urls
from deepcoin_ops.settings_document import read_document
from deepcoin_ops.settings_environment import ENVIRONMENT
from deepcoin_ops.settings_model import (
    AlertsSection,
    ExchangeSection,
    FlattenSection,
    PaceSection,
    ScheduleSection,
    SettingsFile,
    validate_document,
)
from deepcoin_ops.settings_problems import describe, did_you_mean, sentence, settings_error

# Source: https://www.deepcoin.com/docs/authentication.
LIVE_URL = "https://api.deepcoin.com"

_PREFIX = "DEEPCOIN_OPS_"
_DEFAULTS = {
    "DEEPCOIN_OPS_SETTINGS": str(Path(__file__).with_name("flatten.yaml")),
    "DEEPCOIN_OPS_VENUE": Venue.PAPER.value,
    "DEEPCOIN_OPS_STATE": "",
    "DEEPCOIN_OPS_PAPER_URL": "http://127.0.0.1:8788",
    "DEEPCOIN_OPS_ARMING": "~/.config/deepcoin_ops/arming",
    ALERT_URLS_VARIABLE: "",
}
_LIVE_URL_VARIABLE = "DEEPCOIN_BASE_URL"  # the name the exchange's own command line uses
_CREDENTIAL_PARTS = ("API_KEY", "SECRET_KEY", "PASSPHRASE")
_SECRET_PARTS = (*_CREDENTIAL_PARTS, "ALERT_URLS")  # an address that alerts are sent to often holds a password
_SECONDS_BESIDE_THE_CLOSES = 120


@dataclass(frozen=True)
class AccountSettings:
    """One account. `instruments` are ids in the file's order; `credentials_prefix` begins three variables' names.

    `close_reopened` and `close_copy_trading` say whether positions that appeared after the first read, and rows of copy
    trading, are closed; `cancel_orders` and `cancel_triggers` which orders are cancelled first, and how.
    """

    name: str
    credentials_prefix: str
    close_spot: bool
    instruments: tuple[str, ...]
    close_copy_trading: bool = False
    close_reopened: bool = True
    cancel_orders: CancelOrders = CancelOrders.ALL
    cancel_triggers: CancelTriggers = CancelTriggers.BY_ID
    cap_notional_usdt: Decimal | None = None
    cap_instrument_notional_usdt: Decimal | None = None
    cap_open_instruments: int | None = None
    on_cap: OnCap = OnCap.REFUSE

    @property
    def caps(self) -> Caps:
        """The most that one flatten may close, by these settings alone."""
        return Caps(self.cap_notional_usdt, self.cap_instrument_notional_usdt, self.cap_open_instruments, self.on_cap)


@dataclass(frozen=True)
class Credentials:
    """What signs an account's requests. Its repr names the account only."""

    account: str
    api_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    passphrase: str = field(repr=False)


@dataclass(frozen=True)
class Settings:
    """Everything that was decided before the process started. Paths are absolute and may not exist yet."""

    source_path: Path
    venue: Venue
    base_url: str
    state_folder: Path
    arming_folder: Path
    tables_url: str
    accounts: Mapping[str, AccountSettings]
    schedule: ScheduleSection
    pace: PaceSection
    flatten: FlattenSection
    exchange: ExchangeSection
    alerts: AlertsSection

    @property
    def ledger_path(self) -> Path:
        """The ledger of this venue."""
        return self.state_folder / self.venue / "ledger.sqlite"

    @property
    def pace_folder(self) -> Path:
        """Where the send leases of this venue are kept."""
        return self.state_folder / self.venue / "pace"

    @property
    def locks_folder(self) -> Path:
        """Where the account locks and table locks of this venue are kept."""
        return self.state_folder / self.venue / "locks"

    @property
    def kill_folder(self) -> Path:
        """Where the kill switches of this venue are."""
        return self.state_folder / self.venue / "kill"

    @property
    def is_known_host(self) -> bool:
        """Whether the exchange's address is its own or loopback; any other one has to be in the arming file."""
        return self.base_url == LIVE_URL or _is_loopback(urlsplit(self.base_url).hostname or "")

    @property
    def alerts_folder(self) -> Path:
        """Where the alerts of this venue are kept until they are delivered, and some weeks longer."""
        return self.state_folder / self.venue / "alerts"

    @property
    def calendar(self) -> TradingCalendar:
        """The desk's trading days."""
        return TradingCalendar(self.schedule.timezone, self.schedule.day_boundary)

    @property
    def max_run_time_s(self) -> int:
        """The longest a scheduled run may take, in seconds and whole minutes: late, waiting, closing, and the rest."""
        waits_s = self.schedule.max_lateness_s + self.flatten.lock_wait_s
        most = max(len(account.instruments) for account in self.accounts.values())
        working_s = self.flatten.max_deadline_s + self.orders_time_s(most)
        # Whole minutes, because the schedule that follows the last flatten of a day can tell no others apart.
        return math.ceil((waits_s + working_s + _SECONDS_BESIDE_THE_CLOSES) / 60) * 60

    def deadline_s(self, open_instruments: int) -> float:
        """How long a flatten of this many open instruments may go on sending, in seconds: three closes for each."""
        needed_s = 3 * open_instruments * self.pace.close_spacing_s + _SECONDS_BESIDE_THE_CLOSES
        return min(needed_s, self.flatten.max_deadline_s)

    def orders_time_s(self, instruments: int) -> float:
        """How long the order lists of this many instruments may still be read after the last close, in seconds."""
        return 3 * instruments * self.pace.orders_spacing_s

    def find_due(self, trading_day: str, now: datetime) -> DueTick | None:
        """What was due on a trading day for every account, by the cron in the settings; None when nothing was."""
        first = self.schedule.first_trading_day.isoformat()
        return plan_due(self.calendar, self.schedule.cron, first, self.max_run_time_s, trading_day, now)

    def account(self, name: str | None = None) -> AccountSettings:
        """The account of this name; None means the only one.

        Raises:
            SettingsError: There is no such account, or None was given and there are several.
        """
        if name is None and len(self.accounts) == 1:
            return next(iter(self.accounts.values()))
        if name is None or name not in self.accounts:
            known = ", ".join(self.accounts)
            cure = did_you_mean(name, self.accounts) if name else "name the account"
            raise settings_error([f"{self.source_path}: accounts: {sentence(f'one of {known}', describe(name), cure)}"])
        return self.accounts[name]

    def as_public_json(self) -> str:
        """What the ledger keeps of the settings of a flatten: nothing secret, keys in a fixed order."""
        sections = ("schedule", "pace", "flatten", "exchange")
        public = {
            "venue": self.venue,
            "base_url": self.base_url,
            "accounts": {name: asdict(account) for name, account in self.accounts.items()},
            **{name: getattr(self, name).model_dump(mode="json") for name in sections},
        }
        return json.dumps(public, sort_keys=True, default=str)  # amounts


def load_settings(environ: Mapping[str, str] = ENVIRONMENT) -> Settings:
    """Read the environment and the settings file it names.

    Args:
        environ: The environment variables.

    Returns:
        The settings, wholly checked.

    Raises:
        SettingsError: A line for each thing that is wrong in the environment and in the file.
    """
    # An empty variable is an unset one: container files pass many on as such.
    variables = {name: environ.get(name) or default for name, default in _DEFAULTS.items()}
    problems = _misspelt_variables(environ)
    venue = _parse_venue(variables["DEEPCOIN_OPS_VENUE"], problems)
    paper_url = _parse_url("DEEPCOIN_OPS_PAPER_URL", variables["DEEPCOIN_OPS_PAPER_URL"], problems)
    live_url = _parse_url(_LIVE_URL_VARIABLE, environ.get(_LIVE_URL_VARIABLE) or LIVE_URL, problems)
    state_folder = _parse_state_folder(variables["DEEPCOIN_OPS_STATE"], problems)
    arming_folder = _parse_arming_folder(variables["DEEPCOIN_OPS_ARMING"], problems)
    source_path = Path(variables["DEEPCOIN_OPS_SETTINGS"]).absolute()
    file = None
    try:
        file, file_problems = validate_document(read_document(source_path), venue)
        problems += file_problems
    except SettingsError as error:
        problems.append(str(error))
    if problems or file is None:
        raise settings_error(problems)
    return Settings(
        source_path=source_path,
        venue=venue,
        base_url=live_url if venue is Venue.LIVE else paper_url,
        state_folder=state_folder,
        arming_folder=arming_folder,
        tables_url=_tables_url(file, state_folder, venue),
        accounts={name: AccountSettings(name, **dict(section)) for name, section in file.accounts.items()},
        schedule=file.schedule,
        pace=file.pace,
        flatten=file.flatten,
        exchange=file.exchange,
        alerts=file.alerts,
    )


def resolve_credentials(
    settings: Settings, account: AccountSettings, environ: Mapping[str, str] = ENVIRONMENT
) -> Credentials:
    """The credentials of an account: public ones on the paper venue, else from the environment.

    Raises:
        SettingsError: A variable is missing, empty or unfit for a header; each is named, no value is shown.
    """
    if settings.venue is Venue.PAPER:
        public = paper_credentials(account.name)
        return Credentials(account.name, public.api_key, public.secret_key, public.passphrase)
    names = [f"{account.credentials_prefix}_{part}" for part in _CREDENTIAL_PARTS]
    cure = f"set it for account {account.name}, or mend its credentials_prefix in {settings.source_path}"
    # What a header cannot carry would come back inside the HTTP library's exception, in clear. No value is put into a
    # variable here: what is raised below would take it along.
    problems = [
        f"environment: {name}: {sentence('printable ASCII, no space around it', found, cure)}"
        for name in names
        for found in ["something else (not shown)" if environ.get(name) else "nothing"]
        if not _fits_a_header(environ.get(name, ""))
    ]
    if problems:
        raise settings_error(problems)
    return Credentials(account.name, *(environ[name] for name in names))


def _fits_a_header(value: str) -> bool:
    return bool(value) and value == value.strip() and value.isascii() and value.isprintable()


def without_credentials(environ: Mapping[str, str] = ENVIRONMENT) -> dict[str, str]:
    """The environment of a process that only shows things: whatever is named like a secret of this project is left out.

    By the end of the name, and not by the accounts: the environment may hold those of another settings file.
    """
    return {name: value for name, value in environ.items() if not name.upper().endswith(_SECRET_PARTS)}


def resolve_alert_addresses(environ: Mapping[str, str] = ENVIRONMENT) -> AlertAddresses:
    """Where alerts go. Not part of `Settings`, which are shown and kept: an address holds a secret."""
    return parse_alert_urls(environ.get(ALERT_URLS_VARIABLE, ""))


def _misspelt_variables(environ: Mapping[str, str]) -> list[str]:
    """Variables that nobody reads and that look like one that is read.

    A desk that writes DEEPCOIN_OPS_VENEU=live would otherwise flatten on paper every day and never know.
    """
    known = [name.removeprefix(_PREFIX) for name in _DEFAULTS]
    unknown = [name for name in environ if name.startswith(_PREFIX) and name not in _DEFAULTS]
    cures = {name: did_you_mean(name.removeprefix(_PREFIX), known, likeness=0.7, prefix=_PREFIX) for name in unknown}
    expected = f"one of the variables {', '.join(_DEFAULTS)}"
    return [f"environment: {name}: {sentence(expected, 'another', cure)}" for name, cure in cures.items() if cure]


def _parse_venue(text: str, problems: list[str]) -> Venue:
    if text in list(Venue):
        return Venue(text)
    told = sentence("paper or live", describe(text), did_you_mean(text, list(Venue)))
    problems.append(f"environment: DEEPCOIN_OPS_VENUE: {told}")
    return Venue.PAPER


def _parse_state_folder(text: str, problems: list[str]) -> Path:
    checkout = _find_checkout()
    return _parse_folder(
        "DEEPCOIN_OPS_STATE",
        text or (str(checkout / ".deepcoin_ops") if checkout else "~/.local/state/deepcoin_ops"),
        problems,
    )


def _parse_arming_folder(text: str, problems: list[str]) -> Path:
    """Where armings are kept: never in the checkout, so that no copy of it is armed."""
    folder, checkout = _parse_folder("DEEPCOIN_OPS_ARMING", text, problems), _find_checkout()
    if checkout and folder.resolve().is_relative_to(checkout.resolve()):
        told = sentence("a folder outside the checkout", describe(text), "what arms a desk must not travel with its code")
        problems.append(f"environment: DEEPCOIN_OPS_ARMING: {told}")
    return folder


def _find_checkout() -> Path | None:
    """The checkout that this code is in, if it is in one."""
    checkout = Path(__file__).parent.parent
    return checkout if (checkout / "pyproject.toml").is_file() else None


def _parse_folder(variable: str, text: str, problems: list[str]) -> Path:
    try:
        folder = Path(text).expanduser().absolute()
    except RuntimeError:
        folder = Path(text).absolute()
        problems.append(f"environment: {variable}: {sentence('a folder', describe(text), 'write it in full')}")
    if folder.exists() and not folder.is_dir():
        problems.append(f"environment: {variable}: {sentence('a folder', f'a file at {folder}')}")
    return folder


def _parse_url(variable: str, text: str, problems: list[str]) -> str:
    """`scheme://host[:port]` of a URL that is no more than that: http on loopback, https for the live venue too."""
    is_live = variable == _LIVE_URL_VARIABLE
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    is_bare = parts.username is None and parts.path in ("", "/") and not re.search(r"[?#\\\s]", text)
    is_open = parts.scheme == "http" and _is_loopback(host)
    is_safe = is_live and parts.scheme == "https" and re.fullmatch(r"[a-z0-9.-]+|[0-9a-f:.]+", host)
    if is_bare and (is_open or is_safe):
        shown_host = f"[{host}]" if ":" in host else host
        return f"{parts.scheme}://{shown_host}" + (f":{port}" if port is not None else "")
    expected = "https://host, or http on loopback" if is_live else "a loopback address such as http://127.0.0.1:8788"
    hidden = "another URL (not shown, it may hold a password)"
    found = hidden if re.search(r"[@?#]", text) else describe(text)
    told = sentence(f"{expected}, without user, path or query", found)
    problems.append(f"environment: {variable}: {told}")
    return ""


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _tables_url(file: SettingsFile, state_folder: Path, venue: Venue) -> str:
    """Where this venue's tables are. Below a folder set by hand each venue gets its own: paper and live never mix."""
    if file.storage.tables is None:
        return str(state_folder / venue / "tables")
    return f"{file.storage.tables.rstrip('/')}/{venue}"
