"""`make nights`: plays the scripted nights on the paper exchange and compares them with what is recorded.

    python -m tests.nights            compares, and shows every difference
    python -m tests.nights --record   takes them again

What is recorded of a night: the closes that arrived, in order; the cancels that arrived, by lane; result, verdicts and
causes; the exit code of the command line. `recorded.json` says on which commit it was taken.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).parents[2]
sys.path.insert(0, str(CHECKOUT / "tests" / "support"))

from flatten_lab import Lab, build_scenario, open_lab, with_account, with_settings  # noqa: E402

from deepcoin_ops.domain.errors import DeepcoinOpsError  # noqa: E402
from deepcoin_ops.domain.orders import CancelOrders  # noqa: E402
from tests.nights.scripts import NIGHTS, Night  # noqa: E402

RECORDED = Path(__file__).with_name("recorded.json")
_CLOSES = ("batch-close-position", "close-position-by-ids")


def play(night: Night) -> dict[str, Any]:
    """Play one night to its end."""
    scenario = build_scenario(night.positions, night.faults, orders=night.orders, bots=night.bots, **night.scenario)
    with tempfile.TemporaryDirectory() as folder, open_lab(Path(folder), scenario) as opened:
        changed = dict(night.account)
        if "cancel_orders" in changed:
            changed["cancel_orders"] = CancelOrders(changed["cancel_orders"])
        lab = with_settings(with_account(opened, **changed), **night.flatten)
        ended = _flatten(lab, night)
        return {**ended, **_list_sends(lab)}


def _flatten(lab: Lab, night: Night) -> dict[str, Any]:
    try:
        outcome = lab.flatten(lab.open(instruments=night.instruments, is_dry_run=night.is_dry_run))
    except DeepcoinOpsError as error:
        return {"result": type(error).__name__, "exit_code": 2, "verdicts": {}}
    verdicts = {each.instrument_id: f"{each.verdict} {each.cause or ''}".strip() for each in outcome.verdicts}
    return {"result": outcome.closing.result.value, "exit_code": 0 if outcome.is_success else 1, "verdicts": verdicts}


def _list_sends(lab: Lab) -> dict[str, Any]:
    closes, cancels = [], defaultdict(list)
    for arrival in lab.exchange.arrivals():
        if arrival.method == "GET":
            continue
        endpoint = arrival.path.rsplit("/", 1)[-1]
        body = json.loads(arrival.body)
        if endpoint in _CLOSES:
            closes.append(f"{endpoint} {body['instId']}")
        else:
            cancels[endpoint].append(len(body.get("orderSysIds") or body.get("OrderSysIDs") or [1]))
    return {"closes": closes, "cancels": dict(cancels)}


def compare(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    """Each difference of a night, as a line."""
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            yield f"  {key}: {old.get(key)} -> {new.get(key)}"


def main(arguments: list[str]) -> int:
    """Play the nights; 1 where one differs from what is recorded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--only", help="nights whose names hold this text")
    asked = parser.parse_args(arguments)
    names = [name for name in NIGHTS if not asked.only or asked.only in name]
    played = {name: play(NIGHTS[name]) for name in names}
    if asked.record:
        commit = subprocess.run(
            ("git", "rev-parse", "HEAD"), cwd=CHECKOUT, capture_output=True, text=True, check=True
        ).stdout
        RECORDED.write_text(json.dumps({"commit": commit.strip(), "nights": played}, indent=1) + "\n")
        sys.stdout.write(f"{len(played)} nights recorded\n")
        return 0
    recorded = json.loads(RECORDED.read_text())["nights"]
    differing = 0
    for name, night in played.items():
        lines = list(compare(recorded.get(name, {}), night))
        differing += bool(lines)
        sys.stdout.write("".join([f"{name}\n", *(f"{line}\n" for line in lines)]) if lines else "")
    sys.stdout.write(f"{len(played)} nights, {differing} differ from those of {RECORDED.name}\n")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
