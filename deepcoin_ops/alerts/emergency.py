"""What is said when a pass over the alerts cannot do its work: one message, from the addresses alone, once an hour.

What stops a pass is not foreseen, or nothing would stop it: a disk, a file of another shape, an error of this program. Each
is a night on which no other alert comes.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from deepcoin_ops.alerts.alert import Alert, AlertKind
from deepcoin_ops.alerts.facts import read_facts
from deepcoin_ops.alerts.finding import find_alerts
from deepcoin_ops.alerts.memory import Memory
from deepcoin_ops.alerts.posting import Letter, post_letters
from deepcoin_ops.alerts.words import NOT_KNOWN, build_alert, list_lines
from deepcoin_ops.domain.errors import DeepcoinOpsError
from deepcoin_ops.settings import Settings
from deepcoin_ops.settings_alerts import AlertAddresses

# What this project raises, what disks and processes do, and what content of an unexpected shape leads to.
PASS_FAILURES = (
    DeepcoinOpsError,
    OSError,
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
)
_PAUSE = timedelta(hours=1)
# A failed delivery is tried again after a while, and not at every run of the sensor.
_TRY_PAUSE = timedelta(minutes=5)


def say_pass_failed(settings: Settings, addresses: AlertAddresses, now: datetime, error: Exception, limit_s: float) -> None:
    """Say that a pass failed, and what can be found all the same. Sends to the addresses; notes when it did.

    Args:
        settings: Whose ledger and outbox.
        addresses: Where alerts go.
        now: The time to judge by, aware.
        error: What stopped the pass.
        limit_s: Seconds that the deliveries may take.
    """
    memory, kind = Memory(settings.alerts_folder), _find_kind(error)
    said, tried = kind.lower(), f"{kind.lower()}-tried"
    if memory.is_within(said, now, _PAUSE) or memory.is_within(tried, now, _TRY_PAUSE):
        return
    memory.note(tried, now)
    alert = _build_alert(settings, now, error, kind)
    letter = Letter(alert.key, alert.title, alert.text, is_urgent=True)
    # Without memory or processes nothing is delivered; the caller raises the error itself.
    with suppress(OSError, RuntimeError):
        receipts = post_letters({address: [letter] for address in addresses.usable}, limit_s)
        if any(receipt.is_delivered for receipt in receipts):
            memory.note(said, now)


def _find_kind(error: Exception) -> AlertKind:
    return AlertKind.OUTBOX_UNWRITABLE if isinstance(error, OSError) else AlertKind.ALERTS_FAILED


def _build_alert(settings: Settings, now: datetime, error: Exception, kind: AlertKind) -> Alert:
    if isinstance(error, OSError):
        folder = settings.ledger_path.parent
        is_ledger = error.filename == str(folder)
        title = (
            "the ledger cannot be written: NOTHING WILL BE FLATTENED" if is_ledger else "alerts cannot be kept on the disk"
        )
        happened = f"{folder if is_ledger else settings.alerts_folder} cannot be written: "
        happened += f"{error.strerror or type(error).__name__}."
    else:
        title = "ALERTS FAIL: no other alert may come"
        # What an error of another kind quotes may be anything, and goes to third parties: the terminal shows it.
        reason = str(error).rstrip(".") if isinstance(error, DeepcoinOpsError) else type(error).__name__
        happened = f"a pass over the alerts ended early: {reason}. This comes once an hour until one succeeds."
    return build_alert(
        settings.venue,
        kind,
        [settings.calendar.day_of(now)],
        "",
        title,
        happened=happened,
        still_open=[],
        notional=NOT_KNOWN,
        more=list_lines("Found in the last two days, perhaps told before", _find_titles(settings, now)),
        where=["`deepcoin-ops status`"],
    )


def _find_titles(settings: Settings, now: datetime) -> list[str]:
    """The titles of what was found; none when looking for it is what failed."""
    try:
        return [alert.title for alert in find_alerts(read_facts(settings, now)) if alert.settled is None]
    except PASS_FAILURES:
        return []
