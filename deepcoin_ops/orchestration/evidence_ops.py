"""The op that collects evidence. Thin: `flattening.evidence` asks and records, the op reports."""

# Annotations stay unpostponed here: Dagster reads them to build config and resource requirements.
from functools import partial

import dagster as dg
from pydantic import Field

from deepcoin_ops.domain.evidence import EvidenceRead, EvidenceStatus
from deepcoin_ops.domain.showing import show_text
from deepcoin_ops.flattening.evidence import collect_evidence
from deepcoin_ops.flattening.progress import Progress
from deepcoin_ops.orchestration.config import read_config, schema_of
from deepcoin_ops.orchestration.failures import guarded
from deepcoin_ops.orchestration.resources import FlattenDesk
from deepcoin_ops.orchestration.shown import build_failure, build_markdown


class EvidenceConfig(dg.Config):
    """What to ask about."""

    account: str | None = Field(None, description="Its name in the settings; left out: every account.")
    trading_day: str | None = Field(
        None, description="YYYY-MM-DD; left out: the day of each account's last flatten that has its closing row."
    )


@dg.op(config_schema=schema_of(EvidenceConfig))
def fetch_day_evidence(context: dg.OpExecutionContext, desk: FlattenDesk) -> None:
    """Read positions history and fills of a trading day and record them. Sends reads only, and gives way to a flatten."""
    config = read_config(context, EvidenceConfig)
    accounts = [config.account] if config.account else list(desk.settings.accounts)
    rows = []
    for account in accounts:
        trading_day = config.trading_day or _find_last_day(desk, account)
        if trading_day is None:
            context.log.info(f"account {account}: no flatten has a closing row yet, so there is no day to ask about")
            continue
        reads = guarded(partial(_collect, context, desk, account, trading_day))
        rows += [_build_line(account, trading_day, read) for read in reads]
    if not rows:
        message = "No account has a flatten with a closing row, so nothing was asked. Name the trading day in the config."
        raise build_failure(message)
    shown = {"evidence": build_markdown(rows, "nothing was asked")}
    failed = [row for row in rows if row["status"] == EvidenceStatus.FAILED]
    if failed:
        first = failed[0]
        message = (
            f"{len(failed)} of {len(rows)} lists could not be read whole, first {first['list']} of account "
            f"{first['account']}, {first['trading day']}: {first['what came of it']}. What was answered is in the ledger; "
            "it proves nothing about the positions, and nothing was changed. Launch collect_evidence again."
        )
        raise build_failure(message, shown)
    context.add_output_metadata(shown)


def _find_last_day(desk: FlattenDesk, account: str) -> str | None:
    flatten = guarded(lambda: desk.open(account).ledger.read_last_closed_flatten(account))
    return flatten.request.trading_day if flatten else None


def _collect(context: dg.OpExecutionContext, desk: FlattenDesk, account: str, trading_day: str) -> tuple[EvidenceRead, ...]:
    def report(progress: Progress) -> None:
        context.log.info(show_text(f"account {account}: {progress.text}"))

    return collect_evidence(desk.open(account), trading_day, report)


def _build_line(account: str, trading_day: str, read: EvidenceRead) -> dict[str, object]:
    return {
        "account": account,
        "trading day": trading_day,
        "list": f"{read.source} {read.instrument_type}",
        "status": read.status,
        "what came of it": read.reason,
    }
