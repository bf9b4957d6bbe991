"""The flatten controller: rounds over exchange and ledger until the account is proven flat.

No Dagster in here, because the command line uses the same controller when Dagster is down.
"""
