"""The locked versions against a database of known vulnerabilities: the last step of `make lint`.

Fails for a finding that is not accepted below. Where the database cannot be reached nothing is known, which is said in one
line and is no failure: the check must not stop work on a machine without a network.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LOCK = Path(__file__).resolve().parents[2] / "requirements-dev.lock"  # holds what the other one holds, too
# Findings that do not concern this project, each by its id, with why.
ACCEPTED: dict[str, str] = {}
_ANSWER_LIMIT_S = 5
_LIMIT_S = 180


def fetch_findings() -> Mapping[str, Any] | str:
    """What the database says of the locked versions, or why it says nothing. Takes three minutes at most."""
    options = ["--disable-pip", "--format", "json", "--progress-spinner", "off", "--timeout", str(_ANSWER_LIMIT_S)]
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(LOCK), "--require-hashes", *options]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        return f"no answer within {_LIMIT_S} s"
    try:
        # Exit code 1 stands for findings and for a database that cannot be reached; only the first has a document.
        return dict(json.loads(ended.stdout))
    except ValueError:
        return (ended.stderr.strip().splitlines() or ["no answer"])[-1][:300]


def judge(findings: Mapping[str, Any] | str, accepted: Mapping[str, str]) -> tuple[bool, list[str]]:
    """Whether the locked versions may stand, and what to print.

    Args:
        findings: pip-audit's document, or why there is none.
        accepted: The ids of findings that do not concern this project, with why.
    """
    if isinstance(findings, str):
        return True, [f"Locked versions NOT CHECKED for known vulnerabilities: {findings}"]
    packages = findings["dependencies"]
    found = [(package, flaw) for package in packages for flaw in package.get("vulns", [])]
    lines = []
    for package, flaw in found:
        where = f"{package['name']} {package['version']}: {flaw['id']}"
        fixed = ", ".join(flaw["fix_versions"]) or "no version"
        lines.append(
            f"{where}, accepted: {accepted[flaw['id']]}" if flaw["id"] in accepted else f"{where}, fixed in {fixed}"
        )
    # Asked of an index that does not know it, pip-audit calls a package skipped, and the whole clean.
    skipped = [package["name"] for package in packages if "skip_reason" in package]
    if len(skipped) == len(packages):
        lines.append("Locked versions NOT CHECKED for known vulnerabilities: the database knows none of them.")
    elif skipped:
        lines.append(f"NOT CHECKED for known vulnerabilities: {', '.join(skipped)}")
    else:
        lines.append(f"{len(packages)} locked versions checked for known vulnerabilities: {len(found)} found.")
    return all(flaw["id"] in accepted for _, flaw in found), lines


def main() -> int:
    """Check, print, and say by the exit code whether the locked versions may stand."""
    is_good, lines = judge(fetch_findings(), ACCEPTED)
    print("\n".join(lines))  # noqa: T201 - a step of `make lint`
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
