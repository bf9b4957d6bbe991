"""Ways in through settings: a flatten from the command line under every setting and variable that no desk may have."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

import yaml
from click.testing import CliRunner
from ways import Way

from deepcoin_ops import settings_variables
from deepcoin_ops.cli import main
from deepcoin_ops.settings_model import AccountSection, SettingsFile

KIND, VARIABLES_KIND, CAPS_KIND = "setting", "variable", "cap, or nothing of what is open"
_WRONG_EVERYWHERE: dict[str, Any] = {
    "an object": {"env": "MAIN_SECRET_KEY"},
    "a written variable": "{env: MAIN_SECRET_KEY}",
    "a list": [[]],
    "a negative number": -1,
    "a huge number": 10**400,
    "infinity": float("inf"),
    "no number": float("nan"),
    "an address": "https://exchange.invalid",
    "a text that turns": "\u202epaper",
    "a long text": "x" * 100_000,
    "a time to the base 60": "1:30",
}
# Settings to which one of them means something: a place to write tables may be an address, and a cap may be out of reach.
TAKEN = {("storage.tables", "an address"), ("cap_open_instruments", "a huge number")}
_URL_FORMS = (
    "http://someone:something@127.0.0.1:{port}",
    "http://127.0.0.1:{port}@exchange.invalid",
    "http://127.0.0.1:{port}/deepcoin",
    "http://127.0.0.1:{port}?key=1",
    "http://127.0.0.1:{port}#part",
    "http://exchange.invalid:{port}",
    "http://127.0.0.1.exchange.invalid:{port}",
    "ftp://127.0.0.1:{port}",
    "127.0.0.1:{port}",
    "{{env: MAIN_SECRET_KEY}}",
    "http://127.0.0.1:{port}0000",
)
_WRONG_VARIABLES: dict[str, tuple[str, ...]] = {
    "DEEPCOIN_OPS_SETTINGS": (
        "/missing/flatten.yaml",
        "/",
        "/etc/passwd",
        "{{env: MAIN_SECRET_KEY}}",
        "https://exchange.invalid/f.yaml",
    ),
    "DEEPCOIN_OPS_VENUE": ("live", "LIVE", "Paper", "papper", "prod", " paper", "{{env: X}}", "0"),
    "DEEPCOIN_OPS_STATE": ("/etc/passwd", "~no-such-user/state", "/proc/self/state"),
    "DEEPCOIN_OPS_PAPER_URL": (*_URL_FORMS, "https://127.0.0.1:{port}"),
    "DEEPCOIN_BASE_URL": _URL_FORMS,
    "DEEPCOIN_OPS_ARMING": ("/etc/passwd", "{checkout}", "{checkout}/state/arming", "~no-such-user/arming"),
}
# Alerts follow a flatten and decide nothing about it.
NOT_TRIED = {"DEEPCOIN_OPS_ALERT_URLS"}


def list_known_variables() -> set[str]:
    """The variables that settings are read from."""
    return {*settings_variables._DEFAULTS, settings_variables._LIVE_URL_VARIABLE}


def list_tried_variables() -> set[str]:
    """Those that have values here."""
    return set(_WRONG_VARIABLES)


def list_settings(account: str) -> list[tuple[str, ...]]:
    """The path of every setting in a file, from the model."""
    sections = {name: field.annotation for name, field in SettingsFile.model_fields.items() if name != "accounts"}
    of_sections = [(name, key) for name, model in sections.items() for key in getattr(model, "model_fields", {})]
    return [("accounts", account, key) for key in AccountSection.model_fields] + of_sections


def list_ways(variables: Mapping[str, str], folder: Path, account: str) -> Iterator[Way]:
    """A flatten of an account for each setting and each variable with each value that must keep it from sending.

    Args:
        variables: With which it would send.
        folder: Where the edited files go.
        account: Whose positions are open.
    """
    content = yaml.safe_load(Path(variables["DEEPCOIN_OPS_SETTINGS"]).read_text())

    def with_setting(path: tuple[str, ...], value: Any) -> Callable[[], str]:
        def go() -> str:
            file = folder / "edited.yaml"
            file.write_text(yaml.safe_dump(_edit(content, path, value)))
            return flatten({**variables, "DEEPCOIN_OPS_SETTINGS": str(file)}, account)

        return go

    for path, name, value in _list_wrong_settings(account):
        yield Way(KIND, f"{'.'.join(path)}: {name}", with_setting(path, value))
    below = {"cap_notional_usdt": 1, "cap_instrument_notional_usdt": 0.5, "instruments": ["ETH-USDT-SWAP"]}
    for key, value in below.items():
        yield Way(CAPS_KIND, f"{key} {value}", with_setting(("accounts", account, key), value))
    for variable, value in _list_wrong_variables(variables["DEEPCOIN_OPS_PAPER_URL"].rpartition(":")[2]):
        edited = {**variables, variable: value}
        yield Way(VARIABLES_KIND, f"{variable}={value}", lambda edited=edited: flatten(edited, account))


def _list_wrong_settings(account: str) -> Iterator[tuple[tuple[str, ...], str, Any]]:
    for path in list_settings(account):
        taken = {name for setting, name in TAKEN if setting in (".".join(path), path[-1])}
        yield from ((path, name, value) for name, value in _WRONG_EVERYWHERE.items() if name not in taken)
    for section in ((), *((each,) for each in SettingsFile.model_fields), ("accounts", account)):
        for key in ("base_url", "venue", "api_key", "paper_url"):
            yield (*section, key), "a key that is none", "https://exchange.invalid"


def _list_wrong_variables(port: str) -> Iterator[tuple[str, str]]:
    checkout = str(Path(settings_variables.__file__).parents[1])
    for variable, forms in _WRONG_VARIABLES.items():
        yield from ((variable, form.format(port=port, checkout=checkout)) for form in forms)
    for name in sorted(list_known_variables()):
        if name.startswith("DEEPCOIN_OPS"):
            yield f"{name[:-2]}{name[-1]}{name[-2]}", "live"


def flatten(variables: Mapping[str, str], account: str) -> str:
    """The command `flatten` in this process with these variables of the project alone; exit code and what it said."""
    with mock.patch.dict("os.environ", variables):
        ended = CliRunner().invoke(main, ["flatten", "--account", account])
    return (
        f"exit {ended.exit_code}: {ended.output[:200]}"
        if ended.exception is None
        else f"{ended.exit_code} {ended.output[:200]}"
    )


def _edit(content: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    edited: dict[str, Any] = copy.deepcopy(dict(content))
    inner = edited
    for name in path[:-1]:
        inner = inner.setdefault(name, {})
    inner[path[-1]] = value
    return edited
