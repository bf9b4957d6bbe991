"""`make simulate`: many nights counted, or one told (`--seed`), or the teeth searched anew (`--teeth`)."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys

from deepcoin_ops.simulation import report, teeth
from deepcoin_ops.simulation.night import Night
from deepcoin_ops.simulation.script import Script, draw
from deepcoin_ops.simulation.shrink import shrink


def main(arguments: list[str]) -> int:
    """Run what was asked for. Writes to the terminal alone; 1 where a night went wrong or a rule has no tooth."""
    parser = argparse.ArgumentParser(prog="simulate", description=__doc__)
    parser.add_argument("--nights", type=int, default=10_000)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--seed", type=int, help="tell the story of one night")
    parser.add_argument("--without", choices=sorted(teeth.RULES), help="with --seed: the night without a rule")
    parser.add_argument("--teeth", action="store_true", help="search a night for each rule that goes wrong without it")
    asked = parser.parse_args(arguments)
    if asked.seed is not None:
        return _tell(asked.seed, asked.without)
    if asked.teeth:
        return _search_teeth(range(asked.first, asked.first + asked.nights))
    tally = report.play_side_by_side(asked.first, asked.nights, asked.workers)
    _print(report.describe(tally))
    return 1 if tally.wrong else 0


def _tell(seed: int, rule: str | None) -> int:
    """Tell a night; one that goes wrong as the smallest script that goes wrong in the same way."""
    with teeth.without(rule) if rule else contextlib.nullcontext():
        script = draw(seed)
        names = _find_wrong(script)
        if names:
            script = shrink(script, lambda smaller: not names.isdisjoint(_find_wrong(smaller)))
        result = Night(script).play()
    _print(report.tell_story(result))
    return 1 if result.violations else 0


def _find_wrong(script: Script) -> set[str]:
    """The oracles that find a night wrong."""
    return {each.partition(":")[0] for each in Night(script).play().violations}


def _search_teeth(seeds: range) -> int:
    missing = 0
    for rule in teeth.RULES:
        found = teeth.search(rule, seeds)
        missing += found is None
        _print([f"{rule:4} seed {found[0]}: {found[1]}" if found else f"{rule:4} NO TOOTH in {len(seeds)} nights"])
    return 1 if missing else 0


def _print(lines: object) -> None:
    for line in lines:  # type: ignore[attr-defined]
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
