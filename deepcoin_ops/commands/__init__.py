"""What the commands of `deepcoin_ops.cli` are made of: reports, tables, documents, signals. No Dagster is imported here."""
