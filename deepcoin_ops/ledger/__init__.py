"""The ledger: what was asked, sent, answered and proven, in a file that only grows. No Dagster, no HTTP, no settings.

`journal` writes, `history` reads, `schema` names the tables, `chain` makes a later alteration visible.
`store` and `sqlite_file` open the file: take their `driver` for it, and no other SQLite in the same process.
"""
