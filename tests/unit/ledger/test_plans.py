"""Every question to the ledger finds its rows by an index: what it costs must not grow with what it is not about."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event

from deepcoin_ops.domain.checks import CheckPurpose
from deepcoin_ops.domain.model import Venue
from deepcoin_ops.ledger import queries
from deepcoin_ops.ledger.history import History
from deepcoin_ops.ledger.identity import read_identity
from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.ledger.kinds import find_unknown_kinds
from deepcoin_ops.ledger.mark import read_setback
from deepcoin_ops.ledger.queries import Selection

DAY = "2026-03-01"
# What `ledger verify` asks: it reads everything, and no entry for the triggers.
_WHOLE = ("read_altered_entries", "find_damage", "find_missing_triggers")
FETCHES = {name: each for name, each in inspect.getmembers(queries, inspect.isfunction) if name.startswith("fetch_")}
READS = {
    name: each
    for name, each in inspect.getmembers(History, inspect.isfunction)
    if name.startswith(("read_", "has_", "find_")) and name not in _WHOLE
}


@pytest.fixture
def arguments(samples: Any, path: Path) -> dict[str, Any]:
    """A value for every parameter that a question may have, by its name."""
    return {
        "account": "main",
        "trading_day": DAY,
        "flatten_id": "F1",
        "since": samples.start + timedelta(seconds=8),
        "after_seq": 3,
        "up_to_seq": 9,
        "seq": 5,
        "purposes": CheckPurpose.PREFLIGHT,
    }


@pytest.fixture
def plans(ledger: Ledger, samples: Any) -> Callable[[], Any]:
    """Collects how the database looks for the rows of each statement in a block."""
    samples.record_all_kinds(ledger)

    @contextmanager
    def collect() -> Iterator[dict[str, list[str]]]:
        found: dict[str, list[str]] = {}

        def explain(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, is_many: bool) -> None:
            if statement.lstrip().startswith(("SELECT", "WITH")) and "facts" in statement:
                raw = connection.connection.driver_connection
                found[statement] = [row[3] for row in raw.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]

        engine = ledger._store._engine
        event.listen(engine, "before_cursor_execute", explain)
        try:
            yield found
        finally:
            event.remove(engine, "before_cursor_execute", explain)

    return collect


def call(function: Callable[..., Any], first: object, arguments: dict[str, Any]) -> None:
    """Call it with a value for each of its parameters, so that every condition is in the statement."""
    named = {}
    for name, parameter in list(inspect.signature(function).parameters.items())[1:]:
        assert name in arguments, f"{function.__name__} asks for {name}: give it a value in `arguments`."
        if parameter.kind is not parameter.VAR_POSITIONAL:
            named[name] = arguments[name]
    function(first, **named)


def check(found: dict[str, list[str]]) -> None:
    """Look that something was asked, and that nothing reads the whole table or a whole index."""
    assert found
    scans = {statement: plan for statement, plan in found.items() if any("SCAN facts" in step for step in plan)}
    assert scans == {}, "a question reads everything that was ever recorded; give it an index or another condition"


@pytest.mark.parametrize("name", FETCHES)
def test_every_statement_has_an_index(name: str, ledger: Ledger, plans: Any, arguments: dict[str, Any]) -> None:
    """Found by their names, so that the next one is looked at too."""
    with plans() as found, ledger._store.reading() as connection:
        call(FETCHES[name], connection, arguments)
    check(found)


@pytest.mark.parametrize("is_bounded", [True, False])
@pytest.mark.parametrize("name", READS)
def test_every_selection_of_a_reader_has_an_index(
    name: str, is_bounded: bool, ledger: Ledger, plans: Any, arguments: dict[str, Any]
) -> None:
    """Each with everything that it can be asked, and with as little."""
    required = {
        parameter.name
        for parameter in inspect.signature(READS[name]).parameters.values()
        if parameter.default is parameter.empty
    }
    with plans() as found:
        if is_bounded:
            call(READS[name], ledger, arguments)
        else:
            READS[name](ledger, **{key: arguments[key] for key in required & arguments.keys() - {"purposes"}})
    check(found)


@pytest.mark.parametrize("field", ["account", "trading_day", "flatten_id", "once_keys", "since", "after_seq"])
@pytest.mark.parametrize("more", [{}, {"kinds": ("check_made/1", "flatten_opened/1")}, {"newest": 1}, {"limit": 1}])
def test_every_field_of_a_selection_is_found_by_an_index(
    field: str, more: dict[str, Any], ledger: Ledger, plans: Any, arguments: dict[str, Any]
) -> None:
    """Alone and with others beside it; a table that is read whole has a selection without any of them."""
    value = ("opened F1",) if field == "once_keys" else arguments[field]
    with plans() as found, ledger._store.reading() as connection:
        queries.fetch(connection, Selection(**{field: value}, **more))
    check(found)


def test_what_opening_asks_has_an_index(ledger: Ledger, plans: Any, path: Path) -> None:
    """A sensor opens the ledger every few seconds."""
    with plans() as found, ledger._store.reading() as connection:
        read_identity(connection)
        find_unknown_kinds(connection)
        read_setback(path, ledger._store)
    check(found)
    Ledger.open(path, Venue.PAPER).close()


def test_what_appending_asks_has_an_index(ledger: Ledger, plans: Any, samples: Any) -> None:
    """It stands before every send."""
    with plans() as found:
        ledger.record_intent("F1", dataclasses.replace(samples.intent, attempt_id="A9"))
        ledger.record_outcome("A9", samples.answer)
    assert len(found) >= 4
    check(found)
