"""The one door for settings: one file and a few environment variables go in, frozen objects come out.

No other module reads an environment variable or the settings file. Loading sends nothing and creates no folder; whether
the live venue may be used is decided by whoever opens it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

from deepcoin_ops.domain.caps import Caps, OnCap
from deepcoin_ops.domain.checks import Finding
from deepcoin_ops.domain.day import DueTick
from deepcoin_ops.domain.due import find_unwatched, plan_due
from deepcoin_ops.domain.errors import SettingsError
from deepcoin_ops.domain.limits import Limits
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
from deepcoin_ops.settings_variables import (
    LIVE_URL,
    find_alerts_folder,
    find_kill_folder,
    find_ledger_path,
    find_locks_folder,
    is_loopback,
    read_variables,
)

_CREDENTIAL_PARTS = ("API_KEY", "SECRET_KEY", "PASSPHRASE")
_SECRET_PARTS = (*_CREDENTIAL_PARTS, "ALERT_URLS")  # an address that alerts are sent to often holds a password
_SECONDS_BESIDE_THE_CLOSES = 120


@dataclass(frozen=True)
class AccountSettings:
    """One account. `instruments` are ids in the file's order; `credentials_prefix` begins three variables' names.

    `close_reopened` and `close_copy_trading` say whether positions that appeared after the first read, and rows of copy
    trading, are closed; `cancel_orders` and `cancel_triggers` which orders are cancelled first, and how.
    `expected_positions` are instruments whose positions are never closed and nothing to alert of.
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
    expected_positions: tuple[str, ...] = ()

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
    state_origin: str
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
        return find_ledger_path(self.state_folder, self.venue)

    @property
    def pace_folder(self) -> Path:
        """Where the send leases of this venue are kept."""
        return self.state_folder / self.venue / "pace"

    @property
    def locks_folder(self) -> Path:
        """Where the account locks and table locks of this venue are kept."""
        return find_locks_folder(self.state_folder, self.venue)

    @property
    def kill_folder(self) -> Path:
        """Where the kill switches of this venue are."""
        return find_kill_folder(self.state_folder, self.venue)

    @property
    def is_known_host(self) -> bool:
        """Whether the exchange's address is its own or loopback; any other one has to be in the arming file."""
        return self.base_url == LIVE_URL or is_loopback(urlsplit(self.base_url).hostname or "")

    @property
    def alerts_folder(self) -> Path:
        """Where the alerts of this venue are kept until they are delivered, and some weeks longer."""
        return find_alerts_folder(self.state_folder, self.venue)

    @property
    def calendar(self) -> TradingCalendar:
        """The desk's trading days."""
        return TradingCalendar(self.schedule.timezone, self.schedule.day_boundary)

    @property
    def max_start_delay_s(self) -> float:
        """How old a launch may be at its first send, in seconds: late, waiting for the lock and for what guards ask."""
        return self.schedule.max_lateness_s + self.flatten.lock_wait_s + _SECONDS_BESIDE_THE_CLOSES

    @property
    def max_run_time_s(self) -> int:
        """The longest a scheduled run may take, in seconds and whole minutes: starting late, closing, and the lists."""
        most = max(len(account.instruments) for account in self.accounts.values())
        working_s = self.flatten.max_deadline_s + self.orders_time_s(most)
        # Whole minutes, because the schedule that follows the last flatten of a day can tell no others apart.
        return math.ceil((self.max_start_delay_s + working_s) / 60) * 60

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

    def find_unwatched(self, now: datetime) -> Finding | None:
        """What a person has to know as long as the first trading day has not come; None from then on."""
        return find_unwatched(self.schedule.first_trading_day, self.calendar.day_of(now))

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

    def build_limits(self, account: AccountSettings) -> Limits:
        """Build what bounds a flatten of the account."""
        flatten = self.flatten
        return Limits(
            settle_s=flatten.settle_s,
            read_gap_s=flatten.read_gap_s,
            max_attempts=flatten.max_rounds,
            max_in_flight=flatten.max_in_flight,
            unknown_hold_s=flatten.unknown_hold_s,
            max_sending_time_s=flatten.max_deadline_s,
            interrupt_s=flatten.interrupt_read_s,
            cancel_orders=account.cancel_orders,
            close_copy_trading=account.close_copy_trading,
            close_reopened=account.close_reopened,
            cap_usdt=account.cap_notional_usdt,
            cap_instrument_usdt=account.cap_instrument_notional_usdt,
            cap_open_instruments=account.cap_open_instruments,
            on_cap=account.on_cap,
        )

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
    variables, problems = read_variables(environ)
    file, today = None, datetime.now(UTC).date()
    try:
        file, file_problems = validate_document(read_document(variables.source_path), variables.venue, today)
        problems += file_problems
    except SettingsError as error:
        problems.append(str(error))
    if problems or file is None:
        raise settings_error(problems)
    return Settings(
        **vars(variables),
        tables_url=_tables_url(file, variables.state_folder, variables.venue),
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


def _tables_url(file: SettingsFile, state_folder: Path, venue: Venue) -> str:
    """Where this venue's tables are. Below a folder set by hand each venue gets its own: paper and live never mix."""
    if file.storage.tables is None:
        return str(state_folder / venue / "tables")
    return f"{file.storage.tables.rstrip('/')}/{venue}"
