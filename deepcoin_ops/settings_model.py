"""What a settings file may say: its keys, defaults, units and ranges, as frozen pydantic objects.

Checks of single values and of values against each other live here, but for the list of instruments, which has a module
of its own. Reading files or the environment does not.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from deepcoin_ops.domain.caps import OnCap
from deepcoin_ops.domain.cron_syntax import CronRefused, check_cron
from deepcoin_ops.domain.model import Venue
from deepcoin_ops.domain.orders import CancelOrders, CancelTriggers
from deepcoin_ops.domain.schedule_checks import ScheduleTrouble, find_boundary_trouble, find_tick_trouble
from deepcoin_ops.domain.timezones import is_desk_timezone, list_desk_timezones
from deepcoin_ops.domain.trading_day import EARLIEST_DAY, LATEST_DAY, TradingCalendar, parse_day
from deepcoin_ops.settings_document import SettingsDocument
from deepcoin_ops.settings_instruments import check_expected, check_instruments
from deepcoin_ops.settings_problems import Location, describe, did_you_mean, problem, refuse, told
from deepcoin_ops.settings_storage import find_place_problem

_Word = TypeVar("_Word", bound=StrEnum)
# A desk prepares its first day this long before; a later one is a slip, and turns off the alerts about missing flattens.
_FURTHEST_START = timedelta(days=31)


@dataclass(frozen=True)
class _Context:
    """What a check needs to know beside the value it is given."""

    venue: Venue
    today: date
    prefix_counts: Counter[str]


def _on_live_at_least(least: float) -> AfterValidator:
    """A lower bound that the exchange sets; the paper exchange is ours to hurry."""

    def check(value: float, info: ValidationInfo[_Context]) -> float:
        if info.context.venue is Venue.LIVE and value < least:
            refuse(problem(f"at least {least} on the live venue", describe(value), "only paper may be faster"))
        return value

    return AfterValidator(check)


class _Section(BaseModel):
    """Strict and frozen: no guessing what a value of the wrong type was meant to be."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False, validate_default=True)


def _one_of(words: type[_Word]) -> Any:
    """A setting that is one of a few words, which become a member of their enumeration."""

    def parse(found: object) -> _Word:
        if isinstance(found, str) and found in list(words):
            return words(found)
        cure = did_you_mean(found, words) if isinstance(found, str) else "put the word in quotes"
        return refuse(problem(f"one of {', '.join(words)}", describe(found), cure))

    return BeforeValidator(parse)


def _parse_usdt(found: object) -> Decimal | None:
    """An amount of USDT, whole or with decimals; the text of a float is what the person wrote."""
    if found is None or isinstance(found, Decimal):
        return found
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found < 1e15:
        refuse(problem("null, or an amount of USDT above 0, such as 250000", describe(found)))
    return Decimal(str(found))


_Usdt = Annotated[Decimal | None, BeforeValidator(_parse_usdt)]


class AccountSection(_Section):
    """One account: what may be closed and cancelled in it, and the names of the variables that hold its credentials.

    The caps bound what one flatten may close: notional in USDT in all and in one instrument, and the number of instruments.
    """

    credentials_prefix: str
    close_spot: bool = False
    close_copy_trading: bool = False
    close_reopened: bool = True
    cancel_orders: Annotated[CancelOrders, _one_of(CancelOrders)] = CancelOrders.ALL
    cancel_triggers: Annotated[CancelTriggers, _one_of(CancelTriggers)] = CancelTriggers.BY_ID
    cap_notional_usdt: _Usdt = None
    cap_instrument_notional_usdt: _Usdt = None
    cap_open_instruments: Annotated[int, Field(ge=1, le=10_000)] | None = None
    on_cap: Annotated[OnCap, _one_of(OnCap)] = OnCap.REFUSE
    instruments: tuple[str, ...]
    expected_positions: tuple[str, ...] = ()

    @field_validator("cancel_triggers")
    @classmethod
    def _takes_all_only_where_all_go(cls, found: CancelTriggers, info: ValidationInfo) -> CancelTriggers:
        # A cancel_orders that is wrong itself is told there.
        is_all = info.data.get("cancel_orders", CancelOrders.ALL) is CancelOrders.ALL
        if found is CancelTriggers.BY_PRODUCT_GROUP and not is_all:
            refuse(problem("by_id, as long as cancel_orders is not all", describe(found.value), "one call takes them all"))
        return found

    @field_validator("credentials_prefix")
    @classmethod
    def _is_a_prefix_used_once(cls, prefix: str, info: ValidationInfo[_Context]) -> str:
        if not re.fullmatch(r"[A-Z][A-Z0-9_]{0,31}", prefix):
            cure = "write the beginning of the variables' names, such as DEEPCOIN, and never a key itself"
            refuse(problem("upper-case letters, digits and _", "something else (not shown)", cure))
        if info.context.prefix_counts[prefix] > 1:
            # Two accounts with one key are one account to the exchange, with two locks and two paces to us.
            refuse(problem("a prefix of its own for each account", "one that another account has too"))
        return prefix

    @field_validator("instruments", mode="before")
    @classmethod
    def _are_known_once_and_allowed(cls, items: object, info: ValidationInfo) -> tuple[str, ...]:
        # A close_spot that is wrong itself is told there, and not once more for each spot instrument.
        instrument_ids, problems = check_instruments(items, may_close_spot=info.data.get("close_spot", True))
        if problems:
            refuse(*problems)
        return instrument_ids

    @field_validator("expected_positions", mode="before")
    @classmethod
    def _are_known_once_and_never_closed(cls, items: object, info: ValidationInfo) -> tuple[str, ...]:
        instrument_ids, problems = check_expected(items, info.data.get("instruments", ()))
        if problems:
            refuse(*problems)
        return instrument_ids


def _check_account_name(name: str) -> str:
    if not re.fullmatch(r"[a-z0-9_-]{1,32}", name):
        refuse(problem("an account name of 1 to 32 of a-z, 0-9, _ and -", describe(name)))
    return name


class ScheduleSection(_Section):
    """When the day ends, and when the keys are tried once a day.

    `cron`, `day_boundary`, where a new trading day begins, and `credentials_check` are local times of `timezone`.
    """

    # Days before this one have no partition, so nothing can be rebuilt for them, and nothing is due.
    first_trading_day: date = date(2026, 1, 1)
    timezone: str = "UTC"
    day_boundary: time = time(0)
    cron: str = "30 23 * * *"
    credentials_check: time = time(9)
    # Up to six hours each for lateness and for the lock: a run then always ends before the next day's tick.
    max_lateness_minutes: Annotated[float, Field(gt=0, le=360)] = 30.0

    @property
    def max_lateness_s(self) -> float:
        """How late a tick may still start a flatten, in seconds."""
        return self.max_lateness_minutes * 60

    @field_validator("first_trading_day", mode="before")
    @classmethod
    def _is_a_day_that_has_come_or_comes_soon(cls, found: object, info: ValidationInfo[_Context | None]) -> date:
        day = found if isinstance(found, date) else parse_day(found) if isinstance(found, str) else None
        if day is None:
            refuse(problem(f"a day from {EARLIEST_DAY} to {LATEST_DAY}, such as 2026-03-01", describe(found)))
        if info.context is not None and day > (latest := info.context.today + _FURTHEST_START):
            cure = "before it nothing is watched: write the day on which the desk begins"
            refuse(problem(f"a day up to {latest}, 31 days from now", str(day), cure))
        return day

    @field_validator("timezone")
    @classmethod
    def _is_a_timezone(cls, name: str) -> str:
        if not is_desk_timezone(name):
            # A name with an offset is like many others, all of them hours off.
            cure = "" if re.search(r"\d", name) else did_you_mean(name, list_desk_timezones())
            refuse(problem("UTC or an IANA timezone with its region, such as Europe/London", describe(name), cure))
        return name

    @field_validator("day_boundary", "credentials_check", mode="before")
    @classmethod
    def _is_a_time_of_day(cls, found: object) -> time:
        if isinstance(found, time):
            return found
        if not isinstance(found, str) or not re.fullmatch(r"([01][0-9]|2[0-3]):[0-5][0-9]", found):
            refuse(problem('a time from "00:00" to "23:59", in quotes', describe(found)))
        return time.fromisoformat(found)

    @field_validator("day_boundary")
    @classmethod
    def _comes_once_every_day(cls, boundary: time, info: ValidationInfo) -> time:
        if "timezone" in info.data:
            calendar = TradingCalendar(info.data["timezone"], boundary)
            _refuse_trouble(find_boundary_trouble(calendar, _first_day(info)))
        return boundary

    @field_validator("cron")
    @classmethod
    def _fires_once_a_day_away_from_its_boundary(cls, cron: str, info: ValidationInfo) -> str:
        try:
            check_cron(cron)
        except CronRefused as error:
            refuse(problem(error.expected, describe(cron), error.cure))
        if {"timezone", "day_boundary"} <= info.data.keys():
            calendar = TradingCalendar(info.data["timezone"], info.data["day_boundary"])
            _refuse_trouble(find_tick_trouble(calendar, cron, _first_day(info)))
        return cron


def _first_day(info: ValidationInfo) -> date:
    """From when on clock changes matter; a day that is wrong itself is refused by its own check."""
    day: date = info.data.get("first_trading_day", ScheduleSection.model_fields["first_trading_day"].default)
    return day


def _refuse_trouble(trouble: ScheduleTrouble | None) -> None:
    if trouble is not None:
        refuse(problem(trouble.expected, trouble.found, trouble.cure))


class PaceSection(_Section):
    """Seconds between two sends of a lane, and the margin in milliseconds on top.

    Source: https://www.deepcoin.com/docs/DeepCoinTrade/batchClosePosition (1 per second; market data 5 per second).
    Newer pages of the exchange allow 10 positions reads and 10 reads of resting orders per second, hence the lower bounds
    of those two; but the list of trigger orders 5 times per second and 150 times per minute, which is 0.4 s in the long
    run. A single trigger order may be cancelled 60 times in 2 s for each user and instrument, anything else once per second
    (https://www.deepcoin.com/docs/DeepCoinTrade/cancelTriggerOrder and its neighbours).
    """

    close_spacing_s: Annotated[float, Field(gt=0, le=60), _on_live_at_least(1.0)] = 1.0
    positions_spacing_s: Annotated[float, Field(gt=0, le=60), _on_live_at_least(0.1)] = 1.0
    account_spacing_s: Annotated[float, Field(gt=0, le=60), _on_live_at_least(1.0)] = 1.0
    orders_spacing_s: Annotated[float, Field(gt=0, le=60), _on_live_at_least(0.1)] = 1.0
    cancel_spacing_s: Annotated[float, Field(gt=0, le=60), _on_live_at_least(1.0)] = 1.0
    trigger_cancel_spacing_s: Annotated[float, Field(gt=0, le=60), _on_live_at_least(0.034)] = 0.05
    market_spacing_s: Annotated[float, Field(gt=0, le=60), _on_live_at_least(0.2)] = 0.2
    margin_ms: Annotated[float, Field(ge=0, le=10_000)] = 60.0


class FlattenSection(_Section):
    """How a flatten goes about it; durations in seconds. `lock_wait_s` is the schedule's max lateness if not given."""

    settle_s: Annotated[float, Field(ge=0, le=60)] = 3.0
    read_gap_s: Annotated[float, Field(gt=0, le=60), _on_live_at_least(1.1)] = 1.1
    max_rounds: Annotated[int, Field(ge=1, le=10)] = 10
    max_deadline_s: Annotated[float, Field(gt=0, le=1800)] = 1800.0
    max_in_flight: Annotated[int, Field(ge=1, le=3)] = 3
    unknown_hold_s: Annotated[float, Field(ge=0, le=60), _on_live_at_least(5.0)] = 15.0
    lock_wait_s: Annotated[float, Field(ge=0, le=21_600)]
    interrupt_read_s: Annotated[float, Field(ge=0, le=60)] = 5.0


class ExchangeSection(_Section):
    """How long one request may take and how far the exchange's clock may be off, in seconds; its memory, in days.

    How long the exchange keeps its history is not documented: `history_days` is on the short side, because an older window
    is recorded as unavailable, while one that is wrongly asked for would read as a day without closes.
    """

    connect_timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    read_timeout_s: Annotated[float, Field(gt=0, le=120)] = 10.0
    max_clock_offset_s: Annotated[float, Field(gt=0, le=30)] = 30.0
    history_days: Annotated[int, Field(ge=1, le=3650)] = 3


class AlertsSection(_Section):
    """What is worth an alert. A paced flatten is throttled once or never; more says that something else sends as well."""

    throttled_often: Annotated[int, Field(ge=1, le=1000)] = 5


class StorageSection(_Section):
    """Where the tables are written: an absolute folder or a URL of an object store; None is inside the state folder."""

    tables: str | None = None

    @field_validator("tables")
    @classmethod
    def _is_a_place_that_can_be_written(cls, place: str | None) -> str | None:
        trouble = find_place_problem(place) if place else None
        if trouble is not None:
            refuse(trouble)
        return place or None


class SettingsFile(_Section):
    """The whole file. `validate_document` builds it, with the context that its checks need."""

    accounts: Annotated[dict[Annotated[str, AfterValidator(_check_account_name)], AccountSection], Field(min_length=1)]
    schedule: ScheduleSection
    pace: PaceSection
    flatten: FlattenSection
    exchange: ExchangeSection
    alerts: AlertsSection
    storage: StorageSection

    @field_validator("flatten", mode="before")
    @classmethod
    def _waits_for_the_lock_as_long_as_for_a_late_tick(cls, found: object, info: ValidationInfo) -> object:
        if not isinstance(found, dict) or found.get("lock_wait_s") is not None:
            return found
        schedule = info.data.get("schedule") or ScheduleSection()
        return {**found, "lock_wait_s": schedule.max_lateness_s}


# Every section may be left out, and is then checked like one that is there and says nothing.
_EMPTY_SECTIONS: dict[object, object] = {name: {} for name in SettingsFile.model_fields if name != "accounts"}


def validate_document(document: SettingsDocument, venue: Venue, today: date) -> tuple[SettingsFile | None, list[str]]:
    """Check a settings file against everything that is known about settings.

    Args:
        document: The file.
        venue: The venue the settings are for: the exchange's lower bounds hold on the live one only.
        today: The date, which bounds the first trading day.

    Returns:
        The settings and no problem, or None and a line for every problem.
    """
    accounts = document.content.get("accounts")
    sections = accounts.values() if isinstance(accounts, dict) else ()
    prefixes = Counter(str(section.get("credentials_prefix")) for section in sections if isinstance(section, dict))
    context = _Context(venue, today, prefixes)
    try:
        settings = SettingsFile.model_validate({**_EMPTY_SECTIONS, **document.content}, context=context)
    except ValidationError as error:
        told_errors = [told(details, _known_keys) for details in error.errors()]
        return None, [*document.problems, *(document.problem(location, text) for location, text in told_errors)]
    return (None if document.problems else settings), list(document.problems)


def _known_keys(parents: Location) -> Iterable[str]:
    if not parents:
        return SettingsFile.model_fields
    if parents[0] == "accounts":
        return AccountSection.model_fields
    section: Any = SettingsFile.model_fields[str(parents[0])].annotation
    return list(section.model_fields)
