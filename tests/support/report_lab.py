"""Days of two accounts, really flattened on the paper exchange, as what a report is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

from flatten_lab import SETTINGS, Lab, build_scenario, read_days

from deepcoin_ops.domain.day_frames import (
    build_close_attempts,
    build_close_errors,
    build_flatten_summary,
    build_positions_after,
    build_reconciliation,
)
from deepcoin_ops.domain.table_head import TableHead
from deepcoin_ops.flattening.desk import open_desk
from deepcoin_ops.paper.faults import Fault
from deepcoin_ops.paper.scenario import PaperAccount, PaperPosition
from deepcoin_ops.paper.server import PaperExchange
from deepcoin_ops.reporting.day import DayFrames, ReportAccount, ReportDay
from deepcoin_ops.settings import load_settings

HEDGE = "  hedge: {credentials_prefix: HEDGE, instruments: [BTC-USDT-SWAP, ETH-USDT-SWAP]}\n"
TWO_ACCOUNTS = SETTINGS.replace("pace:", HEDGE + "pace:", 1)


@contextmanager
def open_labs(
    tmp_path: Path, positions: Mapping[str, Sequence[PaperPosition]], faults: Sequence[Fault] = ()
) -> Iterator[dict[str, Lab]]:
    """One exchange, one ledger, and a desk for each of the accounts `main` and `hedge`; one without positions is flat."""
    settings_file = tmp_path / "flatten.yaml"
    settings_file.write_text(TWO_ACCOUNTS)
    accounts = tuple(PaperAccount(name, tuple(positions.get(name, ()))) for name in ("main", "hedge"))
    with ExitStack() as opened:
        exchange = opened.enter_context(PaperExchange(replace(build_scenario([], faults), accounts=accounts)))
        variables = {
            "DEEPCOIN_OPS_SETTINGS": str(settings_file),
            "DEEPCOIN_OPS_STATE": str(tmp_path / "state"),
            "DEEPCOIN_OPS_PAPER_URL": exchange.url,
        }
        settings = load_settings(variables)
        yield {
            name: Lab(exchange, opened.enter_context(open_desk(settings, name, variables))) for name in ("main", "hedge")
        }


def build_report(lab: Lab, since: datetime, evidence: str = "NOT_COLLECTED: nobody asked") -> tuple[ReportDay, DayFrames]:
    """Today as the lab's ledger tells it, with a flatten of every account due since a moment and its deadline past."""
    settings, ledger = lab.desk.settings, lab.desk.ledger
    trading_day, days = read_days(lab, since)
    head = ledger.read_head(trading_day)
    starts_at, ends_at = settings.calendar.window(trading_day)
    attempts = [attempt for day in days for attempt in day.attempts]
    frames = DayFrames(
        close_attempts=build_close_attempts(trading_day, attempts),
        close_errors=build_close_errors(trading_day, attempts),
        reconciliation=build_reconciliation(trading_day, days),
        flatten_summary=build_flatten_summary(trading_day, days),
        positions_after=build_positions_after(trading_day, days),
    )
    accounts = tuple(ReportAccount(day.account, day.due, day.skipped_ticks, evidence) for day in days)
    hashes, seq = (head.hashes, head.seq) if head else ({}, 0)
    return (
        ReportDay(
            trading_day=trading_day,
            venue=settings.venue.value,
            timezone=settings.schedule.timezone,
            starts_at=starts_at,
            ends_at=ends_at,
            close_period_s=settings.pace.close_spacing_s,
            head=TableHead(ledger.read_ledger_id(), seq, dict(hashes)),
            accounts=accounts,
        ),
        frames,
    )
