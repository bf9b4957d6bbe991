"""Everything that reads checks of accounts from the ledger. As in `history`: it writes nothing."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from sqlalchemy import ColumnElement, func, select

from deepcoin_ops.domain.checks import AccountCheck, CheckPurpose, Finding
from deepcoin_ops.ledger.checks_schema import account_checks, check_findings
from deepcoin_ops.ledger.queries import Rows, fetch
from deepcoin_ops.ledger.reading import Reading
from deepcoin_ops.ledger.records import CheckRecord
from deepcoin_ops.ledger.rows import build_utc_text
from deepcoin_ops.ledger.schema import entries


class CheckHistory(Reading):
    """What the ledger has about checks of accounts."""

    def read_checks_since(self, since: datetime) -> list[CheckRecord]:
        """The checks of all accounts that were recorded at `since` or later, oldest first."""
        return self._read_checks(entries.c.recorded_at >= build_utc_text(since))

    def read_last_check(self, account: str, *purposes: CheckPurpose) -> CheckRecord | None:
        """The account's newest check for one of these purposes, or for any when none is named; None when there is none."""
        newest = select(func.max(entries.c.seq)).join(account_checks, account_checks.c.seq == entries.c.seq)
        newest = newest.where(entries.c.account == account)
        if purposes:
            newest = newest.where(account_checks.c.purpose.in_([purpose.value for purpose in purposes]))
        found = self._read_checks(entries.c.seq == newest.scalar_subquery())
        return found[0] if found else None

    def read_admitted_check(self, account: str) -> CheckRecord | None:
        """The check by which the account's newest admitted flatten was admitted; None when none ever was.

        One that cannot be read is passed over, for a sending flatten too: the account that an older one names is held
        against the key just as well, and a cell must not keep an account open for ever.
        """
        blocked = select(check_findings.c.seq).where(check_findings.c.is_blocking == 1)
        admitted = select(entries.c.seq).join(account_checks, account_checks.c.seq == entries.c.seq)
        admitted = admitted.where(entries.c.account == account, account_checks.c.purpose == CheckPurpose.FLATTEN.value)
        admitted = admitted.where(account_checks.c.seq.not_in(blocked), account_checks.c.uid.is_not(None))
        readable = CheckHistory(self._store, is_tolerant=True)
        for row in self._read(admitted.order_by(entries.c.seq.desc())):
            found = readable._read_checks(entries.c.seq == row["seq"])
            if found:
                return found[0]
        return None

    def _read_checks(self, condition: ColumnElement[bool]) -> list[CheckRecord]:
        query = select(entries, account_checks).join(account_checks, account_checks.c.seq == entries.c.seq)
        items = select(check_findings).join(entries, entries.c.seq == check_findings.c.seq).where(condition)
        items = items.order_by(check_findings.c.seq, check_findings.c.item_index)
        with self._store.reading() as connection:
            rows = fetch(connection, query.where(condition).order_by(entries.c.seq))
            found: dict[int, Rows] = defaultdict(list)
            for row in fetch(connection, items):
                found[row["seq"]].append(row)
        records = []
        for row in rows:
            findings = tuple(self._build_each(Finding, found[row["seq"]]))
            # With a finding missing, a check that denied a flatten would read as one that passed.
            check = self._build(AccountCheck, row, findings=findings) if self._is_whole(row["seq"]) else None
            record = self._build(CheckRecord, row, check=check) if check is not None else None
            if record is not None:
                records.append(record)
        return records
