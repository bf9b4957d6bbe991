"""The words and the arithmetic of flattening. No Dagster, no HTTP, no disk, no clock: time comes in as an argument."""
