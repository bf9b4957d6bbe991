"""What is told while the settings cannot be used: nothing is scheduled then, and no ledger or outbox is known to look into.

Addresses come from the environment alone. When it was said is kept in `memory`, as the command is a new process every time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

from deepcoin_ops.alerts.alert import AlertKind
from deepcoin_ops.alerts.memory import Memory
from deepcoin_ops.alerts.posting import LIMIT_S, Letter, post_letters
from deepcoin_ops.alerts.words import NOT_KNOWN, build_alert, list_lines
from deepcoin_ops.domain.errors import SettingsError
from deepcoin_ops.settings_alerts import ALERT_URLS_VARIABLE, AlertAddresses
from deepcoin_ops.settings_environment import ENVIRONMENT
from deepcoin_ops.settings_variables import Variables, find_alerts_folder, read_variables

_PAUSE = timedelta(hours=1)
_NAME = "settings-broken"


def tell_broken_settings(
    error: SettingsError,
    addresses: AlertAddresses,
    now: datetime,
    environ: Mapping[str, str] = ENVIRONMENT,
    limit_s: float = LIMIT_S,
) -> list[str]:
    """Tell people that nothing will be flattened, once an hour. Sends to the addresses; writes when it was told.

    Args:
        error: What is wrong with the settings. What was found in them is left out.
        addresses: Where alerts go.
        now: The time to judge by, aware.
        environ: The environment the settings were read from.
        limit_s: Seconds that the deliveries may take.

    Returns:
        What became of it, in lines without an address.
    """
    variables, problems = read_variables(environ)
    memory = Memory(find_alerts_folder(variables.state_folder, variables.venue))
    if memory.is_within(_NAME, now, _PAUSE):
        return ["Told less than an hour ago that the settings cannot be used."]
    letter = _write_letter(error, variables, is_venue_known=not problems)
    receipts = post_letters({address: [letter] for address in addresses.usable}, limit_s)
    if any(receipt.is_delivered for receipt in receipts):
        memory.note(_NAME, now)
    told = [f"{each.address.name} {each.failure or 'was told that the settings cannot be used'}." for each in receipts]
    if not addresses.usable:
        told.append(f"{ALERT_URLS_VARIABLE} names no address that can be used, so nobody is told.")
    return told + [f"{each}." for each in addresses.problems]


def forget_broken_settings(alerts_folder: Path) -> None:
    """The settings can be used: when they break again, that is told at once. Writes."""
    Memory(alerts_folder).forget(_NAME)


def _write_letter(error: SettingsError, variables: Variables, *, is_venue_known: bool) -> Letter:
    # The first line says for a terminal what the alert says for a telephone.
    _head, *problems = [line.strip() for line in str(error).splitlines()]
    alert = build_alert(
        variables.venue if is_venue_known else "venue not known",
        AlertKind.SETTINGS_BROKEN,
        [],
        "",
        "the settings cannot be used: NOTHING WILL BE FLATTENED",
        happened=f"the settings file {variables.source_path} or the variables beside it are wrong. As long as they are, no "
        "flatten starts, by schedule or by hand, and Dagster tells nothing. This comes once an hour until they are mended.",
        still_open=[f"{NOT_KNOWN}: positions stay open as they are"],
        notional=NOT_KNOWN,
        more=list_lines("What is wrong (`deepcoin-ops status` shows what was found)", map(_drop_found, problems)),
        where=["`deepcoin-ops status`"],
    )
    return Letter(alert.key, alert.title, alert.text, is_urgent=True)


def _drop_found(problem: str) -> str:
    """A problem without what was found: a secret pasted into the wrong place must not go to a third party."""
    expected, _, rest = problem.partition(", found ")
    cure = re.search(r"; did you mean \S+\?$", rest)
    return expected + (cure.group() if cure else "")
