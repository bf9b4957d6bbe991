"""The tables that the code speaks of are the tables that the migrations make."""

import re
import sqlite3
from collections.abc import Callable
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import StaticPool, create_engine

from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.ledger.schema import metadata


def _statements(rows: list[Any]) -> dict[str, str]:
    return {name: re.sub(r"\s+", " ", sql) for name, sql in rows}


def test_the_migrated_schema_is_the_schema_of_the_code(ledger: Ledger, sql: Callable[..., list[Any]]) -> None:
    """A column that exists on one side only would fail at the first write of it, on a night that matters."""
    asked = (
        "SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'index') AND sql IS NOT NULL "
        "AND name NOT IN ('alembic_version', 'sqlite_sequence')"
    )
    engine = create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(engine)
    with engine.connect() as connection:
        declared = _statements([tuple(row) for row in connection.exec_driver_sql(asked)])
    engine.dispose()
    assert _statements(sql(asked)) == declared


def test_alembic_finds_nothing_to_migrate(ledger: Ledger) -> None:
    """The next revision is generated from this difference, which therefore has to be empty now."""
    engine = create_engine(f"sqlite:///{ledger.path}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata) == []
    engine.dispose()


@pytest.mark.parametrize("table", list(metadata.tables))
@pytest.mark.parametrize("change", ["UPDATE {0} SET {1} = {1}", "DELETE FROM {0}"])
def test_no_row_of_any_table_can_be_changed_or_deleted(
    table: str, change: str, ledger: Ledger, samples: Any, sql: Callable[..., list[Any]]
) -> None:
    """The database itself refuses, so that no mistake of this code or of a person with a shell can edit the record."""
    samples.record_everything(ledger)
    samples.record_evidence(ledger)
    column = metadata.tables[table].c.keys()[0]
    with pytest.raises(sqlite3.IntegrityError, match="the ledger is append-only"):
        sql(change.format(table, column))
