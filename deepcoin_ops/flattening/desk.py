"""What a flatten of one account works with, put together from the settings: client, pace, ledger. The door to a venue."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from deepcoin_ops.domain.checks import describe_findings
from deepcoin_ops.domain.errors import NotArmed
from deepcoin_ops.domain.model import Venue
from deepcoin_ops.exchange.client import CANCEL_LANES, DeepcoinClient
from deepcoin_ops.exchange.evidence import EVIDENCE_LANES
from deepcoin_ops.exchange.orders import ORDER_LANES
from deepcoin_ops.exchange.pacing import FilePace
from deepcoin_ops.exchange.transport import Transport
from deepcoin_ops.exchange.wire_cancels import CANCEL_TRIGGER
from deepcoin_ops.flattening.arming import find_arming
from deepcoin_ops.flattening.kill_switch import KillSwitch
from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.settings import AccountSettings, Settings, resolve_credentials
from deepcoin_ops.settings_environment import ENVIRONMENT


@dataclass(frozen=True)
class ReadingDesk:
    """One account at one venue, ready to be read. It has no ledger, and without one nothing can be sent."""

    settings: Settings
    account: AccountSettings
    client: DeepcoinClient

    @property
    def kill_switch(self) -> KillSwitch:
        """What stops the account's closes and cancels while it is on."""
        return KillSwitch(self.settings.kill_folder, self.account.name)


@dataclass(frozen=True)
class Desk(ReadingDesk):
    """One account at one venue, ready to be read and flattened."""

    ledger: Ledger


def check_host(settings: Settings, account: AccountSettings) -> None:
    """Refuse to talk to a host that is neither the exchange's own, nor loopback, nor armed for now.

    Every signed request shows the key and the passphrase to whoever answers there, reads too.

    Raises:
        NotArmed: It is neither.
    """
    if settings.venue is Venue.PAPER or settings.is_known_host:
        return
    arming, found = find_arming(settings, account.name, datetime.now(UTC))
    if arming is not None and not any(finding.is_blocking for finding in found):
        return
    raise NotArmed(
        f"account {account.name}: {settings.base_url} (DEEPCOIN_BASE_URL) is not the exchange's own address, and the "
        "account is not armed for it. Nothing was sent there, no read either, and all positions are as they were. Unset "
        "the variable, or arm the account for this address with `deepcoin-ops arm --trust-url`. "
        f"{describe_findings(found)}"
    )


@contextmanager
def open_desk(settings: Settings, account: str | None, environ: Mapping[str, str] = ENVIRONMENT) -> Iterator[Desk]:
    """Open one account's desk and close it again. Writes: creates or migrates the venue's ledger.

    It can be read from at once. Whether it may send is decided for each flatten (`flattening.admission`).

    Args:
        settings: The loaded settings.
        account: Its name in the settings; None where there is exactly one.
        environ: Where credentials are looked up.

    Raises:
        NotArmed: The address is not the exchange's own and not armed.
        SettingsError: No such account, or a credential is missing.
        LedgerError: The ledger cannot be used.
    """
    with open_reading_desk(settings, account, environ) as desk, Ledger.open(settings.ledger_path, settings.venue) as ledger:
        yield Desk(desk.settings, desk.account, desk.client, ledger)


@contextmanager
def open_reading_desk(
    settings: Settings, account: str | None, environ: Mapping[str, str] = ENVIRONMENT, *, trusted_url: str | None = None
) -> Iterator[ReadingDesk]:
    """Open what an account can be read with, whatever state the ledger is in, and close it again. Writes nothing but paces.

    Args:
        settings: The loaded settings.
        account: Its name in the settings; None where there is exactly one.
        environ: Where credentials are looked up.
        trusted_url: An address that a person has just confirmed, which needs no arming file to be read from.

    Raises:
        NotArmed: The address is not the exchange's own and not armed.
        SettingsError: No such account, or a credential is missing.
    """
    account_settings = settings.account(account)
    if trusted_url != settings.base_url:
        check_host(settings, account_settings)
    client = build_client(settings, account_settings, environ)
    try:
        yield ReadingDesk(settings, account_settings, client)
    finally:
        client.close()


def build_client(settings: Settings, account: AccountSettings, environ: Mapping[str, str]) -> DeepcoinClient:
    """The account's client with its pace; sends nothing by being built."""
    pace = settings.pace
    margin_s = pace.margin_ms / 1000
    account_lanes = {
        "batch-close": pace.close_spacing_s,
        "close-by-ids": pace.close_spacing_s,
        "positions": pace.positions_spacing_s,
        "account": pace.account_spacing_s,
        **dict.fromkeys(EVIDENCE_LANES, pace.account_spacing_s),
        **dict.fromkeys(ORDER_LANES, pace.orders_spacing_s),
        **dict.fromkeys(CANCEL_LANES.values(), pace.cancel_spacing_s),
        CANCEL_LANES[CANCEL_TRIGGER]: pace.trigger_cancel_spacing_s,
    }
    market_lanes = {"market": pace.market_spacing_s}
    return DeepcoinClient(
        transport=Transport(
            settings.base_url,
            connect_timeout_s=settings.exchange.connect_timeout_s,
            read_timeout_s=settings.exchange.read_timeout_s,
        ),
        venue=settings.venue,
        credentials=resolve_credentials(settings, account, environ),
        account_pace=FilePace(settings.pace_folder / "accounts" / account.name, account_lanes, margin_s=margin_s),
        market_pace=FilePace(settings.pace_folder / "market", market_lanes, margin_s=margin_s, merges_lanes=False),
    )
