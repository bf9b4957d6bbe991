"""Canaries in the place of a live account's key, secret and passphrase: after everything has gone wrong, they are nowhere.

The exchange is an unmarked one on loopback that repeats the signed headers of every request in its answer, as a debugging
proxy would. What is searched is unpacked first; that the search finds what there is, is shown in unit/test_secret_search.
The environment of the processes is left out: it is where the secrets are meant to be.
"""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import requests
from command_line import run
from flatten_lab import build_scenario, position
from live_exchange import LiveStand, build_alert_canary, open_live_stand
from secret_search import SecretSearch

from deepcoin_ops.domain.errors import DeepcoinOpsError, NotArmed, ReadFailed, SettingsError
from deepcoin_ops.domain.model import InstrumentType
from deepcoin_ops.exchange import wire, wire_cancels
from deepcoin_ops.exchange.client import BATCH_CLOSE, DeepcoinClient
from deepcoin_ops.flattening.desk import build_client, open_desk
from deepcoin_ops.orchestration.resources import FlattenDesk
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.order_records import PaperOrder
from deepcoin_ops.settings import load_settings, resolve_alert_addresses, resolve_credentials

BTC, ETH = "BTC-USDT-SWAP", "ETH-USDT-SWAP"
POSITIONS = (position(BTC, "1", "100"), position(ETH, "2", "50", "short"))

CALLS: dict[str, Callable[[DeepcoinClient], object]] = {
    "account/uid": lambda client: client.fetch_uid(),
    "account/positions": lambda client: client.fetch_positions(InstrumentType.SWAP),
    "trade/v2/orders-pending": lambda client: client.fetch_page(
        "positions", "/deepcoin/trade/v2/orders-pending", {"instId": BTC, "index": "1", "limit": "30"}, lambda data: data
    ),
    "batch-close-position": lambda client: client.send_close(BATCH_CLOSE, wire.close_body(BTC)),
    "trade/batch-cancel-order": lambda client: client.send_cancel(
        wire_cancels.BATCH_CANCEL, wire_cancels.batch_cancel_body(["1"])
    ),
}


def search(stand: LiveStand, **more: str) -> SecretSearch:
    """Looks for the account's canaries and for further ones, and for every signature that the exchange has seen."""
    return SecretSearch({**stand.exchange.secrets(), **more}, stand.exchange.signatures())


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[LiveStand, DeepcoinClient]]:
    """An echoing exchange and a client of it that is faster than a live one may be."""
    folder = tmp_path_factory.mktemp("secrets")
    with ExitStack() as opened:
        scenario = build_scenario(POSITIONS)
        scenario = replace(scenario, limits=replace(scenario.limits, private_per_period=1000))
        stand = opened.enter_context(open_live_stand(folder, scenario, is_echoing=True))
        settings = load_settings(stand.variables)
        spacings = {name: 0.001 for name in type(settings.pace).model_fields if name.endswith("_spacing_s")}
        settings = replace(
            settings,
            pace=settings.pace.model_copy(update={**spacings, "margin_ms": 0.0}),
            exchange=settings.exchange.model_copy(update={"read_timeout_s": 0.3}),
        )
        client = build_client(settings, settings.account("main"), stand.variables)
        yield stand, opened.enter_context(closing(client))


@pytest.mark.parametrize("action", FaultAction)
def test_no_answer_and_no_error_carries_a_secret_on(hasty: tuple[LiveStand, DeepcoinClient], action: FaultAction) -> None:
    """Every fault of every kind of request: what is recorded of it, and what an error shows, local variables included."""
    stand, client = hasty
    told: list[tuple[str, object]] = []
    before = len(stand.exchange.arrivals())
    for endpoint, call in CALLS.items():
        stand.exchange.add_fault(Fault(action, endpoint, delay_s=0.01))
        try:
            told.append((endpoint, call(client)))
        except DeepcoinOpsError as error:
            told.append((endpoint, error))
    assert [arrival.fault for arrival in stand.exchange.arrivals()[before:]] == [action.value] * len(CALLS)
    looking = search(stand)
    for where, found in told:
        if isinstance(found, BaseException):
            looking.look_at_error(where, found)
            if isinstance(found, ReadFailed) and found.raw is not None:
                looking.look_at(where, found.raw.body)
        else:
            looking.look_at(where, repr(found))
            raw = getattr(found, "raw", None)
            looking.look_at(where, raw.body if raw is not None else "")
    assert looking.findings == []
    assert looking.looked_at > 1000


def test_an_echo_is_really_there(hasty: tuple[LiveStand, DeepcoinClient]) -> None:
    """Else nothing would have been taken out: what is kept of an answer has the blanks in it."""
    _stand, client = hasty
    answer = client.send_close(BATCH_CLOSE, wire.close_body(BTC))
    assert answer.raw is not None
    repeated = json.loads(answer.raw.body)["echo"]
    assert {name: set(value) for name, value in repeated.items()} == {name: {"*"} for name in repeated}
    assert len(repeated) == 3


def test_no_object_shows_a_secret(hasty: tuple[LiveStand, DeepcoinClient]) -> None:
    """A repr ends up in logs, tracebacks and the page."""
    stand, client = hasty
    settings = load_settings(stand.variables)
    account = settings.account("main")
    credentials = resolve_credentials(settings, account, stand.variables)
    looking = search(stand)
    with ExitStack() as opened:
        stand.arm()
        desk = opened.enter_context(open_desk(settings, "main", stand.variables))
        for shown in (settings, account, credentials, client, desk, desk.client, FlattenDesk(), vars(client), vars(desk)):
            looking.look_at(type(shown).__name__, f"{shown!r} {shown}")
    password, alerts = build_alert_canary()
    addresses = resolve_alert_addresses(alerts)
    for each in (addresses, *addresses.usable):
        assert password not in f"{each!r} {each}"
    looking.look_at("public settings", settings.as_public_json())
    looking.look_at("settings as a dictionary", repr(asdict(replace(settings, accounts={}))))
    looking.look_at("pickled settings", pickle.dumps(replace(settings, accounts=dict(settings.accounts))))
    transport = vars(client)["_transport"]
    looking.look_at("transport", repr({name: vars(each) for name, each in [("transport", transport)]}))
    assert looking.findings == []


def test_no_error_of_opening_a_live_desk_shows_a_secret(
    hasty: tuple[LiveStand, DeepcoinClient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fails there fails with the whole environment at hand."""
    stand, _client = hasty
    for name, value in {**stand.variables, "DEEPCOIN_OPS_STATE": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    looking, seen = search(stand), []

    def fail(name: str, value: str, expected: type[Exception]) -> None:
        with monkeypatch.context() as changed:
            changed.setenv(name, value)
            with pytest.raises(expected) as failed, open_desk(load_settings(), "main"):
                raise requests.ConnectionError("while it was open")
        seen.append(type(failed.value))
        looking.look_at_error(name, failed.value)

    fail("DEEPCOIN_API_KEY", "", SettingsError)
    fail("DEEPCOIN_PASSPHRASE", " ", SettingsError)
    fail("DEEPCOIN_OPS_VENUE", "lief", SettingsError)
    fail("DEEPCOIN_OPS_SETTINGS", "/nowhere", SettingsError)
    fail("DEEPCOIN_BASE_URL", "https://exchange.invalid", NotArmed)
    fail("UNRELATED", "1", requests.ConnectionError)
    assert len(seen) == 6
    assert looking.findings == []


# One of a kind in each phase of a single flatten; all of them in all places are behind the marker `chaos`.
SEVERAL = (
    Fault(FaultAction.HTML, "account/uid"),
    Fault(FaultAction.SERVER_ERROR, "account/positions", call=3),
    Fault(FaultAction.RESET, "batch-close-position", instrument_id=BTC),
    Fault(FaultAction.ERROR_ITEMS, "batch-close-position", instrument_id=ETH),
    Fault(FaultAction.HANG, "trade/v2/orders-pending"),
    Fault(FaultAction.NOT_AN_OBJECT, "trade/batch-cancel-order"),
)
READS = ("account/uid", "account/positions", "trade/v2/orders-pending")
WRITES = ("batch-close-position", "trade/batch-cancel-order")
EVERY = {
    f"{action}-{'reads' if endpoints is READS else 'writes'}": tuple(
        Fault(action, endpoint, call=2 if endpoint == "account/positions" else 1, delay_s=0.2) for endpoint in endpoints
    )
    for action in FaultAction
    for endpoints in (READS, WRITES)
}
COMMANDS = (
    ("plan",),
    ("flatten",),
    ("preflight", "--json"),
    ("ledger", "show", "today"),
    ("ledger", "show", "today", "--json"),
    ("status",),
    ("status", "--json"),
)


@pytest.mark.parametrize(
    "faults",
    [
        pytest.param((), id="none", marks=pytest.mark.chaos),
        pytest.param(SEVERAL, id="several"),
        *(pytest.param(faults, id=name, marks=pytest.mark.chaos) for name, faults in EVERY.items()),
    ],
)
def test_the_command_line_leaves_no_secret_behind(tmp_path: Path, faults: tuple[Fault, ...]) -> None:
    """Standard output and error, the ledger row by row, the paces, the locks: everything below the folders of a desk."""
    order = PaperOrder(BTC, "long", "1", price="80000", order_id="WAITS")
    scenario = build_scenario(POSITIONS, faults, orders=[order])
    password, alerts = build_alert_canary()
    with open_live_stand(tmp_path, scenario, is_echoing=True, HOME=str(tmp_path), **alerts) as stand:
        stand.arm()
        outputs = [(command, run(stand.variables, *command)) for command in COMMANDS]
        looking = search(stand, alerts=password)
        for command, ended in outputs:
            looking.look_at(" ".join(command), ended.stdout + ended.stderr + repr(ended.args))
            assert "Traceback" not in ended.stderr
        struck = {arrival.fault for arrival in stand.exchange.arrivals()} - {None}
        files = looking.look_at_folder(tmp_path)
    assert (tmp_path / "state" / "live" / "ledger.sqlite").is_file()
    assert files > 5
    # Of several that a read is struck by, the first may end it.
    assert struck == {fault.action.value for fault in faults}
    assert looking.findings == []
