"""The exposure of each account as a picture: SVG for the page, PNG for the asset's metadata. Black on white.

The same exposures give the same bytes: ids are salted alike, no date is written, no matplotlibrc of this machine counts.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from io import BytesIO, StringIO
from typing import Any

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import StrMethodFormatter

from deepcoin_ops.reporting.exposure import FlattenExposure
from deepcoin_ops.reporting.words import format_seconds, format_usdt

_STYLES = ("-", "--", "-.", ":")
_WIDTH_IN, _HEIGHT_IN, _DPI = 6.2, 2.7, 100
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
_REFERENCE = re.compile(r"""(?:href=["']#|url\(#)([^"')]+)""")


def draw_account(account: str, exposures: Sequence[FlattenExposure], close_period_s: float) -> str:
    """One account's exposure over time as an `<svg>` element that refers to nothing outside itself.

    Args:
        account: Which account; its name salts the ids, so that two pictures share a page.
        exposures: The account's flattens that sent something, at least one.
        close_period_s: The exchange's limit, seconds for one close.
    """
    with style.context(["default", {**_LOOK, "svg.hashsalt": f"deepcoin_ops/{account}"}]):
        figure = Figure(figsize=(_WIDTH_IN, _HEIGHT_IN), layout="constrained")
        _draw(figure.add_subplot(), exposures, close_period_s)
        text = StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(text, format="svg", metadata=nothing, transparent=True)
    return _make_inline(text.getvalue())


def draw_png(exposures: Mapping[str, Sequence[FlattenExposure]], close_period_s: float) -> str | None:
    """The accounts' exposure as a small PNG in a data: URI, largest first; None when no flatten sent anything.

    It is kept for good with every build of the day, so that at most three accounts are in it.
    """
    shown = sorted(exposures.items(), key=lambda pair: -max(each.steps[0].open_usdt for each in pair[1]))
    shown = shown[:_PANELS_IN_METADATA]
    if not shown:
        return None
    with style.context(["default", _LOOK]):
        figure = Figure(figsize=(_WIDTH_IN, _HEIGHT_IN * len(shown)), layout="constrained", dpi=_DPI)
        for number, (account, own) in enumerate(shown, 1):
            axes = figure.add_subplot(len(shown), 1, number)
            _draw(axes, own, close_period_s)
            axes.set_title(f"account {account}", loc="left", fontsize="medium", pad=24, parse_math=False)
        picture = BytesIO()
        figure.savefig(picture, format="png", metadata={"Software": None})
    return "data:image/png;base64," + base64.b64encode(picture.getvalue()).decode()


def _draw(axes: Axes, exposures: Sequence[FlattenExposure], close_period_s: float) -> None:
    for number, exposure in enumerate(exposures):
        _draw_steps(axes, exposure, _STYLES[number % len(_STYLES)], is_alone=len(exposures) == 1)
    if len(exposures) == 1:
        _mark(axes, exposures[0].limit_s(close_period_s), "limit", ":", 1.10)
        if exposures[0].last_close_s is not None:
            _mark(axes, exposures[0].last_close_s, "last close", "--", 1.01)
    else:
        axes.legend(frameon=False, fontsize="small", handlelength=3.5, loc="upper right")
    axes.set_xlim(left=0, right=1.04 * (max(each.steps[-1].at_s for each in exposures) or 1.0))
    axes.set_ylim(bottom=0, top=1.08 * (max(float(step.open_usdt) for each in exposures for step in each.steps) or 1.0))
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
    axes.set_xlabel("seconds since the first send")
    axes.set_ylabel("USDT still open")
    axes.grid(axis="y", color="0.88", linewidth=0.6)
    axes.set_axisbelow(True)


def _draw_steps(axes: Axes, exposure: FlattenExposure, style: str, *, is_alone: bool) -> None:
    at_s = [step.at_s for step in exposure.steps]
    open_usdt = [float(step.open_usdt) for step in exposure.steps]
    label = f"flatten of {exposure.began_at:%H:%M:%S} UTC"
    axes.step(at_s, open_usdt, where="post", color="black", linewidth=1.6, linestyle=style, label=label, clip_on=False)
    if is_alone:
        axes.fill_between(at_s, open_usdt, step="post", color="0.92", linewidth=0)
    axes.plot(at_s[1:-1], open_usdt[1:-1], "o", color="black", markersize=3.5, clip_on=False)
    is_proven = exposure.proven_flat_s is not None
    axes.plot(at_s[-1:], open_usdt[-1:], "D" if is_proven else "X", color="black", markersize=7, clip_on=False, zorder=5)
    axes.annotate(
        _describe_end(exposure),
        (at_s[-1], open_usdt[-1]),
        (-8, 7),
        textcoords="offset points",
        ha="right",
        fontweight="bold",
    )


def _describe_end(exposure: FlattenExposure) -> str:
    if exposure.proven_flat_s is not None:
        return f"proven flat, {format_seconds(exposure.proven_flat_s)}"
    if exposure.left_usdt is None:
        return "left: not known"
    return f"{format_usdt(exposure.left_usdt)} USDT left"


def _mark(axes: Axes, at_s: float, what: str, style: str, height: float) -> None:
    """A vertical line that says what it is and when, above the picture."""
    axes.axvline(at_s, color="black", linewidth=1, linestyle=style)
    label = axes.text(at_s, height, f"{what} {format_seconds(at_s)}", transform=axes.get_xaxis_transform())
    label.set(horizontalalignment="left" if at_s == 0 else "center", fontsize="small")


def _make_inline(document: str) -> str:
    """The SVG element alone, for a page that may hold several: no addresses, and no id that nothing refers to."""
    text = document[document.index("<svg") :]
    text = re.sub(r'\s+xmlns(:xlink)?="[^"]*"', "", text)
    used = set(_REFERENCE.findall(text))
    text = re.sub(r'\s+id="([^"]*)"', lambda found: found.group(0) if found.group(1) in used else "", text)
    return re.sub(r"<(defs|g)>\s*</\1>|<!--.*?-->", "", text, flags=re.DOTALL).strip()
