"""The op that checks accounts ahead of a flatten. Thin: `flattening.preflight` asks and records, the op reports."""

# Annotations stay unpostponed here: Dagster reads them to build config and resource requirements.
from collections.abc import Callable
from functools import partial

import dagster as dg
from pydantic import Field

from deepcoin_ops.domain.checks import AccountCheck, CheckPurpose, describe_findings
from deepcoin_ops.domain.planning import describe_notional
from deepcoin_ops.domain.showing import show_text
from deepcoin_ops.flattening.preflight import check_account
from deepcoin_ops.flattening.progress import Progress
from deepcoin_ops.orchestration.config import read_config, schema_of
from deepcoin_ops.orchestration.failures import guarded
from deepcoin_ops.orchestration.shown import build_failure, build_markdown
from deepcoin_ops.settings import load_settings


class CheckConfig(dg.Config):
    """Whom to check."""

    account: str | None = Field(None, description="Its name in the settings; left out: every account.")


@dg.op(config_schema=schema_of(CheckConfig))
def check_admission(context: dg.OpExecutionContext) -> None:
    """Ask whether a flatten would be admitted (arming, uid, key, clock, caps) and end FLAT. Only reads; fails if not."""
    _check(context, CheckPurpose.PREFLIGHT)


@dg.op(config_schema=schema_of(CheckConfig))
def check_keys(context: dg.OpExecutionContext) -> None:
    """Ask whether the keys still work, and whose they are. Only reads; fails when one does not."""
    _check(context, CheckPurpose.CREDENTIALS)


def _check(context: dg.OpExecutionContext, purpose: CheckPurpose) -> None:
    config, settings = read_config(context, CheckConfig), guarded(load_settings)
    names = [config.account] if config.account else list(settings.accounts)
    checks = {name: guarded(partial(check_account, settings, name, purpose, _follow(context, name))) for name in names}
    shown = {"checks": _build_table(checks)}
    failed = [
        f"{ending} account {name}: {describe_findings(findings)}"
        for name, check in checks.items()
        for ending, findings in (("Nothing would be sent.", check.blocking), ("It would not end FLAT.", check.doubts))
        if findings
    ]
    if failed:
        message = f"{' '.join(failed)} Nothing was sent now either; all positions are as they were."
        raise build_failure(message, shown)
    context.add_output_metadata(shown)


def _follow(context: dg.OpExecutionContext, account: str) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        context.log.info(show_text(f"account {account}: {progress.text}"))

    return report


def _build_table(checks: dict[str, AccountCheck]) -> dg.MarkdownMetadataValue:
    rows = [
        {
            "account": name,
            "admitted": "yes" if check.is_passed else "NO",
            "flat": "yes" if check.would_end_flat else "NO",
            "uid": check.uid or "not known",
            "open": "not read" if check.open_instruments is None else str(check.open_instruments),
            "notional": describe_notional(check.notional_usdt),
            "cap": "none" if check.cap_usdt is None else describe_notional(check.cap_usdt),
            "armed until": f"{check.armed_until:%Y-%m-%d %H:%M} UTC" if check.armed_until else "",
            "findings": "; ".join(f"{finding.kind}: {finding.text}" for finding in check.findings),
        }
        for name, check in checks.items()
    ]
    return build_markdown(rows, "no account")
