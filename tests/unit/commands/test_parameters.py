"""What a person may write on the command line: every number has bounds, and nothing that is written ends in a traceback."""

from __future__ import annotations

import os
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from deepcoin_ops.cli import main
from deepcoin_ops.commands.parameters import Whole, parse_usdt

# None of them is a port, so that no server starts.
ODD = (
    *("", " ", "-1", "99999", "9" * 400, "1e999999", "NaN", "inf", "1_0", "\u0663", "0x10", "1:30", "010", "x" * 5000),
    *("9999-12-31", "0001-01-01", "2026-02-30", "2019-12-31", "2100-01-01", "today ", "../..", "\u202e", "%s", "::", "[1]"),
)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CliRunner]:
    """Runs the command line in this process, with a state of its own and no exchange."""
    for name in [name for name in os.environ if name.startswith("DEEPCOIN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DEEPCOIN_OPS_STATE", str(tmp_path))
    monkeypatch.setenv("DEEPCOIN_OPS_PAPER_URL", "http://127.0.0.1:1")
    return CliRunner()


def list_commands(group: click.Group = main, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that reach it."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from list_commands(command, (*path, name))
        else:
            yield (*path, name), command


def list_parameters() -> Iterator[tuple[str, tuple[str, ...], click.Parameter]]:
    """Every option and argument that takes a value."""
    for path, command in list_commands():
        for parameter in command.params:
            if not getattr(parameter, "is_flag", False):
                yield f"{' '.join(path)} {parameter.name}", path, parameter


def assert_ended(result: Result, said: str) -> None:
    """It ended by itself, and says what is wrong in words."""
    assert result.exception is None or isinstance(result.exception, SystemExit), (said, result.exception)
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("path", "parameter"), [each[1:] for each in list_parameters()], ids=[e[0] for e in list_parameters()]
)
def test_a_number_has_bounds_and_all_else_is_text(path: tuple[str, ...], parameter: click.Parameter) -> None:
    """Text and paths are read by a parser with bounds of its own, which the next test tries; a choice names its words."""
    if isinstance(parameter.type, click.types.StringParamType | click.Choice | click.Path):
        return
    assert isinstance(parameter.type, Whole)
    assert parameter.type.min is not None
    assert parameter.type.max is not None


@pytest.mark.parametrize(
    ("path", "parameter"), [each[1:] for each in list_parameters()], ids=[e[0] for e in list_parameters()]
)
def test_no_odd_value_ends_in_a_traceback(run: CliRunner, path: tuple[str, ...], parameter: click.Parameter) -> None:
    """A port beyond the last one, a day beyond the calendar, a number of four hundred digits."""
    for values in [ODD] if parameter.nargs == -1 else [[value] for value in ODD]:
        given = [parameter.opts[0], *values] if isinstance(parameter, click.Option) else ["--", *values]
        others = ["--cap", "1"] if path == ("arm",) and parameter.name != "cap_text" else []
        assert_ended(run.invoke(main, [*path, *others, *given]), f"{path} {given}")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("paper", "--port", "99999"), "99999 is not in the range 0<=x<=65535"),
        (("dev", "--port", "0"), "0 is not in the range 1<=x<=65535"),
        (("viewer", "--port", "x"), "'x' is no whole number from 1 to 65535"),
        (("ledger", "show", "9999-12-31"), "neither a day from 2020-01-01 to 2099-12-31"),
        (("ledger", "show", "0001-01-01"), "neither a day from 2020-01-01 to 2099-12-31"),
        (("arm", "--cap", "1e400"), "no amount of USDT"),
        (("arm", "--cap", "1_000"), "no amount of USDT"),
        (("resume", "--account", ""), "it is empty"),
    ],
)
def test_a_value_out_of_bounds_is_refused_with_what_may_be_written(
    run: CliRunner, arguments: tuple[str, ...], words: str
) -> None:
    """Exit code 2: nothing was done."""
    result = run.invoke(main, arguments)
    assert result.exit_code == 2
    assert words in result.output


def test_an_amount_is_the_one_that_was_written() -> None:
    """To the last digit: no float stands between."""
    assert parse_usdt("250000.10") == Decimal("250000.10")


def test_a_scenario_that_is_no_yaml_is_refused_in_a_sentence(run: CliRunner, tmp_path: Path) -> None:
    """Cut off, or nested three thousand deep."""
    path = tmp_path / "scenario.yaml"
    for text in ("accounts: [", "[" * 3000 + "]" * 3000):
        path.write_text(text, encoding="utf-8")
        result = run.invoke(main, ["paper", "--scenario", str(path)])
        assert result.exit_code == 2
        assert "cannot be used, nothing was started" in result.output
