"""What a way in is, which ones may send, and the count of what really was sent: each try is held against the definition.

A send is wanted only from a launch of the whole of `flatten_positions` by hand: with valid run config, for a configured
account and configured instruments, not as a dry run, asked for no longer ago than the lateness limit, and with no
scheduled time, or one between now and that limit. Then it is wanted for that account alone. All else must send nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from flatten_lab import position

from deepcoin_ops.orchestration import tags
from deepcoin_ops.paper.server import PaperExchange

FLATTEN = "flatten_positions"
HELD = "BTC-USDT-SWAP"
SENT = "SENT"
_CONFIG_KEYS = {"account", "instruments", "dry_run"}


@dataclass(frozen=True)
class Launch:
    """One launch of a job.

    Attributes:
        job: Its name.
        config: The run config.
        tags: The run's.
        steps: Those selected; none for all.
        asked_at: When; None for now.
    """

    job: str
    config: Mapping[str, Any]
    tags: Mapping[str, str] = field(default_factory=dict)
    steps: Sequence[str] = ()
    asked_at: datetime | None = None


@dataclass(frozen=True)
class Definition:
    """Which launch may send, as the head of this file has it.

    Attributes:
        accounts: The configured ones.
        instruments: The configured ones of each.
        max_lateness: How old a launch or its scheduled time may be.
    """

    accounts: Collection[str]
    instruments: Collection[str]
    max_lateness: timedelta

    def find_wanted(self, launch: Launch) -> str | None:
        """The account that a launch may send for; None when it must not send."""
        asked = _read_config(launch.config)
        if launch.job != FLATTEN or launch.steps or asked is None:
            return None
        account, instruments = asked.get("account"), asked.get("instruments") or []
        if account not in list(self.accounts) or asked.get("dry_run") or not set(instruments) <= set(self.instruments):
            return None
        is_in_time = self._is_in_time(launch.asked_at) and self._is_scheduled_in_time(launch.tags.get(tags.SCHEDULED_AT))
        return str(account) if is_in_time else None

    def _is_in_time(self, moment: datetime | None) -> bool:
        now = datetime.now(UTC)
        return moment is None or now - self.max_lateness <= moment <= now

    def _is_scheduled_in_time(self, text: str | None) -> bool:
        if text is None:
            return True
        try:
            scheduled_at = datetime.fromisoformat(text)
        except ValueError:
            return False
        return scheduled_at.tzinfo is not None and self._is_in_time(scheduled_at)


def _read_config(config: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What a flatten is asked to do, if the config asks for that and gives nothing to a resource or to another op."""
    asked = dict(config.get("ops", {})).get("plan_closes", {}).get("config", {})
    rest = {key for key in config if key not in ("ops", "execution", "loggers")}
    if rest or not isinstance(asked, Mapping) or not set(asked) <= _CONFIG_KEYS:
        return None
    instruments = asked.get("instruments") or []
    is_list_of_text = isinstance(instruments, list) and all(isinstance(each, str) for each in instruments)
    return asked if is_list_of_text else None


@dataclass(frozen=True)
class Way:
    """One way in.

    Attributes:
        kind: What it is counted under.
        name: What is tried.
        go: Tries it to its end; says what came of it.
        may_send_for: The account that it may send for, or None.
        is_control: Whether it has to send: it shows that the counter works.
    """

    kind: str
    name: str
    go: Callable[[], str]
    may_send_for: str | None = None
    is_control: bool = False


@dataclass(frozen=True)
class Tried:
    """What a way in led to.

    Attributes:
        way: It.
        outcome: What came of it.
        wanted: How many sends were wanted.
        unwanted: The account and path of each other one.
    """

    way: Way
    outcome: str
    wanted: int
    unwanted: tuple[str, ...]


class Sweep:
    """Tries ways in one after the other while every account has a position open, and counts at the exchange.

    Args:
        exchange: Where it is counted.
        accounts: Who has something open, all the time.
    """

    def __init__(self, exchange: PaperExchange, accounts: Collection[str]):
        self._exchange = exchange
        self._accounts = accounts
        self._counted = len(exchange.arrivals())
        self.tried: list[Tried] = []

    def try_all(self, ways: Iterable[Way]) -> None:
        """Try each by itself."""
        for way in ways:
            self._reopen()
            outcome = way.go()
            self._hold_against([way], [outcome])

    def try_together(self, ways: Sequence[Way], wait: Callable[[str], str]) -> None:
        """Try several that start runs, and then wait for all of them.

        Only ways that may send for different accounts, or not at all, go together. Sends that none of them may do count
        against those that sent, if that can be found out, else against the first.

        Args:
            ways: They.
            wait: Given what came of one of them at first, returns what came of it in the end, with `SENT` if it sent.
        """
        if ways:
            self._reopen()
            started = [way.go() for way in ways]
            self._hold_against(ways, [wait(each) for each in started])

    def _hold_against(self, ways: Sequence[Way], outcomes: Sequence[str]) -> None:
        arrivals = self._exchange.arrivals()
        sends = [each for each in arrivals[self._counted :] if each.method != "GET"]
        self._counted = len(arrivals)
        takers = {way.may_send_for for way in ways} - {None}
        unwanted = [f"{each.account} {each.path}" for each in sends if each.account not in takers]
        together = list(zip(ways, outcomes, strict=True))
        to_blame = [way for way, outcome in together if SENT in outcome and way.may_send_for is None] or list(ways[:1])
        for way, outcome in together:
            wanted = sum(1 for send in sends if send.account == way.may_send_for)
            own = tuple(unwanted[to_blame.index(way) :: len(to_blame)]) if way in to_blame else ()
            self.tried.append(Tried(way, outcome, wanted, own))

    def _reopen(self) -> None:
        for name, account in self._exchange.truth()["accounts"].items():
            if name in self._accounts and not account["open"]:
                self._exchange.open_position(name, position(HELD, "", "100"))

    def list_unwanted(self, kinds: Collection[str] = ()) -> list[str]:
        """Each way in that sent what was not wanted, with what it sent; of some kinds, or of all."""
        sent = [each for each in self.tried if each.unwanted and (not kinds or each.way.kind in kinds)]
        return [f"{each.way.kind}: {each.way.name}: {', '.join(each.unwanted)}" for each in sent]

    @property
    def silent_controls(self) -> list[str]:
        """The controls that sent nothing: then the counter shows nothing either."""
        return [f"{each.way.name}: {each.outcome}" for each in self.tried if each.way.is_control and not each.wanted]

    def describe(self) -> str:
        """The table: by kind, how many were tried, and what was sent."""
        kinds = Counter(each.way.kind for each in self.tried)
        lines = [f"{'ways in':44}{'tried':>8}{'may send':>10}{'sends wanted':>14}{'not wanted':>12}"]
        for kind in (*kinds, None):
            of_kind = [each for each in self.tried if kind in (None, each.way.kind)]
            figures = (
                len(of_kind),
                sum(each.way.may_send_for is not None for each in of_kind),
                sum(each.wanted for each in of_kind),
                sum(len(each.unwanted) for each in of_kind),
            )
            lines.append("{:44}{:>8}{:>10}{:>14}{:>12}".format(kind or "all", *figures))
        return "\n".join(lines)
