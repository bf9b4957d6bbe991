"""Runs the revisions on the connection it is handed, inside the caller's transaction. Leaves logging alone.

There is no alembic.ini: `ledger.store` builds the configuration and is the only caller.
"""

from __future__ import annotations

from alembic import context

from deepcoin_ops.ledger.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
