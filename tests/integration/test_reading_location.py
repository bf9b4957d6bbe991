"""The code location without a desk, in a process of its own that holds live keys: it builds tables and can send nothing."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable

from deepcoin_ops.domain.tables import TABLES

KEYS = {"MAIN_API_KEY": "a-key", "MAIN_SECRET_KEY": "a-secret", "MAIN_PASSPHRASE": "a-passphrase"}
SETTINGS = """
accounts:
  main: {credentials_prefix: MAIN, instruments: [BTC-USDT-SWAP]}
schedule: {first_trading_day: 2026-01-05, timezone: UTC, cron: "30 16 * * *", day_boundary: "17:00"}
"""
REBUILD = """
import json, sys
from deepcoin_ops.reading_definitions import defs
ended = defs.resolve_job_def("rebuild_day_tables").execute_in_process(partition_key="2026-01-06")
built = [event.asset_key.to_user_string() for event in ended.get_asset_materialization_events()]
rooms = sorted({name for name in sys.modules if name.startswith("deepcoin_ops.")})
print(json.dumps({"built": built, "rooms": rooms}))
"""
CANNOT_BE_THERE = ("deepcoin_ops.definitions", "deepcoin_ops.exchange", "deepcoin_ops.flattening", "deepcoin_ops.paper")


def test_with_live_keys_at_hand_it_builds_a_day_and_neither_holds_a_client_nor_connects(
    settings_file: Callable[..., dict[str, str]],
) -> None:
    """There is no path to a send that a setting or a key could open: the modules that send are not in the process."""
    with socket.create_server(("127.0.0.1", 0)) as exchange:
        exchange.setblocking(False)
        address = f"http://127.0.0.1:{exchange.getsockname()[1]}"
        environ = settings_file(address, SETTINGS) | KEYS | {"DEEPCOIN_OPS_VENUE": "live", "DEEPCOIN_BASE_URL": address}
        ended = subprocess.run([sys.executable, "-c", REBUILD], env=environ, capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stderr
        told = json.loads(ended.stdout.splitlines()[-1])
        try:
            asked = exchange.accept()
        except BlockingIOError:
            asked = None
    assert set(told["built"]) == {*(table.name for table in TABLES), "flatten_report"}
    assert [name for name in told["rooms"] if name.startswith(CANNOT_BE_THERE)] == []
    assert asked is None
