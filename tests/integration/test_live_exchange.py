"""The unmarked exchange of the tests: a live client takes it for the real one, and nothing else leads to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from flatten_lab import build_scenario, position
from live_exchange import LiveStand, live_uid, open_live_stand

from deepcoin_ops.domain.errors import ReadRefused
from deepcoin_ops.domain.model import InstrumentType, Outcome
from deepcoin_ops.domain.paper_credentials import paper_credentials
from deepcoin_ops.exchange.client import BATCH_CLOSE, DeepcoinClient
from deepcoin_ops.exchange.wire import close_body
from deepcoin_ops.flattening.desk import build_client
from deepcoin_ops.settings import load_settings

SCENARIO = build_scenario([position("BTC-USDT-SWAP", "1", "100")])


@contextmanager
def open_client(stand: LiveStand, **environ: str) -> Iterator[DeepcoinClient]:
    """A client of the stand's account, built past every guard."""
    variables = stand.variables | environ
    settings = load_settings(variables)
    with closing(build_client(settings, settings.account("main"), variables)) as client:
        yield client


def test_a_live_client_takes_it_for_the_real_one(tmp_path: Path) -> None:
    """What is tried on it has to mean something for the live venue."""
    with open_live_stand(tmp_path, SCENARIO) as stand, open_client(stand) as client:
        assert client.fetch_uid() == live_uid("main")
        assert [each.instrument_id for each in client.fetch_positions(InstrumentType.SWAP).positions] == ["BTC-USDT-SWAP"]
        answer = client.send_close(BATCH_CLOSE, close_body("BTC-USDT-SWAP"))
        assert answer.outcome is Outcome.ACCEPTED
        assert stand.exchange.truth()["accounts"]["main"]["open"] == []
        assert stand.exchange.sends() == [BATCH_CLOSE]
        assert len(stand.exchange.signed_arrivals()) == 3


def test_the_public_credentials_of_the_paper_exchange_are_worth_nothing_there(tmp_path: Path) -> None:
    """As at the real one."""
    public = paper_credentials("main")
    with open_live_stand(tmp_path, SCENARIO) as stand, open_client(stand, DEEPCOIN_API_KEY=public.api_key) as client:
        with pytest.raises(ReadRefused, match="50113"):
            client.fetch_uid()
        assert stand.exchange.signed_arrivals() == []


def test_a_client_of_the_paper_venue_refuses_its_answers(tmp_path: Path) -> None:
    """They carry no mark, so they could be the real exchange's."""
    with open_live_stand(tmp_path, SCENARIO) as stand:
        paper = {"DEEPCOIN_OPS_VENUE": "paper", "DEEPCOIN_OPS_PAPER_URL": stand.exchange.url}
        with open_client(stand, **paper) as client, pytest.raises(ReadRefused):
            client.fetch_uid()
