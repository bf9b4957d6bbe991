"""The variables of the environment that settings come from: their names, their defaults, and what each may say.

What the settings file says is read elsewhere (`settings_document`), and no credential is read here.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
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
        arming_folder: Where armings are kept.
        base_url: The venue's exchange.
    """

    source_path: Path
    venue: Venue
    state_folder: Path
    arming_folder: Path
    base_url: str


def read_variables(environ: Mapping[str, str]) -> tuple[Variables, list[str]]:
    """Read the variables; a line for each thing that is wrong, and then what was read is not to be used."""
    # An empty variable is an unset one: container files pass many on as such.
    variables = {name: environ.get(name) or default for name, default in _DEFAULTS.items()}
    problems = _misspelt_variables(environ)
    venue = _parse_venue(variables["DEEPCOIN_OPS_VENUE"], problems)
    paper_url = _parse_url("DEEPCOIN_OPS_PAPER_URL", variables["DEEPCOIN_OPS_PAPER_URL"], problems)
    live_url = _parse_url(_LIVE_URL_VARIABLE, environ.get(_LIVE_URL_VARIABLE) or LIVE_URL, problems)
    read = Variables(
        source_path=Path(variables["DEEPCOIN_OPS_SETTINGS"]).absolute(),
        venue=venue,
        state_folder=_parse_state_folder(variables["DEEPCOIN_OPS_STATE"], problems),
        arming_folder=_parse_arming_folder(variables["DEEPCOIN_OPS_ARMING"], problems),
        base_url=live_url if venue is Venue.LIVE else paper_url,
    )
    return read, problems


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


def _parse_state_folder(text: str, problems: list[str]) -> Path:
    checkout = _find_checkout()
    return _parse_folder(
        "DEEPCOIN_OPS_STATE",
        text or (str(checkout / ".deepcoin_ops") if checkout else "~/.local/state/deepcoin_ops"),
        problems,
    )


def _parse_arming_folder(text: str, problems: list[str]) -> Path:
    """Where armings are kept: never in the checkout, so that no copy of it is armed."""
    folder, checkout = _parse_folder("DEEPCOIN_OPS_ARMING", text, problems), _find_checkout()
    if checkout and folder.resolve().is_relative_to(checkout.resolve()):
        told = sentence("a folder outside the checkout", describe(text), "what arms a desk must not travel with its code")
        problems.append(f"environment: DEEPCOIN_OPS_ARMING: {told}")
    return folder


def _find_checkout() -> Path | None:
    """The checkout that this code is in, if it is in one."""
    checkout = Path(__file__).parent.parent
    return checkout if (checkout / "pyproject.toml").is_file() else None


def _parse_folder(variable: str, text: str, problems: list[str]) -> Path:
    try:
        folder = Path(text).expanduser().absolute()
    except RuntimeError:
        folder = Path(text).absolute()
        problems.append(f"environment: {variable}: {sentence('a folder', describe(text), 'write it in full')}")
    if folder.exists() and not folder.is_dir():
        problems.append(f"environment: {variable}: {sentence('a folder', f'a file at {folder}')}")
    return folder


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
