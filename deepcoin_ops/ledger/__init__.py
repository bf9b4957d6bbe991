"""The ledger: what was asked, sent, answered and proven, in a file that only grows. No Dagster, no HTTP, no settings.

`journal` writes, `history` reads, `schema` names the tables, `chain` makes a later alteration visible.
"""
