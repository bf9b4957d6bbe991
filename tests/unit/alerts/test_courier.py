"""The courier by itself: it ends when its time is over, whoever sent it and whatever became of him."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

from alert_receiver import TOKEN, AlertReceiver


def test_a_courier_whose_service_never_answers_ends_itself() -> None:
    """Its sender may have been killed; nobody else would end it."""
    command = [sys.executable, "-m", "deepcoin_ops.alerts.courier"]
    with AlertReceiver() as mute:
        mute.is_mute = True
        order = {"url": mute.url, "limit_s": 10, "letters": [{"title": "a", "body": "b", "is_urgent": True}]}
        ended = subprocess.run(command, input=json.dumps(order), capture_output=True, text=True, timeout=50, check=False)
        assert mute.tries == 1
    assert ended.returncode == -signal.SIGALRM
    assert [json.loads(line) for line in ended.stdout.splitlines()] == [{"letter": 0, "state": "begun"}]
    assert TOKEN not in ended.stdout
