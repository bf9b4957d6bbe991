"""An old copy of the ledger put back: nothing is sent on what it forgot, until a person has looked."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import run, run_json
from flatten_lab import build_scenario, open_lab, position, with_settings

from deepcoin_ops.domain.errors import LedgerError
from deepcoin_ops.domain.model import FlattenResult
from deepcoin_ops.flattening.progress import Progress
from deepcoin_ops.paper.scenario import Scenario
from deepcoin_ops.paper.server import PaperExchange

POSITIONS = (position("BTC-USDT-SWAP", "PAPER-1", "500"), position("ETH-USDT-SWAP", "PAPER-2", "90.5", "short"))


def test_no_close_is_sent_on_an_old_copy_until_its_mark_is_removed(
    paper: Callable[[Scenario], PaperExchange], settings_file: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    """The exchange counts what reaches it; flatten and status say what happened and what to do, and the way on works."""
    exchange = paper(build_scenario(POSITIONS))
    variables = settings_file(exchange.url)
    ledger = Path(run_json(variables, "flatten", "--dry-run")[1]["ledger"])
    old = shutil.copy(ledger, tmp_path / "old.sqlite")
    assert run(variables, "flatten").returncode == 0
    assert run_json(variables, "status")[1]["ledger_setback"] is None
    exchange.open_position("main", position("BTC-USDT-SWAP", "PAPER-9", "500"))
    sent = [arrival for arrival in exchange.arrivals() if arrival.method == "POST"]

    shutil.copy(old, ledger)
    refused = run(variables, "flatten")
    assert (refused.returncode, refused.stdout) == (2, "")
    mark = ledger.with_name("ledger.mark.json")
    for told in ("old copy", str(mark), "Look at the positions", "Nothing is sent"):
        assert told in refused.stderr
    assert [arrival for arrival in exchange.arrivals() if arrival.method == "POST"] == sent
    code, document = run_json(variables, "status")
    assert code == 1
    assert str(mark) in document["ledger_setback"]
    assert "LEDGER NOT USED" in run(variables, "status").stdout
    run(variables, "alerts")
    told_of = [alert for alert in run_json(variables, "alerts", "--show")[1] if alert["kind"] == "LEDGER_UNREADABLE"]
    assert ["NOTHING IS SENT" in alert["title"] and str(mark) in alert["text"] for alert in told_of] == [True]
    code, day = run_json(variables, "ledger", "show", "today")
    assert (code, day["is_chain_intact"]) == (1, True)
    assert str(mark) in day["ledger_setback"]
    assert "LEDGER NOT USED" in run(variables, "ledger", "show", "today").stdout

    mark.unlink()
    assert run(variables, "flatten").returncode == 0
    assert run(variables, "flatten").returncode == 0
    assert {row["instrument_id"] for row in exchange.truth()["accounts"]["main"]["open"]} == set()


def test_after_a_damaged_ledger_a_new_one_begins_as_the_runbook_says(
    paper: Callable[[Scenario], PaperExchange], settings_file: Callable[..., dict[str, str]]
) -> None:
    """Nothing is sent on a file that is broken, nor on a new one while the mark of the old one lies beside it."""
    exchange = paper(build_scenario(POSITIONS))
    variables = settings_file(exchange.url)
    ledger = Path(run_json(variables, "flatten", "--dry-run")[1]["ledger"])
    ledger.write_bytes(ledger.read_bytes()[: ledger.stat().st_size // 2])
    refused = run(variables, "flatten")
    assert (refused.returncode, "docs/runbook.md" in refused.stderr) == (2, True)
    code, planned = run_json(variables, "plan")
    assert (code, [each["instrument_id"] for each in planned["closes"]]) == (0, ["BTC-USDT-SWAP", "ETH-USDT-SWAP"])
    for path in ledger.parent.glob(f"{ledger.name}*"):
        path.rename(path.with_name(f"damaged-{path.name}"))
    assert run(variables, "flatten").returncode == 2
    assert [arrival for arrival in exchange.arrivals() if arrival.method == "POST"] == []
    ledger.with_name("ledger.mark.json").unlink()
    assert run(variables, "flatten").returncode == 0
    assert exchange.truth()["accounts"]["main"]["open"] == []


def test_an_old_copy_put_in_place_during_a_flatten_ends_its_sends(tmp_path: Path) -> None:
    """The next intents would go into the old copy, as if what was sent before had never been."""
    with open_lab(tmp_path, build_scenario(POSITIONS)) as quick:
        lab = with_settings(quick, max_in_flight=1)
        path, request = lab.desk.ledger.path, lab.open()
        old = tmp_path / "old.sqlite"
        lab.desk.ledger.copy(old)

        def put_back(progress: Progress) -> None:
            if progress.outcome is not None:
                # Between two transactions, as another moment would leave no intact copy but a broken file.
                with lab.desk.ledger._one_writer:
                    old.replace(path)

        with pytest.raises(LedgerError, match="was moved or replaced"):
            lab.flatten(request, report=put_back)
        assert lab.close_arrivals() == ["BTC-USDT-SWAP"]


def test_a_flatten_leaves_a_mark_of_its_closing(tmp_path: Path) -> None:
    """From the outside: the file is there after a flatten, and names its newest marked entry."""
    with open_lab(tmp_path, build_scenario(POSITIONS)) as lab:
        assert lab.flatten().closing.result is FlattenResult.FLAT
        told = json.loads(lab.desk.ledger.path.with_name("ledger.mark.json").read_text())
        head = lab.desk.ledger.read_head(lab.open().trading_day)
        assert head is not None
        assert told["seq"] == head.seq - 1
        assert lab.desk.ledger.read_setback() is None
