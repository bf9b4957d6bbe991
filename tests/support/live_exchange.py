"""An exchange on loopback that a client of the live venue takes for the real one, and the desk that goes with it.

The paper exchange's own server without its mark, with credentials and uids of the test's choosing instead of the public
ones. It is here and not in the package, so that nobody who uses the package can start one: no command, no scenario file
and no setting leads to it.
"""

from __future__ import annotations

import html
import json
import secrets
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from flatten_lab import Lab

from deepcoin_ops.domain.paper_credentials import PaperCredentials
from deepcoin_ops.flattening.desk import open_desk
from deepcoin_ops.paper.answers import Answer
from deepcoin_ops.paper.clock import PaperClock
from deepcoin_ops.paper.desk import Desk as PaperDesk
from deepcoin_ops.paper.desk import Request
from deepcoin_ops.paper.scenario import PaperAccount, Scenario
from deepcoin_ops.paper.server import PaperExchange
from deepcoin_ops.settings import load_settings
from deepcoin_ops.settings_alerts import ALERT_URLS_VARIABLE

CAP_USDT = Decimal(10_000_000)

# As fast as the live venue's lower bounds allow; keep the instruments few.
LIVE_SETTINGS = """
accounts:
  main:
    credentials_prefix: DEEPCOIN
    instruments: [BTC-USDT-SWAP, ETH-USDT-SWAP]
pace: {close_spacing_s: 1.0, positions_spacing_s: 0.1, account_spacing_s: 1.0, orders_spacing_s: 0.1,
       cancel_spacing_s: 1.0, trigger_cancel_spacing_s: 0.034, market_spacing_s: 0.2, margin_ms: 30}
flatten: {settle_s: 0, read_gap_s: 1.1, max_rounds: 2, unknown_hold_s: 5, lock_wait_s: 0.3, interrupt_read_s: 2,
          max_deadline_s: 60}
exchange: {connect_timeout_s: 2, read_timeout_s: 1}
"""


class LiveAccount(PaperAccount):
    """An account with a uid that looks like a real one."""

    @property
    def uid(self) -> str:
        """Eight digits that depend on the account's name."""
        return live_uid(self.name)


@dataclass
class LiveDesk(PaperDesk):
    """The exchange behind the socket: unmarked answers, and credentials that are not public, by account.

    One that echoes repeats the secret headers of each request in its answer, as debugging proxies do. `signatures` are
    those that it has seen.
    """

    credentials: Mapping[str, PaperCredentials] = field(default_factory=dict)
    is_echoing: bool = False
    signatures: set[str] = field(default_factory=set)

    def reset(self) -> None:
        """Go back to the start of the scenario, with an empty log."""
        super().reset()
        self._credentials = {each.api_key: each for each in self.credentials.values()}
        self._accounts = {self.credentials[account.name].api_key: account for account in self.scenario.accounts}

    async def answer(self, request: Request) -> Answer:
        """Answer one request as the paper exchange would, without its mark."""
        self.signatures.add(request.headers.get("dc-access-sign", ""))
        answer = await super().answer(request)
        return replace(answer, is_marked=False, body=_echo(answer.body, request) if self.is_echoing else answer.body)


class LiveExchange(PaperExchange):
    """An unmarked exchange in a background thread, for as long as the `with` block lasts.

    Args:
        scenario: As for the paper exchange; its accounts get uids that look real.
        credentials: By account; made up at random where none are given.
        is_echoing: Whether every answer repeats the headers of its request.
    """

    def __init__(
        self,
        scenario: Scenario,
        credentials: Mapping[str, PaperCredentials] | None = None,
        *,
        is_echoing: bool = False,
    ) -> None:
        given = dict(credentials or {})
        self._is_echoing = is_echoing
        self.credentials = {each.name: given.get(each.name) or build_canary() for each in scenario.accounts}
        super().__init__(replace(scenario, accounts=tuple(_live_account(each) for each in scenario.accounts)))

    def build_desk(self, scenario: Scenario) -> PaperDesk:
        """What is behind the socket."""
        self._live_desk = LiveDesk(
            scenario,
            PaperClock(offset_s=scenario.clock_offset_s),
            credentials=self.credentials,
            is_echoing=self._is_echoing,
        )
        return self._live_desk

    def secrets(self) -> dict[str, str]:
        """Everything secret about the accounts, by name."""
        return {
            f"{part} of {account}": getattr(credentials, part)
            for account, credentials in self.credentials.items()
            for part in ("api_key", "secret_key", "passphrase")
        }

    def signatures(self) -> set[str]:
        """The signatures of all requests so far."""
        return set(self._live_desk.signatures) - {""}

    def signed_arrivals(self) -> list[str]:
        """The paths of the requests that came in with the key of one of the accounts, in order."""
        return [arrival.path for arrival in self.arrivals() if arrival.account is not None]

    def sends(self) -> list[str]:
        """The paths of the requests that could have changed something, in order, refused ones too."""
        return [arrival.path for arrival in self.arrivals() if arrival.method != "GET"]


def build_alert_canary() -> tuple[str, dict[str, str]]:
    """A password that occurs nowhere else, and the variable with an address for alerts that holds it; nobody listens."""
    password = f"canaryalert-{secrets.token_hex(16)}"
    return password, {ALERT_URLS_VARIABLE: f"json://someone:{password}@127.0.0.1:9/alerts"}


def live_uid(account: str) -> str:
    """The uid that the exchange has for an account of this name."""
    return str(30_000_000 + zlib.crc32(account.encode()) % 10_000_000)


def build_canary() -> PaperCredentials:
    """Credentials that occur nowhere else in the world, the passphrase with everything that has to be escaped somewhere."""
    key, secret, passphrase = (secrets.token_hex(16) for _ in range(3))
    return PaperCredentials(f"canarykey-{key}", f"canarysecret-{secret}", f'canary "pass\\phrase" <&+/%=> {passphrase}')


def name_variables(credentials: PaperCredentials, prefix: str = "DEEPCOIN") -> dict[str, str]:
    """The environment variables that hold an account's credentials."""
    return {
        f"{prefix}_API_KEY": credentials.api_key,
        f"{prefix}_SECRET_KEY": credentials.secret_key,
        f"{prefix}_PASSPHRASE": credentials.passphrase,
    }


def write_arming(
    folder: Path,
    account: str,
    uid: str,
    cap_usdt: Decimal = CAP_USDT,
    expires_at: datetime | None = None,
    *,
    base_url: str,
    state_folder: str,
    armed_at: datetime | None = None,
    armed_by: str = "a test",
) -> Path:
    """Write an arming file by hand, for what the command would refuse to write; the file.

    Args:
        folder: The arming folder; created with mode 0700 if need be.
        account: Whose it is.
        uid: The account's uid at the exchange.
        cap_usdt: The largest notional that may be closed.
        expires_at: When it ends; an hour from now if not given.
        base_url: The exchange that it is for.
        state_folder: The state folder that it is for.
        armed_at: When it was armed; now if not given.
        armed_by: By whom.
    """
    now = datetime.now(UTC)
    document = {
        "account": account,
        "uid": uid,
        "cap_usdt": str(cap_usdt),
        "base_url": base_url,
        "state_folder": state_folder,
        "armed_at": (armed_at or now).isoformat(),
        "armed_by": armed_by,
        "expires_at": (expires_at or now + timedelta(hours=1)).isoformat(),
    }
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{account}.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps(document))
    return path


@dataclass
class LiveStand:
    """A running unmarked exchange, and what a process needs to trade on it but for the arming file.

    Attributes:
        exchange: The exchange.
        variables: The environment of the project's processes, credentials included; complete it with `os.environ`.
        arming: The folder of the arming files; it does not exist yet.
    """

    exchange: LiveExchange
    variables: dict[str, str]
    arming: Path

    def arm(self, account: str = "main", **more: object) -> Path:
        """Write an arming file that is right, but for what is said otherwise; the file."""
        state_folder = str(Path(self.variables["DEEPCOIN_OPS_STATE"]).resolve())
        told = {"uid": live_uid(account), "base_url": self.exchange.url, "state_folder": state_folder}
        return write_arming(self.arming, account, **{**told, **more})


@contextmanager
def open_live_stand(
    tmp_path: Path,
    scenario: Scenario,
    settings_text: str = LIVE_SETTINGS,
    *,
    credentials: Mapping[str, PaperCredentials] | None = None,
    is_echoing: bool = False,
    **environ: str,
) -> Iterator[LiveStand]:
    """Start an unmarked exchange and write the settings of a live desk; nothing is armed.

    Args:
        tmp_path: Where settings, state and arming files go.
        scenario: What the exchange starts from.
        settings_text: The settings file; the prefix of account `main` is DEEPCOIN, that of any other its name.
        credentials: By account; made up at random where none are given.
        is_echoing: Whether every answer repeats the headers of its request.
        environ: Further variables.
    """
    settings_file = tmp_path / "flatten.yaml"
    settings_file.write_text(settings_text)
    with LiveExchange(scenario, credentials, is_echoing=is_echoing) as exchange:
        stand = LiveStand(exchange, {}, tmp_path / "arming")
        for account, credentials in exchange.credentials.items():
            prefix = "DEEPCOIN" if account == "main" else account.upper().replace("-", "_")
            stand.variables |= name_variables(credentials, prefix)
        stand.variables |= {
            "DEEPCOIN_OPS_VENUE": "live",
            "DEEPCOIN_BASE_URL": exchange.url,
            "DEEPCOIN_OPS_SETTINGS": str(settings_file),
            "DEEPCOIN_OPS_STATE": str(tmp_path / "state"),
            "DEEPCOIN_OPS_ARMING": str(stand.arming),
            **environ,
        }
        yield stand


@contextmanager
def open_live_lab(
    tmp_path: Path, scenario: Scenario, settings_text: str = LIVE_SETTINGS, *, is_armed: bool = True, **environ: str
) -> Iterator[Lab]:
    """Start an unmarked exchange, arm account `main` and open its desk; clean both up.

    Args:
        tmp_path: Where settings, state and arming files go.
        scenario: What the exchange starts from.
        settings_text: The settings file.
        is_armed: Whether the arming file is written; False leaves that to the test, which has to do it another way.
        environ: Further variables.
    """
    with open_live_stand(tmp_path, scenario, settings_text, **environ) as stand:
        if is_armed:
            stand.arm()
        with open_desk(load_settings(stand.variables), "main", stand.variables) as desk:
            yield Lab(stand.exchange, desk)


def _echo(body: bytes, request: Request) -> bytes:
    """An answer with the headers of its request, in whatever form fits its own."""
    secret = ("dc-access-key", "dc-access-sign", "dc-access-passphrase")
    repeated = {name: value for name, value in request.headers.items() if name in secret}
    try:
        told = json.loads(body)
    except ValueError:
        return body + html.escape(json.dumps(repeated)).encode()
    if not isinstance(told, dict):
        return json.dumps([*told, repeated]).encode()
    message = f"{told.get('msg', '')} (key {repeated.get('dc-access-key')})"
    return json.dumps({**told, "msg": message, "echo": repeated}).encode()


def _live_account(account: PaperAccount) -> LiveAccount:
    return LiveAccount(**{each.name: getattr(account, each.name) for each in fields(account)})
