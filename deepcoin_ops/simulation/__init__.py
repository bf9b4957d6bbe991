"""Nights in virtual time: a model of the exchange, of the process and of other people, and oracles that watch the core.

A seed is a night. The model is written from what is known of the exchange and shares no code with the core but the records.
"""
