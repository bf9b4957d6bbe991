"""Facts to rows and back: whatever happens is recorded and read back, and what a tool wrote crashes no reader."""

from __future__ import annotations

import dataclasses
import inspect
import types
import typing
import zlib
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from golden_facts import NAMED, build_samples, find_fields, read_stored
from hypothesis import given, settings
from hypothesis import strategies as st

from deepcoin_ops.domain.errors import LedgerError
from deepcoin_ops.domain.facts import (
    Answer,
    Call,
    CallIntended,
    CallKind,
    Lane,
    LedgerCreated,
    PricesRead,
    SchedulerGap,
    StopAsked,
)
from deepcoin_ops.domain.model import RawAnswer, Venue
from deepcoin_ops.ledger.chain import build_fact_hash
from deepcoin_ops.ledger.days import read_account_days
from deepcoin_ops.ledger.encoding import KINDS, build_body, pack_answers, unpack_answers
from deepcoin_ops.ledger.history import History
from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.ledger.records import NewFact
from deepcoin_ops.ledger.sqlite_file import driver

DAY = "2026-03-01"
PRICES = '{"kind":"prices_read/1","flatten_id":"","at_s":0.0,"prices":{"A":%s}}'
# Half a surrogate pair, NUL, what looks like an odd value and is a text.
_ODD_TEXTS = st.sampled_from(["\ud800", "a\udfff\x00b", '"NaN"', "1E+99999", "2026-03-01T00:00:00"])
_TEXTS = st.text(max_size=6)
_PLAIN: dict[type, st.SearchStrategy[Any]] = {
    bool: st.booleans(),
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False, allow_infinity=False),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False),
    datetime: st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7, minutes=-30))])).filter(
        lambda instant: 1 < instant.year < 9999
    ),
}


def build_strategy(hint: Any, texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    """Build what may stand in a field of an annotated type."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return st.one_of(*(st.none() if each is type(None) else build_strategy(each, texts) for each in arguments))
    if origin is tuple:
        return st.lists(build_strategy(arguments[0], texts), max_size=2).map(tuple)
    if origin in (dict, Mapping):
        return st.dictionaries(texts, build_strategy(arguments[1], texts), max_size=2)
    if hint is str:
        return texts
    if hint in _PLAIN:
        return _PLAIN[hint]
    if dataclasses.is_dataclass(hint) or issubclass(hint, msgspec.Struct):
        named = {name: st.just(value) for name, value in NAMED.items()}
        fields = find_fields(hint).items()
        return st.builds(hint, **{name: named.get(name, build_strategy(each, texts)) for name, (each, *_) in fields})
    return st.sampled_from(hint)


@settings(max_examples=12, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("kind", list(KINDS))
def test_every_fact_is_read_back_as_it_was(kind: str, data: st.DataObject) -> None:
    """To the last digit and letter; and what is read is stored by the same bytes again."""
    fact = data.draw(build_strategy(KINDS[kind], _TEXTS))
    body = build_body(fact)
    read = read_stored(kind, body)
    assert (read.problem, read.fact) == ("", fact)
    assert build_body(read.fact) == body


@settings(max_examples=6, deadline=None)
@given(data=st.data())
@pytest.mark.parametrize("kind", list(KINDS))
def test_a_text_with_anything_in_it_costs_no_record(kind: str, data: st.DataObject) -> None:
    """An exchange's message may be cut in the middle of a letter; what was answered is recorded and readable."""
    fact = data.draw(build_strategy(KINDS[kind], _ODD_TEXTS))
    body = build_body(fact)
    read = read_stored(kind, body)
    assert read.problem == ""
    assert build_body(read.fact) == body


def test_half_a_letter_is_named_by_its_number(ledger: Ledger, samples: Any) -> None:
    """In the file itself, as the next process reads it."""
    answer = dataclasses.replace(samples.answer, reason="cut \ud83d, then \x00", notes=("\udfff",))
    ledger.record_flatten(samples.request, "{}")
    ledger.record_intent("F1", samples.intent)
    ledger.record_outcome("A1", answer)
    [attempt] = ledger.read_attempts(DAY)
    assert (attempt.reason, attempt.notes) == ("cut \\ud83d, then \x00", ("\\udfff",))
    assert ledger.read_altered_entry("main") is None


@pytest.mark.parametrize(
    "amount",
    [
        "1e99999",
        '"1e99999"',
        '"1_0e1_00000"',
        '"-1E-10000"',
        '"１e９９９９９"',
        "1e999999999999999999",
        '"NaN"',
        '" -nan "',
        '"sNaN7"',
        '"Infinity"',
        '"-inf"',
        '{"a":1}',
        "null",
        "NaN",
    ],
)
def test_an_amount_that_is_no_number_is_unreadable_however_it_is_spelled(amount: str) -> None:
    """One that is written out would ask for all memory, one that is compared would raise."""
    assert read_stored("prices_read/1", PRICES % amount).problem.startswith("it cannot be read: ")


@pytest.mark.parametrize("amount", ['"1E+9999"', "1.5e3", '"-0.00"', "7", '"' + "9" * 10_000 + '"'])
def test_a_long_amount_is_an_amount(amount: str) -> None:
    """Only what cannot be used is refused."""
    assert read_stored("prices_read/1", PRICES % amount).problem == ""


@pytest.mark.parametrize(
    "body",
    [
        b'\xff{"kind"',
        "",
        "null",
        "{}",
        '{"kind":7}',
        "[" * 100_000,
        '{"kind":"stop_asked/1","flatten_id":"","at_s":0,"reason":"","more":' + "[" * 100_000,
        '{"kind":"stop_asked/1","flatten_id":"","at_s":0,"reason":"\\ud800"}',
        '{"kind":"stop_asked/1","flatten_id":"","at_s":1e999,"reason":""}',
        '{"kind":"stop_asked/1","flatten_id":"","at_s":null,"reason":""}',
        '{"kind":"stop_asked/1","flatten_id":"","at_s":0,"reason":"","at":"2026-03-01T00:00:00"}',
        '{"kind":"stop_asked/1","flatten_id":"","at_s":0,"reason":"","at":"99999-03-01T00:00:00Z"}',
        '{"kind":"kill_switch_seen/1","flatten_id":"","at_s":0,"reason":""}',
        '{"kind":"stop_asked/2","flatten_id":"","at_s":0,"reason":""}',
    ],
)
def test_a_body_that_is_none_is_named(body: Any) -> None:
    """With a hash that fits, so that the chain finds nothing wrong."""
    read = read_stored("stop_asked/1", body)
    assert read.fact is None
    assert read.problem.startswith("it cannot be read: ")


def test_a_body_in_bytes_is_read_like_one_in_letters() -> None:
    """A tool that copies tables may have written it so, and its hash with it."""
    body = b'{"kind":"stop_asked/1","flatten_id":"","at_s":0,"reason":"\xc3\xa9"}'
    assert read_stored("stop_asked/1", body).fact == StopAsked(flatten_id="", at_s=0.0, reason="é")


@pytest.mark.parametrize(
    "fact",
    [
        SchedulerGap(flatten_id="F1", at_s=float("nan"), gap_s=1.0),
        SchedulerGap(flatten_id="F1", at_s=1.0, gap_s=float("inf")),
        SchedulerGap(flatten_id="F1", at_s=1.0, gap_s=1.0, at=datetime(2026, 3, 1)),  # noqa: DTZ001 - that is the fault
        PricesRead(flatten_id="F1", at_s=1.0, prices={"A": Decimal("NaN")}),
        PricesRead(flatten_id="F1", at_s=1.0, prices={"A": Decimal("1E+10000")}),
    ],
)
def test_what_could_not_be_read_back_is_not_recorded(fact: Any, ledger: Ledger, sql: Callable[..., list[Any]]) -> None:
    """It would keep its account from being flattened for as long as the ledger is kept."""
    with pytest.raises(LedgerError, match=r"did not record (scheduler_gap|prices_read)/1 of F1, account main"):
        ledger.append([NewFact("main", DAY, fact)])
    assert sql("SELECT count(*) FROM facts") == [(1,)]


@pytest.mark.parametrize("instruments", [(), ("BTC-USDT-SWAP", "ETH-USDT-SWAP"), ("btc",), ("",)])
def test_a_close_is_of_one_instrument_or_no_record(instruments: tuple[str, ...], ledger: Ledger) -> None:
    """Every list of closes would end at it, the alerts of other accounts with it."""
    call = Call(kind=CallKind.BATCH_CLOSE, lane=Lane.CLOSE, instrument_ids=instruments)
    fact = CallIntended(flatten_id="F1", at_s=1.0, call_id="A1", call=call)
    with pytest.raises(LedgerError, match="did not record call_intended/1"):
        ledger.append([NewFact("main", DAY, fact)])
    body = msgspec.json.encode(fact).decode()
    assert read_stored("call_intended/1", body).problem.startswith("it cannot be read: ")


def test_every_reader_goes_on_whatever_a_fact_says(ledger: Ledger, samples: Any) -> None:
    """With all that a fact may hold, and with as little as it may hold."""
    new = [build_samples(each) for each in KINDS.values() if each is not LedgerCreated]
    ledger.append([NewFact("main", DAY, fact) for pair in new for fact in pair])
    arguments = {"account": "main", "trading_day": DAY, "since": samples.start, "after_seq": 0, "up_to_seq": 999}
    arguments["flatten_id"] = new[0][0].flatten_id
    readers = [each for name, each in inspect.getmembers(History, inspect.isfunction) if name.startswith(("read_", "has_"))]
    for reader in readers:
        named = inspect.signature(reader).parameters.keys() & arguments.keys()
        reader(ledger, **{name: arguments[name] for name in named})
    assert len(ledger.read_attempts(DAY)) == len(ledger.read_cancels(DAY)) == 1
    assert read_account_days(ledger, DAY, 999, {}, None, samples.start)


@pytest.mark.parametrize("kept", [2, 4, -3])
def test_raw_answers_of_another_length_are_not_those_of_the_fact(kept: int) -> None:
    """A megabyte of zeros is a few bytes in the file, and it is not unpacked to find that out."""
    described, raw = pack_answers([RawAnswer(200, b"abc", 3)])
    assert unpack_answers(described, raw) == (RawAnswer(200, b"abc", 3),)
    with pytest.raises(ValueError, match=r"another length|cannot be decompressed"):
        unpack_answers([Answer(200, 3, kept)], raw)
    with pytest.raises(ValueError, match="another length"):
        unpack_answers(described, zlib.compress(b"\0" * 2**24))


@pytest.fixture
def newer(ledger: Ledger, samples: Any, path: Path) -> Callable[[str, str], None]:
    """Records a fact of a kind as a newer version would, with a hash that fits."""
    ledger.record_flatten(samples.request, "{}")
    ledger.close()

    def record(account: str, kind: str) -> None:
        with closing(driver.connect(path)) as connection, connection:
            connection.row_factory = driver.Row
            row = dict(connection.execute("SELECT * FROM facts ORDER BY seq DESC LIMIT 1").fetchone())
            previous = row["fact_hash"] if account == row["account"] else "0" * 64
            row |= {"seq": row["seq"] + 1, "account": account, "kind": kind, "once_key": None, "previous_hash": previous}
            row["body"] = f'{{"kind":"{kind}","what":"is new"}}'
            row["fact_hash"] = build_fact_hash(row)
            connection.execute(f"INSERT INTO facts VALUES ({','.join('?' * len(row))})", list(row.values()))

    return record


@pytest.mark.parametrize(("account", "kind"), [("main", "call_intended/2"), ("hedge", "call_planned/1")])
def test_a_kind_of_a_newer_version_keeps_this_one_from_sending(
    account: str, kind: str, newer: Callable[[str, str], None], path: Path
) -> None:
    """It may say that a close was sent; a read of the kinds that are known would not come upon it."""
    newer(account, kind)
    with pytest.raises(
        LedgerError, match=f"newer version: account {account}, entry 3 .{kind}, {DAY}.: its kind is unknown"
    ):
        Ledger.open(path, Venue.PAPER)


def test_who_only_reads_goes_on_without_it_and_names_it(newer: Callable[[str, str], None], path: Path) -> None:
    """Whatever is asked for, and although the chain holds."""
    newer("main", "call_intended/2")
    with Ledger.open_existing(path, Venue.PAPER) as reader:
        [named] = reader.unreadable
        assert (named.seq, named.kind, named.reason) == (3, "call_intended/2", "its kind is unknown to this version")
        assert [each.request.flatten_id for each in reader.read_flattens(DAY)] == ["F1"]
        assert [each.problem for each in reader.read(account="main")][1:] == [f"it cannot be read: {named.reason}"]
        assert reader.read_altered_entry("main") is None


def test_a_kind_that_a_tool_wrote_over_keeps_no_other_account_from_sending(
    ledger: Ledger, samples: Any, path: Path, drop_triggers: Callable[[], None], sql: Callable[..., list[Any]]
) -> None:
    """That is damage, and no newer version: one cell must not keep every account open."""
    ledger.record_flatten(samples.request, "{}")
    drop_triggers()
    for damage in ("'call_intended/2'", "CAST(x'ff' AS TEXT)", "x'ff'"):
        sql(f"UPDATE facts SET kind = {damage} WHERE seq = 2")
        with Ledger.open(path, Venue.PAPER) as again:
            assert again.read_attempts_since("hedge", samples.start) == []
            assert isinstance(again, History)
