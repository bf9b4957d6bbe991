"""The embedded exchange: a real HTTP server on loopback that speaks Deepcoin's documented wire.

It stands on `domain` alone. Its wire and signing code are its own on purpose: a mistake in the client's is seen here,
and the other way round. Where the exchange's behaviour is not documented, a scenario setting chooses one.
"""
