"""Plots and the day's report, made from the day's frames: pure in, a page and pictures out.

Nothing here reads a ledger, a clock, a disk or the settings, and nothing is imported from other rooms but the domain. What
is true of a day is decided in `domain.reconcile`; this room only says it to people. It is imported when a report is built
and not before, because matplotlib takes longer to load than a flatten takes to its first send.
"""
