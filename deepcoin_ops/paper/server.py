"""The listening server: uvicorn on 127.0.0.1 and nowhere else, in a thread of a test or in the foreground.

There is no setting for another address, so a paper exchange cannot be offered to a network by mistake.
"""

from __future__ import annotations

import asyncio
import dataclasses
import socket
import threading
import time
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

import uvicorn
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from deepcoin_ops.domain.errors import SettingsError
from deepcoin_ops.paper.application import ARRIVED_KEY, PaperApplication
from deepcoin_ops.paper.clock import PaperClock
from deepcoin_ops.paper.delivery import TRANSPORT_KEY
from deepcoin_ops.paper.desk import Arrival, Desk
from deepcoin_ops.paper.faults import Fault
from deepcoin_ops.paper.order_records import PaperOrder
from deepcoin_ops.paper.scenario import PaperPosition, Scenario
from deepcoin_ops.paper.truth import build_truth

LOOPBACK = "127.0.0.1"
PATIENCE_S = 10.0

Told = TypeVar("Told")


class PaperExchange:
    """A paper exchange in a background thread, for as long as the `with` block lasts.

    Attributes:
        scenario: What it started from.
        url: Where it listens, such as `http://127.0.0.1:40123`.
    """

    def __init__(self, scenario: Scenario, port: int = 0) -> None:
        self.scenario = scenario
        self._desk = self.build_desk(scenario)
        self._socket = _listen(port)
        self.url = _url_of(self._socket)
        self._is_listening = threading.Event()
        self._server = _PaperServer(self._desk, self._is_listening.set)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="paper-exchange")

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def build_desk(self, scenario: Scenario) -> Desk:
        """What is behind the socket; tests of the live venue put an exchange without a mark there."""
        return Desk(scenario, PaperClock(offset_s=scenario.clock_offset_s))

    def start(self) -> None:
        """Start listening; returns once requests are answered.

        Raises:
            RuntimeError: The server did not come up.
        """
        self._thread.start()
        if not self._is_listening.wait(PATIENCE_S):
            raise RuntimeError(f"the paper exchange at {self.url} did not start within {PATIENCE_S:.0f} s")

    def stop(self) -> None:
        """Stop; hanging requests are cut off, not waited for. What happened can still be asked afterwards."""
        self._server.should_exit = True
        self._thread.join(PATIENCE_S)

    def truth(self) -> dict[str, Any]:
        """What really happened, as `truth.build_truth` describes it."""
        return self._ask(lambda: build_truth(self._desk))

    def arrivals(self) -> list[Arrival]:
        """Every request that arrived so far, in order."""
        return self._ask(lambda: [dataclasses.replace(arrival) for arrival in self._desk.arrivals])

    def add_fault(self, fault: Fault) -> None:
        """Add a fault to the script; it counts calls from now on."""
        self._ask(lambda: self._desk.script.append(fault))

    def open_position(self, account: str, position: PaperPosition) -> str:
        """Open a position as another trader of the account would; returns its position id."""
        return self._ask(lambda: self._desk.market.open_position(account, position))

    def place_order(self, account: str, order: PaperOrder) -> str:
        """Place an order as another trader of the account would; returns its id."""
        return self._ask(lambda: self._desk.market.orders.place(account, order))

    def reset(self) -> None:
        """Go back to the start of the scenario, with an empty log; the history of closes stays."""
        self._ask(self._desk.reset)

    def _ask(self, question: Callable[[], Told]) -> Told:
        """Ask inside the server's loop, where all state lives; directly once it has ended."""
        if not self._thread.is_alive():
            return question()

        async def ask() -> Told:
            return question()

        return asyncio.run_coroutine_threadsafe(ask(), self._server.loop).result(PATIENCE_S)


def serve(scenario: Scenario, port: int, on_started: Callable[[str], None]) -> None:
    """Run a paper exchange in the foreground until SIGINT or SIGTERM, then return.

    Args:
        scenario: What it starts from.
        port: Where on loopback; 0 for a free one.
        on_started: Called with the address once requests are answered.

    Raises:
        SettingsError: The port is taken.
    """
    listening = _listen(port)
    desk = Desk(scenario, PaperClock(offset_s=scenario.clock_offset_s))
    _PaperServer(desk, lambda: on_started(_url_of(listening))).run([listening])


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((LOOPBACK, port))
    except OSError as error:
        raise SettingsError(
            f"the paper exchange cannot listen on {LOOPBACK}:{port}: {error.strerror}; nothing was started. "
            "Choose another port, or 0 for a free one."
        ) from error


def _url_of(listening: socket.socket) -> str:
    return f"http://{LOOPBACK}:{listening.getsockname()[1]}"


class _PaperProtocol(H11Protocol):
    """Stamps a request when its head arrives and lends its connection to whoever delivers a broken answer."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._application = self.app
        self.app = self._hand_over
        self._arrived_s = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's own
        # Head and body are two writes: without this the second waits 40 ms for the client's delayed acknowledgement.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self._arrived_s = time.monotonic()
        super().data_received(data)

    async def _hand_over(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[TRANSPORT_KEY] = self.transport
        scope[ARRIVED_KEY] = self._arrived_s
        await self._application(scope, receive, send)


class _PaperServer(uvicorn.Server):
    """uvicorn, told to say when it listens, to cut hanging requests off and to end quietly on a signal."""

    loop: asyncio.AbstractEventLoop

    def __init__(self, desk: Desk, on_listening: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                PaperApplication(desk),
                http=_PaperProtocol,
                loop="asyncio",
                ws="none",
                lifespan="off",
                log_config=None,
                access_log=False,
                date_header=False,
                server_header=False,
                # Longer than any pause of a client, so that no send meets a connection the server just closed.
                timeout_keep_alive=75,
                timeout_graceful_shutdown=1,
            )
        )
        self._desk = desk
        self._on_listening = on_listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self._on_listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._desk.closing.set()
        await super().shutdown(sockets)

    def handle_exit(self, _sig: int, _frame: FrameType | None) -> None:
        # uvicorn's own raises the signal again after the shutdown, which ends the process with an error.
        self.should_exit = True
