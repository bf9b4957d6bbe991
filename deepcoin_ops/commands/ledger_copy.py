"""The command that backs the ledger up, in use or not. Writes the copy and nothing else."""

from __future__ import annotations

from pathlib import Path

import click

from deepcoin_ops.ledger.store import Store
from deepcoin_ops.settings import load_settings


@click.command("copy")
@click.argument("target", metavar="FILE", type=click.Path(path_type=Path))
def copy_ledger(target: Path) -> None:
    """Write a whole copy of the ledger to FILE, which must not exist yet. Works during a flatten too.

    Copying the ledger's file alone leaves out what is still in its log.
    """
    ledger_path = load_settings().ledger_path
    Store(ledger_path, is_read_only=True).copy(target)
    click.echo(f"{target} is a whole copy of {ledger_path} as it was just now.")
