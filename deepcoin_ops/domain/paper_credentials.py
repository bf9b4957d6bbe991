"""The credentials of a paper account, derived from its name. Public by construction, so nothing real belongs here."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class PaperCredentials:
    """What signs a paper account's requests. Worth nothing at the real exchange."""

    api_key: str
    secret_key: str
    passphrase: str


def paper_credentials(account: str) -> PaperCredentials:
    """The credentials the paper exchange expects of an account with this name."""
    secret_key = hashlib.sha256(b"paper-secret-" + account.encode()).hexdigest()[:32]
    return PaperCredentials(api_key=f"PAPER-{account}", secret_key=secret_key, passphrase=f"paper-{account}")
