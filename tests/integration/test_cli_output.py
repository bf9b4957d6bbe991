"""What the real executable prints where the terminal cannot show everything."""

from __future__ import annotations

from collections.abc import Callable

from command_line import run
from flatten_lab import build_scenario, position

from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.scenario import Scenario
from deepcoin_ops.paper.server import PaperExchange

CHINESE = "\u4ed3\u4f4d\u4e0d\u8db3"


def test_a_flatten_is_flat_whatever_its_terminal_can_show(
    paper: Callable[[Scenario], PaperExchange], settings_file: Callable[..., dict[str, str]]
) -> None:
    """An error message in Chinese on a terminal of another encoding: nothing was printed, and the exit code was 1."""
    fault = Fault(FaultAction.ERROR_ITEMS, error_message=CHINESE)
    exchange = paper(build_scenario([position("BTC-USDT-SWAP", "PAPER-1", "123456.5")], [fault]))
    environ = settings_file(exchange.url) | {"PYTHONIOENCODING": "latin-1"}
    ended = run(environ, "flatten")
    assert (ended.returncode, exchange.truth()["accounts"]["main"]["open"]) == (0, [])
    assert "Traceback" not in ended.stderr
    for shown in (r"\u4ed3\u4f4d\u4e0d\u8db3", "123,456.5", "FLAT: "):
        assert shown in ended.stdout
