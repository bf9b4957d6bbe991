"""Open breaks of a Deepcoin desk, aged across trading days: a code location of its own, made to be copied.

It knows `deepcoin_ops` by its files alone (docs/reading-the-tables.md) and imports nothing of it.
"""
