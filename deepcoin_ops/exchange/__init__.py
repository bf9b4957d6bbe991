"""Everything that talks to Deepcoin: signing, wire spelling, pace, client. The only room with an HTTP library."""
