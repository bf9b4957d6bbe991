"""Dagster's side, one file per concept, thin: what is decided is decided in `flattening` and `domain`."""
