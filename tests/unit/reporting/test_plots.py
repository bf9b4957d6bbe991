"""The pictures: the same exposures give the same bytes, and nothing outside is referred to."""

from __future__ import annotations

import base64
import re
from typing import Any

import pytest

from deepcoin_ops.reporting.exposure import build_exposures, group_by_account
from deepcoin_ops.reporting.plots import draw_account, draw_png

MAX_BYTES = 60_000


@pytest.mark.parametrize("name", ["flat", "residual", "twice", "unknown"])
def test_the_same_exposures_give_the_same_bytes(evenings: Any, name: str) -> None:
    """A page that changes without its ledger is no document."""
    exposures = group_by_account(build_exposures(evenings(name).frames))
    for account, own in exposures.items():
        assert draw_account(account, own, 1.0) == draw_account(account, own, 1.0)
    assert draw_png(exposures, 1.0) == draw_png(exposures, 1.0)


def test_a_picture_is_one_element_that_refers_to_nothing_outside_itself(evenings: Any) -> None:
    """It is put into a page as it is; every reference has its target in it, and two pictures share none."""
    exposures = group_by_account(build_exposures(evenings("residual").frames))
    ids = []
    for account, own in exposures.items():
        picture = draw_account(account, own, 1.0)
        assert picture.startswith("<svg")
        assert picture.endswith("</svg>")
        assert not re.findall(r"https?:|<script|<image|<metadata", picture)
        own_ids = set(re.findall(r'\sid="([^"]+)"', picture))
        assert own_ids == _referred(picture)
        ids.append(own_ids)
    assert not set.intersection(*ids)


def _referred(picture: str) -> set[str]:
    return {first or second for first, second in re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', picture)}


def test_the_limit_the_last_close_and_the_end_are_written_in_the_picture(evenings: Any) -> None:
    """Read without its caption and without colour, it still says what the lines are."""
    exposures = group_by_account(build_exposures(evenings("residual").frames))
    hedge, main = (draw_account(account, exposures[account], 1.0) for account in ("hedge", "main"))
    assert "limit 1.0 s" in hedge
    assert "last close" in hedge
    assert f"proven flat {exposures['hedge'][0].proven_flat_s:.1f} s" in hedge
    assert "left, USDT: 66,440" in main
    assert "proven flat" not in main


def test_two_flattens_of_an_account_are_told_apart_by_their_lines(evenings: Any) -> None:
    """Colour is not seen by everybody, nor on paper."""
    picture = draw_account("main", group_by_account(build_exposures(evenings("twice").frames))["main"], 1.0)
    assert "flatten 1" in picture
    assert "flatten 2" in picture
    assert "stroke-dasharray" in picture


def test_the_metadatas_picture_is_small_and_a_png(evenings: Any) -> None:
    """Dagster keeps it for good with every build of the day."""
    exposures = group_by_account(build_exposures(evenings("residual").frames))
    picture = draw_png(exposures, 1.0)
    assert picture is not None
    head, content = picture.split(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(content).startswith(b"\x89PNG")
    assert len(picture) < MAX_BYTES


def test_of_many_accounts_the_largest_are_in_the_metadata(evenings: Any) -> None:
    """A desk of forty accounts must not fill the event log; the page has them all."""
    [hedge, main] = group_by_account(build_exposures(evenings("flat").frames)).values()
    many = {f"small{number:02}": hedge for number in range(40)} | {"large": main}
    picture = draw_png(many, 1.0)
    assert picture is not None
    assert len(picture) < MAX_BYTES
    assert picture == draw_png({"large": main, "small00": hedge, "small01": hedge}, 1.0)


def test_nothing_sent_is_no_picture() -> None:
    """An empty frame with axes would look like a line at zero."""
    assert draw_png({}, 1.0) is None
