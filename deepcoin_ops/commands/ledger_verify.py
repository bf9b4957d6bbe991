"""The command that walks the whole ledger and names what is not what was recorded. Reads alone."""

from __future__ import annotations

import click

from deepcoin_ops.domain.errors import LedgerError
from deepcoin_ops.domain.showing import show_text
from deepcoin_ops.ledger.checked import verify
from deepcoin_ops.ledger.history import History
from deepcoin_ops.settings import load_settings


@click.command("verify")
@click.pass_context
def verify_ledger(context: click.Context) -> None:
    """Check every entry of the ledger against its hash chain, from the first one on, and the file itself.

    Exit code 0: every entry is what was recorded; 1: one is not or is missing, or the ledger is an old copy. It may take
    minutes after years.
    """
    settings = load_settings()
    path = settings.ledger_path
    ledger = History.open_existing(path, settings.venue)
    if ledger is None:
        raise LedgerError(f"There is no ledger at {path} yet, and nothing to verify. The first flatten makes it.")
    with ledger:
        found = [f"ALTERED: {each.describe()}" for each in verify(ledger)]
        found += [f"DAMAGED: {each}" for each in ledger.find_damage()]
        missing = ledger.find_missing_triggers()
        if missing:
            found.append(f"ALTERED: entries can be changed or deleted: {', '.join(missing)} is missing from the file")
        setback = ledger.read_setback()
        if setback is not None:
            found.append(f"NOT USED: {setback}")
        accounts = ledger.read_accounts()
    for line in found:
        click.echo(show_text(line))
    if found:
        click.echo("What was sent may differ from what is recorded. docs/runbook.md, 'Ledger altered', says how to go on.")
        context.exit(1)
    click.echo(f"{path}: every entry of {len(accounts)} account(s) is what was recorded.")
