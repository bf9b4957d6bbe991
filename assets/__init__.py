"""The tables of a trading day, as partitioned assets. They read the ledger and never open a socket to the exchange.

This folder is imported as `deepcoin_ops.assets`.
"""
