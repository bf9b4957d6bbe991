"""The table that the code speaks of is the table that the migration makes."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import StaticPool, create_engine

from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.ledger.schema import metadata
from deepcoin_ops.ledger.sqlite_file import driver

_PRAGMAS = ("table_xinfo", "foreign_key_list", "index_xinfo")


def _describe(run: Callable[[str], Iterable[Any]]) -> dict[tuple[str, str], Any]:
    """Every table and index as the database itself sees it; in the text alone, an added column stands elsewhere."""
    asked = (
        "SELECT name, sql FROM sqlite_master WHERE type IN ('table', 'index') "
        "AND name NOT IN ('alembic_version', 'sqlite_sequence') AND tbl_name <> 'alembic_version'"
    )
    told: dict[tuple[str, str], Any] = {}
    for name, sql in run(asked):
        for pragma in _PRAGMAS:
            told[name, pragma] = [tuple(row) for row in run(f"PRAGMA {pragma}('{name}')")]
        # Without their numbers, which follow the order of creation.
        told[name, "indexes"] = sorted(tuple(row[1:]) for row in run(f"PRAGMA index_list('{name}')"))
        told[name, "is autoincrement"] = "AUTOINCREMENT" in (sql or "")
    return told


def test_the_migrated_schema_is_the_schema_of_the_code(ledger: Ledger, sql: Callable[..., list[Any]]) -> None:
    """A column that exists on one side only would fail at the first write of it, on a night that matters."""
    engine = create_engine("sqlite://", poolclass=StaticPool)
    metadata.create_all(engine)
    with engine.connect() as connection:
        declared = _describe(lambda statement: [tuple(row) for row in connection.exec_driver_sql(statement)])
    engine.dispose()
    assert _describe(sql) == declared
    assert declared["facts", "table_xinfo"]


def test_alembic_finds_nothing_to_migrate(ledger: Ledger) -> None:
    """The next revision is generated from this difference, which therefore has to be empty now."""
    engine = create_engine(f"sqlite:///{ledger.path}", module=driver)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata) == []
    engine.dispose()


@pytest.mark.parametrize("table", list(metadata.tables))
@pytest.mark.parametrize("change", ["UPDATE {0} SET {1} = {1}", "DELETE FROM {0}"])
def test_no_row_of_any_table_can_be_changed_or_deleted(
    table: str, change: str, ledger: Ledger, samples: Any, sql: Callable[..., list[Any]]
) -> None:
    """The database itself refuses, so that no mistake of this code or of a person with a shell can edit the record."""
    samples.record_all_kinds(ledger)
    column = metadata.tables[table].c.keys()[0]
    with pytest.raises(driver.IntegrityError, match="the ledger is append-only"):
        sql(change.format(table, column))
