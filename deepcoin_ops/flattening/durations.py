"""How long a flatten takes, counted in slots of the pace. Pure: settings and counts in, seconds out."""

from __future__ import annotations

from collections.abc import Sequence

from deepcoin_ops.domain.planning import instrument_types_of
from deepcoin_ops.settings import Settings


def estimate_durations(
    settings: Settings, instruments: Sequence[str], closes: int, *, is_pace_shared: bool
) -> tuple[float, float]:
    """How long a flatten without incidents takes, counted in slots of the pace.

    The proof takes two complete positions reads a settle time after the last close, and the order lists. Beside the closes
    each instrument's list of trigger orders is read once, and once more where something was closed; the list of resting
    orders and one positions read come a settle time after the first round of them. Where all lanes share one budget the
    lists come after the closes: one for each instrument, one of trailing exits for each close, and the reads around them.

    Answers are taken to come at once. Cancels are not in it: what has to be cancelled takes a slot and a settle time more,
    mostly beside the rest. Nor is a margin that throttles have widened.

    Args:
        settings: The pace and the waits.
        instruments: What is flattened.
        closes: How many closes there are.
        is_pace_shared: Whether all lanes share one budget.

    Returns:
        Seconds until the last close, and until the proof.
    """
    pace, settle_s = settings.pace, settings.flatten.settle_s
    margin_s, pages = pace.margin_ms / 1000, len(instrument_types_of(tuple(instruments)))
    spacings_s = (pace.close_spacing_s, pace.positions_spacing_s, pace.orders_spacing_s)
    if is_pace_shared:
        # The slowest lane of the account sets the pace of all of them.
        widest_s = max(*spacings_s, pace.account_spacing_s, pace.cancel_spacing_s, pace.trigger_cancel_spacing_s)
        spacings_s = (widest_s, widest_s, widest_s)
    close_s, page_s, list_s = (spacing_s + margin_s for spacing_s in spacings_s)
    closing_s, read_s = closes * close_s, pages * page_s
    if is_pace_shared:
        requests = len(instruments) + closes + 1 + 3 * pages
        return closing_s, closing_s + settle_s + max(requests * page_s, settle_s + page_s + read_s)
    first_lists_s = len(instruments) * list_s
    positions_s = closing_s + settle_s + read_s + max(read_s, settings.flatten.read_gap_s)
    lists_s = max(first_lists_s + closes * list_s, first_lists_s + settle_s + read_s)
    return closing_s, max(positions_s, lists_s)
