"""The exposure of each account as a picture: SVG for the page, PNG for the asset's metadata. Black on white.

The same exposures give the same bytes: ids are salted alike, no date is written, no matplotlibrc of this machine counts.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from html import escape
from io import BytesIO, StringIO
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter
from PIL import Image

from deepcoin_ops.reporting.exposure import FlattenExposure
from deepcoin_ops.reporting.words import format_seconds, format_usdt

_LINES = ("-", "--", "-.", ":")
_WIDTH_IN, _HEIGHT_IN, _DPI = 5.2, 2.7, 100
_MARGINS_IN = {"left": 1.05, "right": 0.2, "bottom": 0.5, "top": 0.72}  # room for 9,999,999 and three lines of labels
_PANELS_IN_METADATA = 3
_LOOK: dict[str, Any] = {
    "font.size": 10.5,
    "font.family": ["DejaVu Sans"],
    "svg.fonttype": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.8,
    "lines.solid_joinstyle": "miter",
}
_BEHIND_TEXT = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}  # no line runs through a word
_REFERENCE = re.compile(r"""(?:href=["']#|url\(#)([^"')]+)""")


def draw_account(account: str, exposures: Sequence[FlattenExposure], close_period_s: float) -> str:
    """One account's exposure over time as an `<svg>` element that refers to nothing outside itself.

    Args:
        account: Which account; its name salts the ids, so that two pictures share a page.
        exposures: The account's flattens that sent something, at least one.
        close_period_s: The exchange's limit, seconds for one close.
    """
    with style.context(["default", {**_LOOK, "svg.hashsalt": f"deepcoin_ops/{account}"}]):
        figure = Figure(figsize=(_WIDTH_IN, _HEIGHT_IN))
        _draw(_add_panel(figure, 0, 1), exposures, close_period_s)
        text = StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(text, format="svg", metadata=nothing, transparent=True)
    label = escape(f"USDT still open over time, account {account}")
    return _make_inline(text.getvalue()).replace("<svg", f'<svg role="img" aria-label="{label}"', 1)


def draw_png(exposures: Mapping[str, Sequence[FlattenExposure]], close_period_s: float) -> str | None:
    """The accounts' exposure as a small PNG in a data: URI, largest first; None when no flatten sent anything.

    It is kept for good with every build of the day, so that at most three accounts are in it.
    """
    shown = sorted(exposures.items(), key=lambda pair: -max(each.steps[0].open_usdt for each in pair[1]))
    shown = shown[:_PANELS_IN_METADATA]
    if not shown:
        return None
    with style.context(["default", _LOOK]):
        figure = Figure(figsize=(_WIDTH_IN, _HEIGHT_IN * len(shown)), dpi=_DPI)
        for number, (account, own) in enumerate(shown):
            axes = _add_panel(figure, number, len(shown))
            _draw(axes, own, close_period_s)
            axes.text(0, 1.36, f"account {account}", transform=axes.transAxes, fontweight="bold", parse_math=False)
        drawn, small = BytesIO(), BytesIO()
        figure.savefig(drawn, format="png", metadata={"Software": None})
    # Sixteen greys are a third of the bytes of a picture that has no colours anyway.
    Image.open(drawn).convert("L").quantize(16).save(small, format="png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(small.getvalue()).decode()


def _add_panel(figure: Figure, number: int, panels: int) -> Axes:
    """One of several panels below one another, with margins that do not depend on what is drawn."""
    margins = _MARGINS_IN
    width, height = (
        _WIDTH_IN - margins["left"] - margins["right"],
        _HEIGHT_IN - margins["bottom"] - margins["top"],
    )
    bottom = _HEIGHT_IN * (panels - 1 - number) + margins["bottom"]
    total = _HEIGHT_IN * panels
    return figure.add_axes((margins["left"] / _WIDTH_IN, bottom / total, width / _WIDTH_IN, height / total))


def _draw(axes: Axes, exposures: Sequence[FlattenExposure], close_period_s: float) -> None:
    for number, exposure in enumerate(exposures):
        line = _LINES[number % len(_LINES)]
        _draw_steps(axes, exposure, line, f"flatten {number + 1}", is_alone=len(exposures) == 1)
    axes.set_xlim(left=0, right=1.04 * (max(each.steps[-1].at_s for each in exposures) or 1.0))
    if len(exposures) == 1:
        _mark(axes, exposures[0].limit_s(close_period_s), "limit", ":", 1.02)
        _mark(axes, exposures[0].last_close_s, "last close", "--", 1.13)
        _mark(axes, exposures[0].proven_flat_s, "proven flat", "-", 1.24)
    else:
        legend = axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, fontsize="small", handlelength=3.5)
        legend.set_frame_on(False)
    axes.set_ylim(bottom=0, top=1.08 * (max(float(step.open_usdt) for each in exposures for step in each.steps) or 1.0))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_xlabel("seconds since the first send")
    axes.set_ylabel("USDT still open")
    axes.grid(axis="y", color="0.88", linewidth=0.6)
    axes.set_axisbelow(True)


def _draw_steps(axes: Axes, exposure: FlattenExposure, line: str, label: str, *, is_alone: bool) -> None:
    at_s = [step.at_s for step in exposure.steps]
    open_usdt = [float(step.open_usdt) for step in exposure.steps]
    axes.step(at_s, open_usdt, where="post", color="black", linewidth=1.6, linestyle=line, label=label, clip_on=False)
    if is_alone:
        axes.fill_between(at_s, open_usdt, step="post", color="0.92", linewidth=0)
    axes.plot(at_s[1:-1], open_usdt[1:-1], "o", color="black", markersize=3.5, clip_on=False)
    is_proven = exposure.proven_flat_s is not None
    axes.plot(at_s[-1:], open_usdt[-1:], "D" if is_proven else "X", color="black", markersize=7, clip_on=False, zorder=5)
    if not is_proven:
        told = f"left, USDT: {format_usdt(exposure.left_usdt)}"
        end = axes.annotate(told, (at_s[-1], open_usdt[-1]), (-8, 7), textcoords="offset points", ha="right")
        end.set(fontweight="bold", bbox=_BEHIND_TEXT)


def _mark(axes: Axes, at_s: float | None, what: str, line: str, height: float) -> None:
    """A vertical line that says what it is and when, above the picture; none for what never was."""
    if at_s is None:
        return
    axes.axvline(at_s, ymax=height, color="black", linewidth=0.9, linestyle=line, clip_on=False)
    label = axes.text(at_s, height, f"{what} {format_seconds(at_s)}", transform=axes.get_xaxis_transform())
    is_at_the_left = at_s < 0.15 * axes.get_xlim()[1]
    label.set(horizontalalignment="left" if is_at_the_left else "right", fontsize="small", bbox=_BEHIND_TEXT)


def _make_inline(document: str) -> str:
    """The SVG element alone, for a page that may hold several: no addresses, and no id that nothing refers to."""
    text = document[document.index("<svg") :]
    text = re.sub(r'\s+xmlns(:xlink)?="[^"]*"', "", text)
    used = set(_REFERENCE.findall(text))
    text = re.sub(r'\s+id="([^"]*)"', lambda found: found.group(0) if found.group(1) in used else "", text)
    return re.sub(r"<(defs|g)>\s*</\1>|<!--.*?-->", "", text, flags=re.DOTALL).strip()
