"""What is told to whom when nobody is looking: facts of the ledger become alerts, alerts are kept and delivered.

Level-triggered: what is to be told follows from the ledger and the clock, whoever asks and however often, and each fact has
one key. Nothing here is on the way of a send. The library that delivers is imported by a process of its own (`courier`).
"""
