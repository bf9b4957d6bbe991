"""The ledger's tables about checks of accounts: whether closes were allowed to be sent, and why not.

As in `schema`, which puts all tables together: the columns carry the names of the fields of `domain.checks`.
"""

from __future__ import annotations

from sqlalchemy import Table

from deepcoin_ops.ledger.columns import (
    integer_column,
    item_index_column,
    metadata,
    seconds_column,
    seq_column,
    text_column,
)

account_checks = Table(
    "account_checks",
    metadata,
    seq_column(),
    text_column("purpose"),
    text_column("checked_at"),
    text_column("base_url"),
    text_column("uid", nullable=True),
    integer_column("open_instruments", nullable=True),
    text_column("notional_usdt", nullable=True),
    seconds_column("clock_offset_s"),
    text_column("armed_until", nullable=True),
    text_column("cap_usdt", nullable=True),
)

check_findings = Table(
    "check_findings",
    metadata,
    seq_column("account_checks"),
    item_index_column(),
    text_column("kind"),
    integer_column("is_blocking"),
    text_column("text"),
)
