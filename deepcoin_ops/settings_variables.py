"""The variables of the environment that settings come from: their names, their defaults, and what each may say.

What the settings file says is read elsewhere (`settings_document`), and no credential is read here.
"""

from __future__ import annotations

import ipaddress
import os
import re
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from deepcoin_ops.domain.model import Venue
from deepcoin_ops.settings_alerts import ALERT_URLS_VARIABLE
from deepcoin_ops.settings_problems import describe, did_you_mean, sentence

# Source: https://www.deepcoin.com/docs/authentication.
LIVE_URL = "https://api.deepcoin.com"

_PREFIX = "DEEPCOIN_OPS_"
_DEFAULTS = {
    "DEEPCOIN_OPS_SETTINGS": str(Path(__file__).with_name("flatten.yaml")),
    "DEEPCOIN_OPS_VENUE": Venue.PAPER.value,
    "DEEPCOIN_OPS_STATE": "",
    "DEEPCOIN_OPS_PAPER_URL": "http://127.0.0.1:8788",
    "DEEPCOIN_OPS_ARMING": "~/.config/deepcoin_ops/arming",
    ALERT_URLS_VARIABLE: "",
}
_LIVE_URL_VARIABLE = "DEEPCOIN_BASE_URL"  # the name the exchange's own command line uses


@dataclass(frozen=True)
class Variables:
    """What the environment says, checked as far as it can be without the settings file.

    Attributes:
        source_path: The settings file.
        venue: Paper, or live.
        state_folder: Where everything is kept.
        state_origin: Why it is this folder, in words.
        arming_folder: Where armings are kept.
        base_url: The venue's exchange.
    """

    source_path: Path
    venue: Venue
    state_folder: Path
    state_origin: str
    arming_folder: Path
    base_url: str


@dataclass(frozen=True)
class StateFolder:
    """Which state folder is meant.

    Attributes:
        path: The folder; None where the variable means another one in each working folder.
        origin: Why it is this one, in words.
        problems: A line for each thing that is wrong with it.
    """

    path: Path | None
    origin: str
    problems: tuple[str, ...] = ()


def read_variables(environ: Mapping[str, str]) -> tuple[Variables, list[str]]:
    """Read the variables; a line for each thing that is wrong, and then what was read is not to be used."""
    # An empty variable is an unset one: container files pass many on as such.
    variables = {name: environ.get(name) or default for name, default in _DEFAULTS.items()}
    problems = _misspelt_variables(environ)
    venue = _parse_venue(variables["DEEPCOIN_OPS_VENUE"], problems)
    paper_url = _parse_url("DEEPCOIN_OPS_PAPER_URL", variables["DEEPCOIN_OPS_PAPER_URL"], problems)
    state = find_state_folder(environ)
    problems += state.problems
    live_url = _parse_url(_LIVE_URL_VARIABLE, environ.get(_LIVE_URL_VARIABLE) or LIVE_URL, problems)
    read = Variables(
        source_path=_parse_settings_path(variables["DEEPCOIN_OPS_SETTINGS"], problems),
        venue=venue,
        state_folder=state.path or find_default_state_folders()[0],
        state_origin=state.origin,
        arming_folder=_parse_arming_folder(variables["DEEPCOIN_OPS_ARMING"], problems),
        base_url=live_url if venue is Venue.LIVE else paper_url,
    )
    return read, problems


def find_state_folder(environ: Mapping[str, str]) -> StateFolder:
    """Find the state folder that the environment means; also where all else in the environment is wrong."""
    problems: list[str] = []
    text = environ.get("DEEPCOIN_OPS_STATE")
    where = "this checkout" if _find_checkout() else "this user"
    default = f"the default of {where}, because DEEPCOIN_OPS_STATE is not set"
    origin = "named by DEEPCOIN_OPS_STATE" if text else default
    folder = _parse_path("DEEPCOIN_OPS_STATE", text or str(find_default_state_folders()[0]), problems, "a folder")
    if folder is not None:
        _check_folder("DEEPCOIN_OPS_STATE", folder, problems)
        _check_writers(folder, problems)
    return StateFolder(folder, origin, tuple(problems))


def find_default_state_folders() -> tuple[Path, ...]:
    """The state folders of processes without DEEPCOIN_OPS_STATE: the one of this process first, then those of others."""
    checkout, home = _find_checkout(), Path("~/.local/state/deepcoin_ops")
    with suppress(RuntimeError):  # a user without a home; then the path is of no use, and making it says so
        home = home.expanduser()
    return (checkout / ".deepcoin_ops", home) if checkout else (home,)


def find_ledger_path(state_folder: Path, venue: Venue) -> Path:
    """Where the ledger of a venue is."""
    return state_folder / venue / "ledger.sqlite"


def find_locks_folder(state_folder: Path, venue: Venue) -> Path:
    """Where the account locks and table locks of a venue are."""
    return state_folder / venue / "locks"


def find_kill_folder(state_folder: Path, venue: Venue) -> Path:
    """Where the kill switches of a venue are."""
    return state_folder / venue / "kill"


def find_alerts_folder(state_folder: Path, venue: Venue) -> Path:
    """Where the alerts of a venue are."""
    return state_folder / venue / "alerts"


def is_loopback(host: str) -> bool:
    """Whether a host, without brackets or port, is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _misspelt_variables(environ: Mapping[str, str]) -> list[str]:
    """Variables that nobody reads and that look like one that is read.

    A desk that writes DEEPCOIN_OPS_VENEU=live would otherwise flatten on paper every day and never know.
    """
    known = [name.removeprefix(_PREFIX) for name in _DEFAULTS]
    unknown = [name for name in environ if name.startswith(_PREFIX) and name not in _DEFAULTS]
    cures = {name: did_you_mean(name.removeprefix(_PREFIX), known, likeness=0.7, prefix=_PREFIX) for name in unknown}
    expected = f"one of the variables {', '.join(_DEFAULTS)}"
    return [f"environment: {name}: {sentence(expected, 'another', cure)}" for name, cure in cures.items() if cure]


def _parse_venue(text: str, problems: list[str]) -> Venue:
    if text in list(Venue):
        return Venue(text)
    told = sentence("paper or live", describe(text), did_you_mean(text, list(Venue)))
    problems.append(f"environment: DEEPCOIN_OPS_VENUE: {told}")
    return Venue.PAPER


def _parse_settings_path(text: str, problems: list[str]) -> Path:
    return _parse_path("DEEPCOIN_OPS_SETTINGS", text, problems, "a file") or Path(text)


def _parse_arming_folder(text: str, problems: list[str]) -> Path:
    """Where armings are kept: never in the checkout, so that no copy of it is armed."""
    folder, checkout = _parse_path("DEEPCOIN_OPS_ARMING", text, problems, "a folder"), _find_checkout()
    if folder is None:
        return Path(text)
    _check_folder("DEEPCOIN_OPS_ARMING", folder, problems)
    if checkout and folder.resolve().is_relative_to(checkout.resolve()):
        told = sentence("a folder outside the checkout", describe(text), "what arms a desk must not travel with its code")
        problems.append(f"environment: DEEPCOIN_OPS_ARMING: {told}")
    return folder


def _find_checkout() -> Path | None:
    """The checkout that this code is in, if it is in one."""
    checkout = Path(__file__).resolve().parent.parent
    return checkout if (checkout / "pyproject.toml").is_file() else None


def _parse_path(variable: str, text: str, problems: list[str], what: str) -> Path | None:
    """A path that is the same one in every working folder; None where it is not, which is a problem.

    A stop or a lock in another folder than the flatten's looks the same, and holds nothing.
    """
    expected = f"{what}, written in full from / or ~ on, without .."
    try:
        path = Path(text).expanduser()
    except RuntimeError:
        problems.append(f"environment: {variable}: {sentence(expected, describe(text), 'that user has no home folder')}")
        return None
    # Where a link or a missing folder comes before it, `..` is another place than it looks.
    if path.is_absolute() and ".." not in path.parts:
        return path
    cure = ""
    with suppress(OSError):  # the working folder itself may be gone
        cure = f"if you mean the one here, write {os.path.normpath(path.absolute())}"
    problems.append(f"environment: {variable}: {sentence(expected, describe(text), cure)}")
    return None


def _check_folder(variable: str, folder: Path, problems: list[str]) -> None:
    with suppress(OSError):  # what may not be looked at is refused where it is used
        if folder.exists() and not folder.is_dir():
            problems.append(f"environment: {variable}: {sentence('a folder', f'a file at {folder}')}")


def _check_writers(folder: Path, problems: list[str]) -> None:
    """Refuse a state folder in which other users can put their own locks and kill switches in the place of ours."""
    with suppress(OSError):
        if folder.is_dir() and folder.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            cure = f"run `chmod go-w {folder}`, or name a new folder in it"
            text = sentence("a folder that its owner alone may write to", f"{folder}, which others may change", cure)
            problems.append(f"environment: DEEPCOIN_OPS_STATE: {text}")


def _parse_url(variable: str, text: str, problems: list[str]) -> str:
    """`scheme://host[:port]` of a URL that is no more than that: http on loopback, https for the live venue too."""
    is_live = variable == _LIVE_URL_VARIABLE
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    is_bare = parts.username is None and parts.path in ("", "/") and not re.search(r"[?#\\\s]", text)
    is_open = parts.scheme == "http" and is_loopback(host)
    is_safe = is_live and parts.scheme == "https" and re.fullmatch(r"[a-z0-9.-]+|[0-9a-f:.]+", host)
    if is_bare and (is_open or is_safe):
        shown_host = f"[{host}]" if ":" in host else host
        return f"{parts.scheme}://{shown_host}" + (f":{port}" if port is not None else "")
    expected = "https://host, or http on loopback" if is_live else "a loopback address such as http://127.0.0.1:8788"
    hidden = "another URL (not shown, it may hold a password)"
    found = hidden if re.search(r"[@?#]", text) else describe(text)
    told = sentence(f"{expected}, without user, path or query", found)
    problems.append(f"environment: {variable}: {told}")
    return ""
