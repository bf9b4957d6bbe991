"""Launches of every job with edited run config and tags, enumerated from the jobs' own schemas and Dagster's own tags."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import dagster as dg
import dagster._core.storage.tags as dagster_tags
from ways import FLATTEN, Launch

from deepcoin_ops.orchestration import tags

Path = tuple[str, ...]

# Beside what a field takes: other types, other accounts, names of variables and files, addresses, other times.
HOSTILE: dict[str, Any] = {
    "a list": ["main", "kept"],
    "an object": {"value": "main"},
    "nothing": None,
    "a flag": True,
    "a huge number": 10**30,
    "a negative number": -1,
    "a variable": {"env": "MAIN_SECRET_KEY"},
    "a written variable": "{env: MAIN_SECRET_KEY}",
    "a file": "/etc/passwd",
    "an address": "https://exchange.invalid",
    "the past": "2020-02-30T23:30:00+00:00",
    "the future": "9999-12-31",
    "an unknown account": "mian",
    "another account": "kept",
    "no text": "",
    "a long text": "x" * 100_000,
}
# In the place of a field that is none.
FOREIGN_KEYS = ("base_url", "venue", "api_key", "settings", "account", "inputs", "env")


def list_fields(job: dg.JobDefinition) -> tuple[list[Path], list[Path]]:
    """The leaves of a job's run-config schema, and the objects in it, whose keys are known."""
    leaves: list[Path] = []
    objects: list[Path] = []
    _walk(job.run_config_schema.run_config_schema_type, (), leaves, objects)
    return leaves, objects


def _walk(kind: Any, path: Path, leaves: list[Path], objects: list[Path]) -> None:
    if not hasattr(kind, "fields"):
        leaves.append(path)
        return
    objects.append(path)
    for name, inner in kind.fields.items():
        _walk(inner.config_type, (*path, name), leaves, objects)


def list_parts(job: dg.JobDefinition) -> list[tuple[str, ...]]:
    """All of a job, as no selection, and each of its ops alone, whose inputs are then run config."""
    return [(), *((node.name,) for node in job.graph.nodes)]


def edit(config: Mapping[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """A run config with another value at a place."""
    edited = copy.deepcopy(dict(config))
    inner: dict[str, Any] = edited
    for name in path[:-1]:
        inner = inner.setdefault(name, {})
    inner[path[-1]] = value
    return edited


def list_edited(job: dg.JobDefinition, base: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """A run config for each field and each hostile value, and for each key that is none.

    A field that takes anything, or belongs to Dagster's own loggers and executor, gets one value in turn.
    """
    leaves, objects = list_fields(job)
    values = list(HOSTILE)
    for number, path in enumerate(leaves):
        is_own = path[0] == "ops" and path[-1] != "config"
        for name in values if is_own else [values[number % len(values)]]:
            yield f"{'.'.join(path)}: {name}", edit(base, path, HOSTILE[name])
    for path in objects:
        for key in FOREIGN_KEYS:
            if (*path, key) not in leaves and (*path, key) not in objects:
                yield f"{'.'.join(path)}.{key}", edit(base, (*path, key), "https://exchange.invalid")


def list_own_tags() -> list[str]:
    """The tags that this project reads or writes."""
    return sorted(each for each in vars(tags).values() if isinstance(each, str) and each.startswith("deepcoin_ops/"))


def list_dagster_tags() -> list[str]:
    """Dagster's own, with an ending where it leaves one open."""
    found = {each for name, each in vars(dagster_tags).items() if isinstance(each, str) and "TAG" in name and "/" in each}
    lists = (each for each in vars(dagster_tags).values() if isinstance(each, list | set | frozenset))
    found |= {each for names in lists for each in names if isinstance(each, str)}
    return sorted(f"{each}x" if each.endswith("/") else each for each in found)


def list_times(now: datetime, max_lateness: timedelta) -> dict[str, datetime]:
    """Moments before and after now, on both sides of the lateness limit, none of them close to it."""
    steps = {"a minute": timedelta(minutes=1), "the limit": max_lateness, "an hour": timedelta(hours=1)}
    steps |= {"a day": timedelta(days=1), "a week": timedelta(days=7), "a year": timedelta(days=365)}
    margin = timedelta(minutes=2)
    past = {f"{name} and two minutes ago": now - step - margin for name, step in steps.items()}
    future = {f"in {name} and two minutes": now + step + margin for name, step in steps.items()}
    ends = {"the first year": datetime(1, 1, 2, tzinfo=UTC), "the last year": datetime(9999, 12, 30, tzinfo=UTC)}
    return {**past, **future, **ends}


def list_tag_values(now: datetime, max_lateness: timedelta) -> dict[str, str]:
    """What a tag may be edited to say: times, and what is no time."""
    times = {name: moment.isoformat() for name, moment in list_times(now, max_lateness).items()}
    garbage = [
        "",
        "now",
        "0",
        "-1",
        "1e400",
        "2026-13-01",
        "kept",
        "{env: MAIN_SECRET_KEY}",
        "https://exchange.invalid",
        "x" * 5000,
    ]
    tonight = now.replace(hour=23, minute=30)
    forms = {
        "a time without offset": now.replace(tzinfo=None).isoformat(),
        "a date": f"{now:%Y-%m-%d}",
        "seconds": f"{now.timestamp():.0f}",
        "yesterday elsewhere": (tonight - timedelta(days=1)).astimezone(None).isoformat(),
        "milliseconds": f"{now.timestamp() * 1000:.0f}",
    }
    return {**times, **forms, **{f"{each[:30]!r}": each for each in garbage}}


def list_tagged(
    job: str, config: Mapping[str, Any], now: datetime, max_lateness: timedelta
) -> Iterator[tuple[str, Launch]]:
    """A flatten for each tag: the scheduled time with every value, any other with one of four in turn.

    A job that cannot flatten gets all tags at once, with each of the four.
    """
    values = list_tag_values(now, max_lateness)
    few = [values["a day and two minutes ago"], "kept", values["in a day and two minutes"], "{env: MAIN_SECRET_KEY}"]
    every = [*list_own_tags(), *list_dagster_tags()]
    if job != FLATTEN:
        yield from ((f"{job} with every tag = {value}", Launch(job, config, dict.fromkeys(every, value))) for value in few)
        return
    for number, tag in enumerate(every):
        for value in values.values() if tag == tags.SCHEDULED_AT else [few[number % len(few)]]:
            yield f"{job} with {tag} = {value[:40]}", Launch(job, config, {tag: value})
