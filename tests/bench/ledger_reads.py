"""What reading costs, with 10, 1,000 and 10,000 flattens in the ledger: it has to be the same.

Each question is asked of the newest trading day, of which every ledger has ten flattens. The processor's time is measured,
in one run; times are good to compare within it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from deepcoin_ops.alerts.facts import read_facts
from deepcoin_ops.commands.reports import read_day_report, read_status_report
from deepcoin_ops.domain.checks import AccountCheck, CheckPurpose
from deepcoin_ops.domain.facts import CheckMade, FlattenAdmitted, FlattenEnded
from deepcoin_ops.domain.limits import Limits
from deepcoin_ops.domain.model import (
    CloseAnswer,
    CloseIntent,
    FlattenClosing,
    FlattenRequest,
    FlattenResult,
    InstrumentType,
    InstrumentVerdict,
    Outcome,
    Position,
    PositionSide,
    PositionsRead,
    ProductGroup,
    RawAnswer,
    Verdict,
)
from deepcoin_ops.ledger import building
from deepcoin_ops.ledger.building import Moment
from deepcoin_ops.ledger.checked import verify_onward
from deepcoin_ops.ledger.days import read_account_days
from deepcoin_ops.ledger.history import History
from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.ledger.records import NewFact
from deepcoin_ops.settings import Settings, load_settings
from deepcoin_ops.settings_alerts import AlertAddresses

SIZES = (10, 1_000, 10_000)
_PER_DAY = 10
_SETTINGS = """
accounts:
  main: {credentials_prefix: A, instruments: [P001-USDT-SWAP]}
  second: {credentials_prefix: B, instruments: [P001-USDT-SWAP]}
schedule: {first_trading_day: 2020-01-01}
"""
_CLOSES = 6
_REPEATS = 5
_BODY = b'{"code":"0","msg":"","data":[' + b'{"instId":"P001-USDT-SWAP","pos":"5"},' * 20 + b"]}"
_ANSWERED = RawAnswer(200, _BODY, len(_BODY))


def measure_ledger_reads(folder: Path) -> dict[int, dict[str, float]]:
    """Measure each question at each size.

    Args:
        folder: Where the ledgers are written.

    Returns:
        Milliseconds of the processor by question, by the number of flattens in the ledger; the least of some repeats.
    """
    return {size: _measure(_load(folder / f"reads-{size}"), size) for size in SIZES}


def _load(folder: Path) -> Settings:
    folder.mkdir()
    settings_path = folder / "flatten.yaml"
    settings_path.write_text(_SETTINGS)
    variables = {"DEEPCOIN_OPS_SETTINGS": str(settings_path), "DEEPCOIN_OPS_STATE": str(folder / "state")}
    return load_settings(variables | {"DEEPCOIN_OPS_PAPER_URL": "http://127.0.0.1:1"})


def _measure(settings: Settings, size: int) -> dict[str, float]:
    day = _fill(settings, size)
    now = datetime.now(UTC)
    with Ledger.open(settings.ledger_path, settings.venue) as ledger:
        verify_onward(ledger)
        head = ledger.read_head(day)
        assert head is not None
        questions: dict[str, Callable[[], object]] = {
            "start of a flatten": lambda: (
                ledger.read_admitted_check("main"),
                ledger.read_attempts_since("main", now - timedelta(seconds=40)),
            ),
            "rebuild of a day": lambda: (
                read_account_days(ledger, day, head.seq, {}, None, now),
                ledger.read_altered_entries_of_day(day, head.seq),
            ),
            "check of the chains": lambda: verify_onward(ledger),
            "days with tables owed": ledger.read_days,
            "ledger show": lambda: read_day_report(settings, day, None),
            "status": lambda: read_status_report(settings, AlertAddresses()),
            "alerts": lambda: read_facts(settings, now),
            "ledger_moved, idle": lambda: _look(settings, head.seq),
        }
        return {name: _time(question) for name, question in questions.items()}


def _look(settings: Settings, seq: int) -> None:
    ledger = History.open_existing(settings.ledger_path, settings.venue)
    assert ledger is not None
    with ledger:
        ledger.read_ledger_id()
        ledger.read_newer_days(seq)


def _time(question: Callable[[], object]) -> float:
    took = []
    for _ in range(_REPEATS):
        started_s = time.process_time()
        question()
        took.append(time.process_time() - started_s)
    return min(took) * 1000


def _fill(settings: Settings, size: int) -> str:
    """Record so many flattens, ten a day, the last day being two days ago; that day."""
    days = -(-size // _PER_DAY)
    last = datetime.now(UTC).date() - timedelta(days=2)
    day = last - timedelta(days=days)
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    with Ledger.open(settings.ledger_path, settings.venue, lambda: at) as ledger:
        for number in range(days):
            day = last - timedelta(days=days - 1 - number)
            at = datetime(day.year, day.month, day.day, 23, 30, tzinfo=UTC)
            flattens = (_build_flatten(day, each, at) for each in range(min(_PER_DAY, size - number * _PER_DAY)))
            ledger.append([new for facts in flattens for new in facts])
    return day.isoformat()


def _build_flatten(day: date, number: int, at: datetime) -> Iterator[NewFact]:
    account = "main" if number % 2 else "second"
    flatten_id = f"{day}-{account}-{number}"
    moment = Moment(at.timestamp(), "bench", at)
    instrument_id = "P001-USDT-SWAP"
    request = FlattenRequest(flatten_id, account, day.isoformat(), "bench", (instrument_id,), is_dry_run=False)
    position = Position(
        instrument_id, ProductGroup.SWAP_U, "1", PositionSide.LONG, Decimal(5), "cross", "merge", Decimal(7), "USDT"
    )
    shown = PositionsRead(InstrumentType.SWAP, (position,) * 20, at, at, 0.0, _ANSWERED)
    check = AccountCheck(CheckPurpose.FLATTEN, at, "http://127.0.0.1:1", uid="1")

    def new(fact: object, raw: bytes | None = None) -> NewFact:
        return NewFact(account, request.trading_day, fact, raw)  # type: ignore[arg-type]

    yield new(building.build_opening(request, "{}", Limits(), moment))
    yield new(CheckMade(flatten_id=flatten_id, **moment._asdict(), check=check))
    yield new(FlattenAdmitted(flatten_id=flatten_id, **moment._asdict()))
    yield new(*building.build_positions_read(flatten_id, "snapshot", 0, shown, moment.at_s, moment))
    for send in range(1, _CLOSES + 1):
        call_id = f"{flatten_id}-{send:04}"
        intent = CloseIntent(
            call_id, instrument_id, ProductGroup.SWAP_U, 1, send, "/batch-close-position", "{}", Decimal(5), None
        )
        answer = CloseAnswer(Outcome.ACCEPTED, "accepted", at, at, raw=_ANSWERED)
        yield new(building.build_close_intent(flatten_id, intent, moment))
        yield new(*building.build_answer(flatten_id, call_id, answer, moment))
    flat = replace(shown, positions=())
    yield new(*building.build_positions_read(flatten_id, "verify", 1, flat, moment.at_s, moment))
    yield new(*building.build_positions_read(flatten_id, "verify", 1, flat, moment.at_s, moment))
    verdict = InstrumentVerdict(instrument_id, Verdict.FLAT, Decimal(5), None, Decimal(0), None, _CLOSES, "two reads")
    yield new(building.build_verdicts(flatten_id, [verdict], moment))
    closing = FlattenClosing(flatten_id, FlattenResult.FLAT, "flat", 1, _CLOSES, 0, None, 1.0, 2.0, None)
    yield new(FlattenEnded(flatten_id=flatten_id, **moment._asdict(), closing=closing))
