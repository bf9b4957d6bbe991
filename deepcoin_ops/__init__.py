"""deepcoin_ops: flatten a Deepcoin account at the end of the trading day, and prove it.

Nothing is imported or wired here; `deepcoin_ops.definitions` is the only composition root.
"""
