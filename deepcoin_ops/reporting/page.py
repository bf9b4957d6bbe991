"""The day's report as one HTML page that refers to nothing outside itself.

Everything in it is escaped, marked and bounded: reasons and error messages come from outside. Two things are put in as they
are: the pictures, which are drawn here, and what the page says of itself to programs, which is escaped and whole. There is
no time of building in it: the same ledger head gives the same bytes, as long as the settings and what was due are the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from deepcoin_ops.domain.showing import show_text
from deepcoin_ops.domain.tables import CLOSE_ATTEMPTS, CLOSE_ERRORS, FLATTEN_SUMMARY, RECONCILIATION
from deepcoin_ops.reporting import words
from deepcoin_ops.reporting.day import DayFrames, ReportDay, list_rows
from deepcoin_ops.reporting.exposure import build_exposures, group_by_account
from deepcoin_ops.reporting.facts import PageFacts
from deepcoin_ops.reporting.findings import count_codes, list_breaks, list_settled
from deepcoin_ops.reporting.plots import draw_account
from deepcoin_ops.reporting.standing import (
    build_headline,
    build_verdict,
    describe_left,
    find_tone,
    judge_accounts,
    list_severities,
)

_MOST_LETTERS = 1000


def build_page(day: ReportDay, frames: DayFrames) -> str:
    """The whole page; the same for the same day and frames."""
    found, attempts = list_rows(frames.reconciliation), list_rows(frames.close_attempts)
    lines, breaks = judge_accounts(day, found), list_breaks(found)
    by_account = group_by_account(build_exposures(frames))
    exposures = {line.account: by_account[line.account] for line in lines if line.account in by_account}
    drawn = {account: draw_account(account, own, day.close_period_s) for account, own in exposures.items()}
    facts = PageFacts(day.head, build_headline(lines), len(breaks))
    return _read_template().render(
        day=day,
        verdict=build_verdict(lines),
        tone=find_tone(lines),
        headline=facts.headline,
        metas=facts.to_metas(),
        accounts=lines,
        is_empty=not found,
        breaks=breaks,
        settled=list_settled(found),
        codes=count_codes(list_rows(frames.close_errors), attempts),
        flattens=list_rows(frames.flatten_summary),
        exposures=exposures,
        plots={account: Markup(picture) for account, picture in drawn.items()},  # noqa: S704 - drawn here, not received
        attempts=len(attempts),
        tables={each.name: each for each in (RECONCILIATION, FLATTEN_SUMMARY, CLOSE_ATTEMPTS, CLOSE_ERRORS)},
    )


def _finalize(value: Any) -> Any:
    """What an expression of the template puts into the page; markup is ours."""
    return show_text(value, _MOST_LETTERS) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _read_template() -> Template:
    environment = Environment(
        loader=PackageLoader("deepcoin_ops.reporting", "."),
        autoescape=True,
        finalize=_finalize,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: Mapping[str, Any] = {
        "usdt": words.format_usdt,
        "size": words.format_size,
        "seconds": words.format_seconds,
        "age": words.format_age,
        "count": words.format_count,
        "moment": words.format_moment,
        "left": describe_left,
        "severities": list_severities,
        "whole": escape,
    }
    environment.filters.update(filters)
    return environment.get_template("page.html.jinja")
