"""What an alert is: its kinds, how serious each is, what its reader does, and where the runbook goes on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from deepcoin_ops.domain.breaks import Severity

RUNBOOK = "docs/runbook.md"


class AlertKind(StrEnum):
    """What can be told, most urgent first."""

    NOT_FLAT = "NOT_FLAT"
    KILLED = "KILLED"
    REFUSED = "REFUSED"
    FLATTEN_MISSING = "FLATTEN_MISSING"
    NOT_STARTED = "NOT_STARTED"
    SKIPPED_TICK = "SKIPPED_TICK"
    UNVERIFIED = "UNVERIFIED"
    UNKNOWN_OUTCOME = "UNKNOWN_OUTCOME"
    UNCONFIGURED_POSITION = "UNCONFIGURED_POSITION"
    SETTINGS_BROKEN = "SETTINGS_BROKEN"
    LEDGER_UNREADABLE = "LEDGER_UNREADABLE"
    LEDGER_ALTERED = "LEDGER_ALTERED"
    OUTBOX_UNWRITABLE = "OUTBOX_UNWRITABLE"
    ALERTS_FAILED = "ALERTS_FAILED"
    CHECK_FAILED = "CHECK_FAILED"
    CAP_EXCEEDED = "CAP_EXCEEDED"
    ARMING_ENDING = "ARMING_ENDING"
    THROTTLED_OFTEN = "THROTTLED_OFTEN"


@dataclass(frozen=True)
class AlertDefinition:
    """One kind of alert, in writing. `anchor` is a section of the runbook; it is sent to people, so it stays as it is."""

    severity: Severity
    what_to_do: str
    anchor: str


_K, _S = AlertKind, Severity

DEFINITIONS: dict[AlertKind, AlertDefinition] = {
    _K.NOT_FLAT: AlertDefinition(
        _S.ERROR,
        "Read the reasons below, then flatten again (`deepcoin-ops flatten`) or close what is open by hand.",
        "flatten-not-flat",
    ),
    _K.KILLED: AlertDefinition(
        _S.ERROR,
        "Look at the positions at the exchange, then flatten again: it takes over what this one left.",
        "flatten-killed",
    ),
    _K.REFUSED: AlertDefinition(
        _S.ERROR,
        "Mend what the reason names and flatten again, or close by hand. Nothing closes by itself any more.",
        "flatten-refused",
    ),
    _K.FLATTEN_MISSING: AlertDefinition(
        _S.ERROR,
        "Look at the positions at the exchange and run `deepcoin-ops flatten` now; then find out why nothing ran.",
        "flatten-missing",
    ),
    _K.NOT_STARTED: AlertDefinition(
        _S.ERROR,
        "Run `deepcoin-ops flatten` now: the schedule does not act on this tick any more. Then see whether Dagster runs "
        "and the schedule end_of_day_flatten is on.",
        "flatten-not-started",
    ),
    _K.SKIPPED_TICK: AlertDefinition(
        _S.ERROR,
        "Decide whether the account should be flat now; if so, run `deepcoin-ops flatten`.",
        "skipped-tick",
    ),
    _K.UNVERIFIED: AlertDefinition(
        _S.ERROR,
        "Look at the positions at the exchange, or flatten again, which looks first.",
        "flatten-unverified",
    ),
    _K.UNKNOWN_OUTCOME: AlertDefinition(
        _S.ERROR,
        "Look at positions and waiting orders at the exchange before anything is sent again.",
        "unknown-outcome",
    ),
    _K.UNCONFIGURED_POSITION: AlertDefinition(
        _S.ERROR,
        "No flatten closes it. Close it by hand at the exchange, or add the instrument to `instruments` and flatten. Name "
        "it in `expected_positions` if it is meant to stay.",
        "unconfigured-position",
    ),
    _K.SETTINGS_BROKEN: AlertDefinition(
        _S.ERROR,
        "Mend what is named, and run `deepcoin-ops status` until it shows no problem; then launch anew what was due. Until "
        "then close by hand at the exchange.",
        "settings-broken",
    ),
    _K.LEDGER_UNREADABLE: AlertDefinition(
        _S.ERROR,
        "Mend what the message names. Until then no alert can tell how a flatten ended: look at the positions yourself.",
        "ledger-unreadable",
    ),
    _K.LEDGER_ALTERED: AlertDefinition(
        _S.ERROR,
        "Look at the account's positions and orders at the exchange. Keep the ledger's file and compare it with a backup; "
        "the other alerts of the account are without this entry.",
        "ledger-altered",
    ),
    _K.OUTBOX_UNWRITABLE: AlertDefinition(
        _S.ERROR,
        "Make room on the disk, or mend the folder's permissions: without it the ledger cannot record either, and nothing "
        "is sent without a record. Look at the positions yourself until then.",
        "outbox-unwritable",
    ),
    _K.ALERTS_FAILED: AlertDefinition(
        _S.ERROR,
        "Look at the positions yourself and run `deepcoin-ops alerts`: it names what stops it. Until that works, no other "
        "alert comes.",
        "alerts-failed",
    ),
    _K.CHECK_FAILED: AlertDefinition(
        _S.ERROR,
        "Mend what was found before the next flatten is due, then check again.",
        "check-failed",
    ),
    _K.CAP_EXCEEDED: AlertDefinition(
        _S.WARN,
        "Nothing has to be closed because of this. See whether the positions were meant to be this large, and whether the "
        "cap still is what you want.",
        "cap-exceeded",
    ),
    _K.ARMING_ENDING: AlertDefinition(
        _S.WARN,
        "Run `deepcoin-ops arm` before that: afterwards every flatten is refused.",
        "arming-ending",
    ),
    _K.THROTTLED_OFTEN: AlertDefinition(
        _S.WARN,
        "Find out what else sends with this account's key or from this address; a flatten takes longer meanwhile.",
        "throttled-often",
    ),
}


@dataclass(frozen=True)
class Alert:
    """One fact that somebody should hear of.

    Attributes:
        key: The same fact has the same key, whoever finds it and when.
        kind: What it is.
        severity: How serious it is.
        account: Whose; empty for all.
        title: All that fits on a telephone.
        text: What happened, what is open, what to do and where to look.
        settled: What has put an end to it, in words; None while nothing has.
    """

    key: str
    kind: AlertKind
    severity: Severity
    account: str
    title: str
    text: str
    settled: str | None = None
