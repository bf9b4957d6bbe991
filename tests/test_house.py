"""The house rules that a machine can keep: which room may import which, a charter on every door, no overgrown file."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[1]
MODULES = sorted(
    path
    for folder in ("deepcoin_ops", "assets", "examples")
    for path in (CHECKOUT / folder).rglob("*.py")
    if path.stat().st_size
)
MOST_LINES = 400
# A broad except is right only where a fault of this program would otherwise lose the record of a send (sending, cancelling,
# transport), leave positions open for the sake of a price, an order or a message (market, order_clearing, supervision), or
# hide an interrupt (ops).
MAY_CATCH_EVERYTHING = {
    "deepcoin_ops/exchange/transport.py",
    "deepcoin_ops/flattening/cancelling.py",
    "deepcoin_ops/flattening/market.py",
    "deepcoin_ops/flattening/order_clearing.py",
    "deepcoin_ops/flattening/sending.py",
    "deepcoin_ops/flattening/supervision.py",
    "deepcoin_ops/orchestration/ops.py",
}


def name_of(path: Path) -> str:
    """The path below the checkout."""
    return path.relative_to(CHECKOUT).as_posix()


def imported_by(path: Path) -> Iterator[str]:
    """The modules that a file imports, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{each.name}" for each in node.names)


def test_imports_run_one_way() -> None:
    """The contracts are in pyproject.toml; `make lint` runs the same command."""
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache"]
    linted = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_only_the_reading_composition_root_imports_the_assets() -> None:
    """The linter sees the folder under its own name, so that imports as deepcoin_ops.assets are looked for here."""
    users = {name_of(path) for path in MODULES if any(name.startswith("deepcoin_ops.assets") for name in imported_by(path))}
    assert {user for user in users if not user.startswith("assets/")} == {"deepcoin_ops/reading_definitions.py"}


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_has_a_charter_and_stays_small(path: Path) -> None:
    """What lives here and what may not is said first; past the limit a file is two things."""
    text = path.read_text()
    assert ast.get_docstring(ast.parse(text)), "no docstring"
    assert len(text.splitlines()) <= MOST_LINES


def test_nobody_else_catches_everything() -> None:
    """Failure that reads as success begins with an exception that nobody named."""
    catching = {name_of(path) for path in MODULES if any(_is_broad(node) for node in ast.walk(ast.parse(path.read_text())))}
    assert catching == MAY_CATCH_EVERYTHING


def _is_broad(node: ast.AST) -> bool:
    if not isinstance(node, ast.ExceptHandler):
        return False
    caught = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
    names = {each.id for each in caught if isinstance(each, ast.Name)}
    return node.type is None or bool(names & {"Exception", "BaseException"})
