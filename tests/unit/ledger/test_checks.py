"""Checks of accounts in the ledger: they come back as they went in, and the admitted one is found."""

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from deepcoin_ops.domain.checks import CheckPurpose
from deepcoin_ops.ledger.journal import Ledger

DAY = "2026-03-01"


@pytest.fixture
def opened(ledger: Ledger, samples: Any) -> Ledger:
    """A ledger with an opened flatten."""
    ledger.record_flatten(samples.request, "{}")
    return ledger


def test_a_check_reads_back_as_it_was_recorded(opened: Ledger, samples: Any) -> None:
    """Amounts to the last digit, findings in their order, and the flatten it decided about."""
    opened.record_check("main", DAY, samples.check, "F1")
    [record] = opened.read_checks_since(samples.start)
    assert record.check == samples.check
    assert (record.account, record.trading_day, record.flatten_id) == ("main", DAY, "F1")
    assert opened.read_checks_since(record.recorded_at + timedelta(seconds=1)) == []
    assert opened.read_altered_entry("main") is None


def test_the_newest_check_is_found_by_purpose_and_account(opened: Ledger, samples: Any) -> None:
    """A preflight must not take the place of what a flatten was admitted by, nor another account's check."""
    flatten = dataclasses.replace(samples.check, purpose=CheckPurpose.FLATTEN)
    opened.record_check("main", DAY, flatten)
    opened.record_check("main", DAY, samples.check)
    opened.record_check("hedge", DAY, flatten)
    assert opened.read_last_check("main").check == samples.check
    assert opened.read_last_check("main", CheckPurpose.FLATTEN, CheckPurpose.CREDENTIALS).check == flatten
    assert opened.read_last_check("main", CheckPurpose.CREDENTIALS) is None
    assert opened.read_last_check("nobody") is None


def test_only_an_admitted_flatten_tells_which_account_the_key_belonged_to(opened: Ledger, samples: Any) -> None:
    """A refused flatten with a foreign key must not make that key the known one."""
    admitted = dataclasses.replace(samples.check, purpose=CheckPurpose.FLATTEN, findings=samples.check.findings[1:])
    refused = dataclasses.replace(samples.check, purpose=CheckPurpose.FLATTEN, uid="999")
    assert opened.read_admitted_check("main") is None
    opened.record_check("main", DAY, refused)
    assert opened.read_admitted_check("main") is None
    opened.record_check("main", DAY, admitted)
    opened.record_check("main", DAY, refused)
    opened.record_check("main", DAY, dataclasses.replace(admitted, uid=None))
    opened.record_check("main", DAY, dataclasses.replace(samples.check, uid="7", findings=()))
    assert opened.read_admitted_check("main").check == admitted
