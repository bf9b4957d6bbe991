"""The two lock files: the first has all that production imports and no tool, the second adds tools and moves nothing."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections import defaultdict
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from vulnerabilities import judge

CHECKOUT = Path(__file__).resolve().parents[1]
FIRST, SECOND = CHECKOUT / "requirements.lock", CHECKOUT / "requirements-dev.lock"
OWN = {"deepcoin_ops", "assets"}
NOT_THERE_AT_RUN_TIME = {"_typeshed"}


def normal(name: str) -> str:
    """A package's name as an index compares it, without extras."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=!~; ]", name, maxsplit=1)[0]).lower()


def pins_of(lock: Path) -> dict[str, set[str]]:
    """The versions of each package; more than one where they differ by platform or Python."""
    pins = defaultdict(set)
    for name, version in re.findall(r"^([^\s#=]+)==([^\s;]+)", lock.read_text(), re.MULTILINE):
        pins[normal(name)].add(version)
    return pins


def declared(*extras: str) -> set[str]:
    """The packages that the project asks for, by extra; without one, those that it always needs."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    lists = [project["optional-dependencies"][extra] for extra in extras] or [project["dependencies"]]
    return {normal(line) for each in lists for line in each}


def test_the_first_lock_has_what_the_project_needs_and_none_of_its_tools() -> None:
    """Whatever is installed where the keys are is one more thing to trust, and to update at night."""
    pins = set(pins_of(FIRST))
    assert declared() | declared("alerts", "build") <= pins
    assert declared("dev") & pins == set()


def test_all_that_production_imports_is_in_the_first_lock() -> None:
    """A package that comes with a test tool is there on every developer's machine, and missing at the desk."""
    pins, origins = set(pins_of(FIRST)), packages_distributions()
    imported = {
        (module.partition(".")[0], path.relative_to(CHECKOUT).as_posix())
        for folder in OWN
        for path in (CHECKOUT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        for module in modules_of(node)
    }
    foreign = {each for each in imported if each[0] not in OWN | NOT_THERE_AT_RUN_TIME | sys.stdlib_module_names}
    assert {"dagster", "pandas", "sqlalchemy"} <= {module for module, _ in foreign}
    missing = [each for each in sorted(foreign) if not {normal(origin) for origin in origins[each[0]]} & pins]
    assert missing == []


def modules_of(node: ast.AST) -> list[str]:
    """What a statement imports, by absolute name."""
    if isinstance(node, ast.Import):
        return [each.name for each in node.names]
    return [str(node.module)] if isinstance(node, ast.ImportFrom) and node.level == 0 else []


def test_the_second_lock_has_all_of_the_first_with_the_same_versions_and_all_tools() -> None:
    """What was tested is what runs."""
    first, second = pins_of(FIRST), pins_of(SECOND)
    assert {name: second.get(name) for name in first} == first
    assert declared("dev") <= set(second)


@pytest.mark.parametrize("lock", [FIRST, SECOND], ids=lambda lock: lock.name)
def test_a_lock_has_hashes_and_no_addresses(lock: Path) -> None:
    """Where packages come from is the machine's business; what they are is ours."""
    text = lock.read_text()
    pins = re.findall(r"^\S+==.*$", text, re.MULTILINE)
    assert len(pins) == len(re.findall(r"^\S+==.*\\\n    --hash=sha256:[0-9a-f]{64}\b", text, re.MULTILINE)) > 50
    assert "://" not in text
    assert "--index" not in text


SOUND = {"name": "a", "version": "1", "vulns": []}
FLAWED = {"name": "b", "version": "2", "vulns": [{"id": "V-1", "fix_versions": ["3"]}]}
SKIPPED = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("findings", "is_good", "said"),
    [
        ("no route", True, ["Locked versions NOT CHECKED for known vulnerabilities: no route"]),
        ([SOUND], True, ["1 locked versions checked for known vulnerabilities: 0 found."]),
        ([SOUND, FLAWED], False, ["b 2: V-1, fixed in 3", "2 locked versions checked for known vulnerabilities: 1 found."]),
        ([FLAWED, SKIPPED], False, ["b 2: V-1, fixed in 3", "NOT CHECKED for known vulnerabilities: c"]),
        (
            [SKIPPED],
            True,
            ["Locked versions NOT CHECKED for known vulnerabilities: the database knows none of them."],
        ),
    ],
)
def test_a_known_vulnerability_fails_and_a_silent_database_is_no_clean_bill(
    findings: str | list[dict[str, object]], is_good: bool, said: list[str]
) -> None:
    """pip-audit itself says that nothing was found when it could look nothing up."""
    assert judge(findings if isinstance(findings, str) else {"dependencies": findings}, {}) == (is_good, said)


def test_an_accepted_vulnerability_is_named_with_its_reason() -> None:
    """By its id, so that the next one of the same package fails again."""
    is_good, lines = judge({"dependencies": [FLAWED]}, {"V-1": "not reachable"})
    assert (is_good, lines[0]) == (True, "b 2: V-1, accepted: not reachable")
