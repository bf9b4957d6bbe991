"""Opening a flatten: who asked for what becomes a row in the ledger before anything else happens."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime

from deepcoin_ops.domain.model import FlattenRequest
from deepcoin_ops.flattening.desk import Desk
from deepcoin_ops.flattening.guards import choose_instruments


def open_flatten(
    desk: Desk,
    *,
    launched_by: str,
    instruments: Iterable[str] = (),
    is_dry_run: bool = False,
    scheduled_at: datetime | None = None,
    run_id: str | None = None,
    parent_flatten_id: str | None = None,
) -> FlattenRequest:
    """Write the opening row of a new flatten. Sends nothing.

    Args:
        desk: The account.
        launched_by: Who or what launched it, for people.
        instruments: What to close; none named means all configured ones.
        is_dry_run: Show what would be closed and send nothing.
        scheduled_at: The scheduled time it was launched for, kept as such; None for a launch by hand. The flatten belongs
            to the trading day in which it runs, whatever it was launched for.
        run_id: The orchestrator's run, if there is one.
        parent_flatten_id: The flatten that this one repeats.

    Raises:
        GuardRefused: An instrument that is not configured was asked for.
        LedgerError: The row could not be written.
    """
    chosen = choose_instruments(desk.account, instruments)
    trading_day = desk.settings.calendar.day_of(datetime.now(UTC))
    request = FlattenRequest(
        flatten_id=f"{trading_day}-{desk.account.name}-{uuid.uuid4().hex[:8]}",
        account=desk.account.name,
        trading_day=trading_day,
        launched_by=launched_by,
        instruments=chosen,
        is_dry_run=is_dry_run,
        scheduled_at=scheduled_at,
        run_id=run_id,
        parent_flatten_id=parent_flatten_id,
    )
    limits = desk.settings.build_limits(desk.account)
    desk.ledger.record_flatten(request, desk.settings.as_public_json(), limits)
    return request
