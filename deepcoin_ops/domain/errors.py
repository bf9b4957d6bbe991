"""Every error this project raises on purpose, each saying what happens next.

    DeepcoinOpsError
    ├── SettingsError          nothing was sent; mend the file or the variable it names
    ├── GuardRefused           nothing was sent; a condition for sending does not hold
    │   ├── NotArmed           the live venue is switched off
    │   └── LockTimeout        another flatten of the account is still at work; look at that one
    ├── ReadFailed             a read brought no proof; nothing is concluded from it
    │   └── ReadRefused        the exchange refused the read, with a reason (key, clock, throttle)
    ├── SendWithdrawn          the slot came, but stopping was asked for first; nothing was sent
    ├── LedgerError            the record cannot be trusted or written; nothing is sent without it
    ├── AlertsFailed           a pass over the alerts ended early; an alert of its own says so
    ├── KillSwitchFailed       the kill switch stands as it did; switch it by hand
    └── FlattenFailed          the flatten ended and the account is not proven flat

What a close or a cancel did is never an exception: `exchange.client` returns it as an answer, because an unknown outcome
has to be recorded like any other.
"""

from __future__ import annotations

from deepcoin_ops.domain.model import RawAnswer, Refusal


class DeepcoinOpsError(Exception):
    """Root of the tree; a caller that wants to say something to a person catches this one."""


class SettingsError(DeepcoinOpsError):
    """A setting is missing, unknown or wrong. One line per problem; nothing was sent."""


class GuardRefused(DeepcoinOpsError):
    """A condition for sending does not hold. Nothing was sent; the message says what to do."""


class NotArmed(GuardRefused):
    """The live venue was asked for and is not possible."""


class LockTimeout(GuardRefused):
    """The account's flatten lock was held by someone else for the whole wait.

    The ledger keeps why a flatten was refused in words; `IN_WORDS` are those by which this reason is known again.
    """

    IN_WORDS = "another flatten held the lock"


class ReadFailed(DeepcoinOpsError):
    """A read did not bring a complete answer. It proves nothing, least of all that there are no positions.

    Attributes:
        raw: What was received, if anything.
    """

    def __init__(self, message: str, raw: RawAnswer | None = None):
        super().__init__(message)
        self.raw = raw


class ReadRefused(ReadFailed):
    """The exchange refused a read.

    Attributes:
        refusal: What kind of refusal, which decides whether the flatten goes on.
        error_code: The exchange's code, as text.
    """

    def __init__(self, message: str, refusal: Refusal, error_code: str | None, raw: RawAnswer | None = None):
        super().__init__(message, raw)
        self.refusal = refusal
        self.error_code = error_code


class SendWithdrawn(DeepcoinOpsError):
    """Stopping was asked for while a send waited for its slot. Nothing was sent and no slot was used."""


class LedgerError(DeepcoinOpsError):
    """The ledger cannot be opened, belongs to another venue, comes from a newer version, or was altered."""


class AlertsFailed(DeepcoinOpsError):
    """A pass over the alerts ended early. Nothing was sent to the exchange; what was found may not have been delivered."""


class KillSwitchFailed(DeepcoinOpsError):
    """The kill switch could not be put on, or could not be switched off; the message says which, and what to do by hand."""


class FlattenFailed(DeepcoinOpsError):
    """The flatten is over and the account is not proven flat. The message starts with what is left."""
