"""Which time zones a desk may have: those whose names say where they are.

`EST` has no summer time, `Etc/GMT+5` lies west of Greenwich, `localtime` is whatever the machine says. The names come from
the package tzdata, so that every machine knows the same. What a name means is read by `zoneinfo` for Dagster and for this
project alike: from the machine's own files where it has them, else from the package.
"""

from __future__ import annotations

import functools
from importlib import resources

_UTC = ("UTC", "Etc/UTC")


def is_desk_timezone(name: str) -> bool:
    """Whether a time zone may be configured under this name."""
    return name in list_desk_timezones()


@functools.cache
def list_desk_timezones() -> frozenset[str]:
    """The names that may be configured: UTC, and all with a region and a place."""
    names = resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    return frozenset({*_UTC, *(name for name in names if "/" in name and not name.startswith("Etc/"))})
