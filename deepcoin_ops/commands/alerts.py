"""What the command line tells about alerts: what is kept and what became of it, and a test of the addresses."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rich.console import Group, RenderableType

from deepcoin_ops.alerts.alert import RUNBOOK
from deepcoin_ops.alerts.delivering import deliver_due
from deepcoin_ops.alerts.facts import HORIZON
from deepcoin_ops.alerts.outbox import AlertState, Outbox, OutboxEntry
from deepcoin_ops.alerts.posting import Letter
from deepcoin_ops.commands.layout import add_row, build_table, describe_instant, plain
from deepcoin_ops.domain.errors import AlertsFailed, DeepcoinOpsError
from deepcoin_ops.settings import Settings
from deepcoin_ops.settings_alerts import AlertAddresses

# Longer than another one's pass can take.
DELIVERY_WAIT_S = 40.0


@dataclass(frozen=True)
class ShownAlert:
    """One alert of the outbox with what became of it."""

    entry: OutboxEntry
    state: AlertState

    @property
    def failure(self) -> str:
        """The last failure of a delivery that is still open, if there is one."""
        open_ones = [each for each in self.entry.deliveries.values() if each.delivered_at is None and each.failure]
        return "; ".join(f"{each.failure} ({each.tries} tries)" for each in open_ones)


def read_shown_alerts(settings: Settings, addresses: AlertAddresses, now: datetime) -> list[ShownAlert]:
    """What is in the outbox, oldest first. Writes nothing, delivers nothing."""
    ids = [address.address_id for address in addresses.usable]
    return [ShownAlert(entry, entry.state(ids, now)) for entry in Outbox(settings.alerts_folder).read_entries()]


def read_untold_alerts(settings: Settings, addresses: AlertAddresses, now: datetime) -> list[ShownAlert]:
    """Those of the last two days that somebody should have heard of and has not, or not everybody."""
    shown = read_shown_alerts(settings, addresses, now)
    return [each for each in shown if is_untold(each) and each.entry.first_at > now - HORIZON]


def build_alerts_tables(shown: Sequence[ShownAlert]) -> RenderableType:
    """What `alerts --show` shows: a row for each, and the whole text of those that nobody has been told yet."""
    if not shown:
        return plain("no alerts of the last weeks")
    table = build_table("alerts", "first seen", "severity", "state", "title", "reason")
    for each in shown:
        entry = each.entry
        told = entry.settled or each.failure
        add_row(table, describe_instant(entry.first_at), entry.severity, each.state, entry.title, told)
    untold = [each.entry for each in shown if is_untold(each)]
    return Group(table, *(plain(f"\n{entry.title}\n{entry.text}", keeps_lines=True) for entry in untold))


def build_alerts_document(shown: Sequence[ShownAlert]) -> str:
    """What `alerts --show` shows, as JSON."""
    return json.dumps([summarise_alert(each) | {"text": each.entry.text} for each in shown], indent=2)


def summarise_alert(shown: ShownAlert) -> dict[str, Any]:
    """One alert as JSON knows it, without its text."""
    entry = shown.entry
    return {
        "key": entry.key,
        "kind": entry.kind.value,
        "severity": entry.severity.value,
        "account": entry.account,
        "title": entry.title,
        "first_at": entry.first_at.astimezone(UTC).isoformat(),
        "state": shown.state.value,
        "settled": entry.settled,
        "failure": shown.failure,
    }


def is_untold(shown: ShownAlert) -> bool:
    """Whether somebody should have heard of it and has not, or not everybody."""
    return shown.state in (AlertState.WAITING, AlertState.GIVEN_UP, AlertState.KEPT)


def build_test_letter(settings: Settings, now: datetime) -> Letter:
    """What `alerts --test` sends."""
    unwatched = settings.find_unwatched(now)
    warning = f"{unwatched.text}\n" if unwatched is not None else ""
    text = (
        f"Test of the alerts of deepcoin_ops on the {settings.venue} venue, sent at {describe_instant(now)}.\n"
        f"Accounts: {', '.join(settings.accounts)}.\n"
        "What happened: somebody ran `deepcoin-ops alerts --test`. Nothing is wrong and nothing has to be done.\n"
        f"{warning}"
        f"Where to look: docs/alerts.md; {RUNBOOK}"
    )
    return Letter("TEST", f"[{settings.venue}] test alert of deepcoin_ops", text, is_urgent=False)


def describe_failed_pass(error: OSError | AlertsFailed) -> str:
    """Why a pass ended early, and where the runbook goes on."""
    if isinstance(error, AlertsFailed):
        return f"{error} See {RUNBOOK}, 'Alerts failed'."
    return f"Alerts, or the ledger, cannot be kept: {error}. See {RUNBOOK}, 'Outbox unwritable'."


def deliver_after_flatten(settings: Settings, addresses: AlertAddresses) -> list[str]:
    """Deliver what is due once a flatten by hand has ended; what went wrong with that, in words. Never raises for it."""
    try:
        report = deliver_due(settings, addresses, datetime.now(UTC), wait_s=DELIVERY_WAIT_S)
    except (DeepcoinOpsError, OSError) as error:
        return [f"Alerts could not be delivered: {error}. `deepcoin-ops alerts` tries again."]
    # Without an address the person at this command line is told by its own output.
    told = [*report.failures, *report.problems]
    if report.is_busy and addresses.usable:
        told.append("somebody else has been delivering all the while")
    return [f"Alerts: {each}. `deepcoin-ops alerts --show` lists them." for each in told]
