"""Numbers, amounts and days as a person writes them on the command line: each with bounds, and refused in one sentence."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import click

from deepcoin_ops.domain.trading_day import EARLIEST_DAY, LATEST_DAY, parse_day
from deepcoin_ops.settings import Settings

LAST_PORT = 65535


class Whole(click.IntRange):
    """A whole number between two bounds, in plain digits: Python's own reading takes `010` and `1_0` too."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Read the number, as click asks for it."""
        if isinstance(value, str) and not re.fullmatch(r"0|[1-9][0-9]{0,8}", value):
            self.fail(f"{_shorten(value)} is no whole number from {self.min} to {self.max}.", param, ctx)
        return super().convert(value, param, ctx)


def parse_usdt(text: str) -> Decimal:
    """Read an amount of USDT.

    Raises:
        click.BadParameter: It is none, or not above 0.
    """
    if re.fullmatch(r"(0|[1-9][0-9]{0,14})(\.[0-9]{1,8})?", text) and (amount := Decimal(text)) > 0:
        return amount
    raise click.BadParameter(f"{_shorten(text)} is no amount of USDT above 0, such as 250000", param_hint="--cap")


def parse_day_argument(settings: Settings, text: str) -> str:
    """Read a trading day, or `today`.

    Raises:
        click.BadParameter: It is neither.
    """
    if text == "today":
        return settings.calendar.day_of(datetime.now(UTC))
    day = parse_day(text)
    if day is None:
        expected = f"neither a day from {EARLIEST_DAY} to {LATEST_DAY}, such as 2026-03-01, nor today"
        raise click.BadParameter(f"{_shorten(text)} is {expected}", param_hint="DAY")
    return day.isoformat()


def _shorten(text: str) -> str:
    """What was written, in quotes, with what does not show spelled out and the end of a long one left out."""
    return ascii(text if len(text) <= 60 else f"{text[:60]}...")
