"""The settings file means what a person reads in it, and says so in one line where it would mean something else."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml
from fsspec.registry import known_implementations
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from upath.registry import get_upath_class

from deepcoin_ops.domain.errors import SettingsError
from deepcoin_ops.settings import Settings, load_settings
from deepcoin_ops.settings_document import read_document
from deepcoin_ops.settings_model import AccountSection, SettingsFile
from deepcoin_ops.settings_storage import STORES
from deepcoin_ops.settings_yaml import load_strictly

ACCOUNT = "accounts: {main: {credentials_prefix: DEEPCOIN, instruments: [BTC-USDT-SWAP]}}\n"
TODAY = datetime.now(UTC).date()
Load = Callable[[str], Settings]


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """Loads settings from text."""
    folder = tmp_path_factory.mktemp("desk")

    def load(text: str) -> Settings:
        path = folder / "desk.yaml"
        path.write_text(text, encoding="utf-8", newline="")
        return load_settings({"DEEPCOIN_OPS_SETTINGS": str(path), "DEEPCOIN_OPS_STATE": str(folder)})

    return load


def account(more: str) -> str:
    """A file whose one account has a key more."""
    return ACCOUNT.replace("instruments:", f"{more}, instruments:")


REFUSED = {
    "sexagesimal amount": (account("cap_notional_usdt: 1:30"), 1, "an amount of USDT above 0, such as 250000"),
    "octal number": (ACCOUNT + "flatten: {max_rounds: 010}", 2, "write decimal digits alone, such as 10"),
    "octal number of YAML 1.2": (ACCOUNT + "flatten: {max_rounds: 0o10}", 2, "write decimal digits alone"),
    "hexadecimal number": (ACCOUNT + "flatten: {max_rounds: 0x8}", 2, "write decimal digits alone"),
    "number with underscores": (ACCOUNT + "pace: {margin_ms: 1_0}", 2, "write decimal digits with a point"),
    "number with an exponent": (ACCOUNT + "pace: {margin_ms: 1.0e+1}", 2, "write decimal digits with a point"),
    "sexagesimal seconds": (ACCOUNT + "flatten: {settle_s: 0:03}", 2, "write decimal digits with a point"),
    "infinity": (ACCOUNT + "flatten: {max_deadline_s: .inf}", 2, "write decimal digits with a point"),
    "not a number": (ACCOUNT + "flatten: {settle_s: .nan}", 2, "write decimal digits with a point"),
    "number of many digits": (account("cap_open_instruments: " + "9" * 5000), 1, "write decimal digits alone"),
    "more digits than are kept": (account("cap_notional_usdt: 900719925474099.27"), 1, "more digits than a number keeps"),
    "yes": (account("close_spot: yes"), 1, "write true or false"),
    "True": (account("close_spot: True"), 1, "write true or false"),
    "off": (account("close_spot: off"), 1, "write true or false"),
    "tag": (ACCOUNT + "flatten: {max_rounds: !!int '10'}", 2, "a tag"),
    "merged keys": (ACCOUNT + "pace: {<<: {margin_ms: 1}}", 2, "one of the keys"),
    "deep list": (ACCOUNT + "x: " + "[" * 3000 + "]" * 3000, 2, "more than 16 levels"),
    "deep mapping": (ACCOUNT + "x: " + "{a: " * 3000 + "}" * 3000, 2, "more than 16 levels"),
    "laughs": (ACCOUNT + "a: &a [x]\n" + "".join(f"a{n}: &a{n} [{'*a,' * 9}]\n" for n in range(3)), 2, "one of the keys"),
    "line separator in a comment": (ACCOUNT + "# capped\u2028pace: {}\n", 2, "U+2028"),
    "next line": (ACCOUNT + "# capped\x85pace: {}\n", 2, "U+0085"),
    "text from right to left": (ACCOUNT + "pace: {} # \u202e\n", 2, "U+202E"),
    "a lone carriage return": (ACCOUNT + "# capped\rpace: {}\n", 2, "U+000D"),
    "a bell": (ACCOUNT + "\n# \x07\n", 3, "U+0007"),
    "an escaped control character": (ACCOUNT + 'schedule: {timezone: "UTC\\u200b"}', 2, "does not show"),
    "text of two lines": (ACCOUNT + "schedule:\n  cron: |\n    30 23 * * *\n", 3, "does not show"),
    "a tab for an indent": (ACCOUNT + "pace:\n\tmargin_ms: 60\n", 3, "cannot start any token"),
    "a second document": (ACCOUNT + "---\npace: {}\n", 2, "another document"),
    "a key twice, once in quotes": (ACCOUNT + 'pace: {}\n"pace": {}\n', 3, "remove one of the two"),
    "the machine's timezone": (ACCOUNT + "schedule: {timezone: localtime}", 2, "such as Europe/London"),
    "no timezone": (ACCOUNT + "schedule: {timezone: Factory}", 2, "such as Europe/London"),
    "a timezone by path": (ACCOUNT + "schedule: {timezone: posix/Europe/London}", 2, "such as Europe/London"),
    "a timezone with leap seconds": (ACCOUNT + "schedule: {timezone: right/Europe/London}", 2, "such as Europe/London"),
    "a timezone without summer time": (ACCOUNT + "schedule: {timezone: EST}", 2, "such as Europe/London"),
    "a timezone on the other side": (ACCOUNT + "schedule: {timezone: Etc/GMT+5}", 2, "such as Europe/London"),
    "an unknown store": (ACCOUNT + "storage: {tables: foo://x}", 2, "write a folder of this machine"),
    "a store without its driver": (ACCOUNT + "storage: {tables: gs://bucket/desk}", 2, "install the package gcsfs"),
    "a store that is read only": (ACCOUNT + "storage: {tables: https://host/x}", 2, "write a folder of this machine"),
    "a store that is forgotten": (ACCOUNT + "storage: {tables: memory://x}", 2, "write a folder of this machine"),
    "a chained store": (ACCOUNT + "storage: {tables: simplecache::s3://x}", 2, "a store that tables can be kept in"),
    "a store without a bucket": (ACCOUNT + "storage: {tables: s3://}", 2, "a bucket or host"),
    "the last day of all": (ACCOUNT + "schedule: {first_trading_day: 9999-12-31}", 2, "from 2020-01-01 to 2099-12-31"),
    "the first day of all": (ACCOUNT + "schedule: {first_trading_day: 0001-01-01}", 2, "from 2020-01-01 to 2099-12-31"),
    "a day that is none": (ACCOUNT + "schedule: {first_trading_day: 2026-02-30}", 2, "such as 2026-03-01"),
    "a moment": (ACCOUNT + "schedule: {first_trading_day: 2026-01-01 10:00:00}", 2, "such as 2026-03-01"),
    "a first day far away": (ACCOUNT + "schedule: {first_trading_day: 2062-01-01}", 2, "before it nothing is watched"),
    "Quartz's last Friday": (ACCOUNT + "schedule: {cron: 30 23 * * 5L}", 2, "L5 is the last Friday"),
    "Quartz's last weekday": (ACCOUNT + "schedule: {cron: 30 23 LW * *}", 2, "L is the last day"),
    "a cron's name": (ACCOUNT + 'schedule: {cron: "@daily"}', 2, "write all five"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line", "words"), REFUSED.values(), ids=REFUSED)
def test_what_means_something_else_is_refused_with_its_line_and_what_to_write(
    load: Load, text: str, line: int, words: str
) -> None:
    """A cap of 90 that was written as 1:30 holds nothing back, and eight rounds are not ten."""
    with pytest.raises(SettingsError) as caught:
        load(text)
    assert any(f"desk.yaml:{line}:" in each and words in each for each in str(caught.value).splitlines())


def test_a_file_beyond_all_measure_is_refused_before_it_is_parsed(load: Load) -> None:
    """A log that was named by mistake would keep a flatten waiting for minutes."""
    with pytest.raises(SettingsError, match=r"desk\.yaml:1: expected YAML of at most 1,000,000 characters"):
        load(ACCOUNT + "# and so on\n" * 100_000)


def test_text_is_text_without_quotes_too(load: Load) -> None:
    """What looks like a number to the base 60 is the time that it looks like, and a date is one in quotes too."""
    schedule = '{day_boundary: 17:00, credentials_check: 09:30, first_trading_day: "2026-03-01", cron: 30 16 * * *}'
    loaded = load(ACCOUNT + f"schedule: {schedule}").schedule
    assert (loaded.day_boundary, loaded.credentials_check) == (time(17), time(9, 30))
    assert loaded.first_trading_day == date(2026, 3, 1)


def test_windows_line_ends_and_a_byte_order_mark_are_no_fault(load: Load) -> None:
    """Some editors write both, and show neither."""
    assert load("\ufeff" + (ACCOUNT + "pace: {margin_ms: 5}\n").replace("\n", "\r\n")).pace.margin_ms == 5


def test_a_list_may_be_written_once_and_named_again(load: Load) -> None:
    """A desk with many accounts says once what all of them close."""
    one, two = "{credentials_prefix: A, instruments: &all [BTC-USDT-SWAP]}", "{credentials_prefix: B, instruments: *all}"
    accounts = load(f"accounts: {{one: {one}, two: {two}}}").accounts
    assert accounts["one"].instruments == accounts["two"].instruments == ("BTC-USDT-SWAP",)


@pytest.mark.parametrize("days", [0, 1, 31])
def test_a_desk_may_begin_today_or_soon(load: Load, days: int) -> None:
    """It is set up before its first day; until then it hears that nothing is watched."""
    first = TODAY + timedelta(days=days)
    loaded = load(ACCOUNT + f"schedule: {{first_trading_day: {first}}}")
    finding = loaded.find_unwatched(datetime.combine(TODAY, time(12), UTC))
    assert (finding is None) is (days == 0)
    assert finding is None or (str(first) in finding.text and not finding.is_blocking)


def test_the_stores_are_those_that_the_libraries_open() -> None:
    """Each by the package that is named when it is missing."""
    for scheme, package in STORES.items():
        known = known_implementations[scheme]
        assert package in f"{known['class']} {known['err']}"
        assert get_upath_class(scheme) is not None


@pytest.mark.parametrize("text", ["10", "-3", "0", "250000", "1.5", "0.05", "-0.1", "true", "false", "null", "~", ""])
def test_a_plain_value_is_what_every_yaml_reads(text: str) -> None:
    """Decimal numbers, switches and nothing are the same in YAML 1.1 and 1.2."""
    assert load_strictly(f"a: {text}")[1] == yaml.safe_load(f"a: {text}")


def list_fields() -> list[tuple[str, str]]:
    """Every setting, as the section it is in and its key."""
    sections = {name: field.annotation for name, field in SettingsFile.model_fields.items() if name != "accounts"}
    found = [("accounts", key) for key in AccountSection.model_fields]
    for name, section in sections.items():
        assert isinstance(section, type)
        assert issubclass(section, BaseModel)
        found += [(name, key) for key in section.model_fields]
    return found


SCALARS: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([10**15, 10**400, -(10**20), 0]),
    st.floats().map(repr),
    st.decimals(allow_nan=True).map(str),
    st.dates().map(str),
    st.datetimes().map(str),
    st.times().map(str),
    st.text(max_size=40),
    st.text(alphabet="0123456789*/,-#?LWHR @:._+eExo", max_size=20),
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(list_fields()), VALUES, st.booleans())
def test_whatever_a_setting_says_is_a_value_or_a_line(
    load: Load, field: tuple[str, str], value: Any, is_plain: bool
) -> None:
    """No value of any type ends in a traceback, plain or in quotes."""
    section, key = field
    written = value if is_plain and isinstance(value, str) else json.dumps(value)
    entry = f"{{{key}: {written}}}"
    text = account(f"{key}: {written}") if section == "accounts" else f"{ACCOUNT}{section}: {entry}\n"
    with suppress(SettingsError):
        loaded = load(text)
        json.loads(loaded.as_public_json())
        assert loaded.max_run_time_s < 10**6


def test_an_amount_keeps_its_digits(load: Load) -> None:
    """As written, to the last one."""
    assert load(account("cap_notional_usdt: 123456789012.25")).account().cap_notional_usdt == Decimal("123456789012.25")


def test_the_shipped_file_says_the_same_to_every_yaml() -> None:
    """A person's tools read it too."""
    path = Path(load_settings({}).source_path)
    theirs = yaml.safe_load(path.read_text(encoding="utf-8"))
    ours = read_document(path).content
    assert json.dumps(ours, default=str) == json.dumps(theirs, default=str)
