"""The heart: what is known (`state`), what is sent or read next (`choose`), what is proven (`judge`). Start with `choose`.

Pure: facts and moments in, calls and verdicts out. No clock, thread, socket or disk; imports the domain alone.
"""
