"""Whether the exchange's own lists agree with what a day's reads show as gone. Pure; what to do about it is in `breaks`.

For each instrument the reads of the flattens that asked for it are taken in order; what is gone between one and the next
was closed, by the flatten or in between. The exchange's times are whole seconds of another clock, so that the edges of that
time are uncertain: a row within five seconds inside of them, or a minute outside, may be the flatten's or somebody else's.
Ledger and evidence agree when some choice of the rows at the edges makes both sizes the same, to the last digit. Flattens
whose edges touch count as one. Where a side cannot be read, the instrument is compared as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import pairwise

from deepcoin_ops.domain.breaks import BreakType
from deepcoin_ops.domain.day import DayFlatten, PositionPage
from deepcoin_ops.domain.evidence import EVIDENCE_SLACK, EvidenceRead, EvidenceSource, EvidenceStatus
from deepcoin_ops.domain.model import InstrumentType, PositionSide, product_group_of
from deepcoin_ops.domain.position_rows import find_rows, sum_by_side
from deepcoin_ops.domain.showing import show_figure

Side = PositionSide | None
SizeKey = tuple[str, Side]
# Closed sizes with their times, by side.
Moves = Mapping[Side, Sequence[tuple[datetime, Decimal]]]

# Whole seconds, and two clocks that the guards keep within two seconds of each other.
_EDGE = timedelta(seconds=5)
_MOST_SUMS = 4096


@dataclass(frozen=True)
class EvidenceFinding:
    """Ledger and evidence on one instrument and side of a day. `break_type` None means that nothing contradicts.

    Sizes are in contracts, or in base currency for spot. `closed_in_ledger` is None where no counting read tells what was
    left, `closed_in_evidence` where there is no complete evidence.
    """

    instrument_id: str
    position_side: Side
    closed_in_ledger: Decimal | None
    closed_in_evidence: Decimal | None
    break_type: BreakType | None
    reason: str

    @property
    def is_compared(self) -> bool:
        """Whether both sizes are known, so that the finding says something about their agreement."""
        return self.closed_in_ledger is not None and self.closed_in_evidence is not None

    @property
    def in_words(self) -> str:
        """The finding for people: a word to look for, and what was seen."""
        if self.break_type is BreakType.EVIDENCE_MISMATCH:
            return f"MISMATCH: {self.reason}"
        if self.closed_in_evidence is None:
            return f"UNAVAILABLE: {self.reason}"
        return f"{'MATCHES' if self.is_compared else 'UNCOMPARED'}: {self.reason}"


@dataclass(frozen=True)
class Stretch:
    """A time in which an instrument was flattened, and what the reads show as gone in it, by side.

    `is_counted` is False where no counting read tells what was left at its end, so that what is gone is not known.
    """

    since: datetime
    until: datetime
    closed: Mapping[Side, Decimal]
    is_counted: bool = True

    @property
    def in_words(self) -> str:
        """Its two ends, to the second, in UTC."""
        return f"{self.since:%H:%M:%S} to {self.until:%H:%M:%S} UTC"


def match_evidence(flattens: Iterable[DayFlatten], reads: Sequence[EvidenceRead]) -> dict[SizeKey, EvidenceFinding]:
    """Compare an account's day with what the exchange shows of it.

    Args:
        flattens: The day's flattens; those that did not look at the account are passed over.
        reads: The account's evidence reads of the day, in the order in which they were recorded.

    Returns:
        One finding for each instrument that was asked for and side that was closed by the ledger or by the exchange.
    """
    looking = [flatten for flatten in flattens if flatten.has_looked]
    found: dict[SizeKey, list[tuple[Stretch, EvidenceFinding]]] = {}
    for instrument_id in dict.fromkeys(each for flatten in looking for each in flatten.request.instruments):
        for stretch in build_stretches(looking, instrument_id):
            for finding in compare_stretch(instrument_id, stretch, reads):
                found.setdefault((finding.instrument_id, finding.position_side), []).append((stretch, finding))
    return {key: _add_up(findings) for key, findings in found.items()}


def build_stretches(flattens: Iterable[DayFlatten], instrument_id: str) -> list[Stretch]:
    """The times in which flattens asked for an instrument, oldest first; near ones are one stretch."""
    kind = product_group_of(instrument_id).instrument_type
    asking = [each for each in flattens if instrument_id in each.request.instruments and _find_page(each.before, kind)]
    near: list[list[DayFlatten]] = []
    for flatten in sorted(asking, key=lambda each: _find_pages(each, kind)[0].started_at):
        is_near = near and _find_pages(flatten, kind)[0].started_at - _find_end(near[-1], kind) <= 2 * EVIDENCE_SLACK
        if is_near:
            near[-1].append(flatten)
        else:
            near.append([flatten])
    return [_build_stretch(group, instrument_id, kind) for group in near]


def compare_stretch(instrument_id: str, stretch: Stretch, reads: Sequence[EvidenceRead]) -> list[EvidenceFinding]:
    """What the newest read that covers a stretch shows of it, beside the ledger; contracts by history, spot by fills."""
    kind = product_group_of(instrument_id).instrument_type
    source = EvidenceSource.FILLS if kind is InstrumentType.SPOT else EvidenceSource.POSITIONS_HISTORY
    asked = [read for read in reads if (read.source, read.instrument_type) == (source, kind)]
    covering = [read for read in asked if read.covers(stretch.since, stretch.until)]
    if not covering:
        owed = [side for side, size in stretch.closed.items() if size or not stretch.is_counted]
        reason = _describe_missing(asked, stretch)
        return [_build_unavailable(instrument_id, side, stretch, reason) for side in _sort(owed)]
    moves = _list_moves(covering[-1], instrument_id)
    closed = stretch.closed
    if None in {*closed, *moves}:
        closed = {None: sum(closed.values(), Decimal(0))}
        moves = {None: [move for listed in moves.values() for move in listed]}
    counted = Stretch(stretch.since, stretch.until, closed, stretch.is_counted)
    compared = [_compare(instrument_id, side, counted, moves.get(side, ())) for side in _sort({*closed, *moves})]
    return [finding for finding in compared if finding.closed_in_ledger != 0 or finding.closed_in_evidence]


def _build_stretch(flattens: Sequence[DayFlatten], instrument_id: str, kind: InstrumentType) -> Stretch:
    """Walk the reads in order: what each one shows less than the one before it was closed. A growth closes nothing."""
    observed = list(_list_counting(flattens, instrument_id, kind))
    closed: dict[Side, Decimal] = {side: Decimal(0) for sizes in observed for side in sizes}
    for earlier, later in pairwise(observed):
        for side in closed:
            closed[side] += max(earlier.get(side, Decimal(0)) - later.get(side, Decimal(0)), Decimal(0))
    since = _find_pages(flattens[0], kind)[0].started_at
    return Stretch(since, _find_end(flattens, kind), closed, _is_counting(flattens[-1], instrument_id))


def _list_counting(
    flattens: Iterable[DayFlatten], instrument_id: str, kind: InstrumentType
) -> Iterator[dict[Side, Decimal]]:
    """What the reads show open: before the closes of each flatten, and after them where that read is evidence."""
    for flatten in flattens:
        before, after = _find_pages(flatten, kind)
        yield sum_by_side(find_rows([before], instrument_id))
        if _is_counting(flatten, instrument_id):
            yield sum_by_side(find_rows([after], instrument_id))


def _is_counting(flatten: DayFlatten, instrument_id: str) -> bool:
    """Whether its last read was begun late enough to tell what its closes left; without closes every read was."""
    if not any(attempt.intent.instrument_id == instrument_id for attempt in flatten.attempts):
        return True
    told = [each for each in flatten.verdicts if each.instrument_id == instrument_id]
    return any(each.quantity_after_contracts is not None for each in told)


def _find_pages(flatten: DayFlatten, kind: InstrumentType) -> tuple[PositionPage, PositionPage]:
    """Its first and its last complete page of a type; it has to have one."""
    before, after = _find_page(flatten.before, kind), _find_page(flatten.after, kind)
    assert before is not None  # noqa: S101 - only such flattens are asked about
    return before, after or before


def _find_page(pages: Iterable[PositionPage], kind: InstrumentType) -> PositionPage | None:
    return next((page for page in pages if page.instrument_type is kind), None)


def _find_end(flattens: Sequence[DayFlatten], kind: InstrumentType) -> datetime:
    """The last moment at which one of them read or heard of a close."""
    heard = [attempt.answered_at or attempt.intent_at for flatten in flattens for attempt in flatten.attempts]
    return max([*heard, *(_find_pages(flatten, kind)[1].finished_at for flatten in flattens)])


def _list_moves(read: EvidenceRead, instrument_id: str) -> dict[Side, list[tuple[datetime, Decimal]]]:
    """The closed sizes that a read shows. A sale of spot counts as closing a long position."""
    rows = [(row.position_side, row.closed_at, row.closed_contracts, row.instrument_id) for row in read.closed_positions]
    if read.instrument_type is InstrumentType.SPOT:
        sales = [fill for fill in read.fills if fill.side == "sell"]
        rows += [(PositionSide.LONG, fill.filled_at, fill.quantity_contracts, fill.instrument_id) for fill in sales]
    moves: dict[Side, list[tuple[datetime, Decimal]]] = {}
    for side, at, size, of_instrument in rows:
        if of_instrument == instrument_id:
            moves.setdefault(side, []).append((at, size))
    return moves


def _compare(
    instrument_id: str, side: Side, stretch: Stretch, moves: Sequence[tuple[datetime, Decimal]]
) -> EvidenceFinding:
    # In a short stretch both edges meet in its middle.
    edge = min(_EDGE, (stretch.until - stretch.since) / 2)
    first, last = stretch.since - EVIDENCE_SLACK, stretch.until + EVIDENCE_SLACK
    near = [(at, size) for at, size in moves if first <= at <= last]
    edges = [size for at, size in near if not stretch.since + edge < at < stretch.until - edge]
    widest = sum((size for _at, size in near), Decimal(0))
    inside = widest - sum(edges, Decimal(0))
    shown = show_figure(inside) + (f" during that time, {show_figure(widest)} with its edges" if edges else "")
    if not stretch.is_counted:
        reason = f"the exchange shows {shown} closed; no counting read tells what the ledger should say"
        return EvidenceFinding(instrument_id, side, None, widest, None, reason)
    gone = stretch.closed.get(side, Decimal(0))
    sums = _list_sums(edges)
    if sums is None:
        reason = f"too many closes beside the flatten to tell them apart: the exchange shows {shown}"
        return EvidenceFinding(instrument_id, side, None, widest, None, reason)
    if gone - inside in sums:
        return EvidenceFinding(instrument_id, side, gone, gone, None, f"both say {show_figure(gone)} closed")
    reason = f"the ledger's reads say {show_figure(gone)} closed, the exchange {shown}"
    return EvidenceFinding(instrument_id, side, gone, widest, BreakType.EVIDENCE_MISMATCH, reason)


def _list_sums(sizes: Iterable[Decimal]) -> set[Decimal] | None:
    """What any choice of these sizes adds up to; None where there are too many to try."""
    sums = {Decimal(0)}
    for size in sizes:
        sums |= {each + size for each in sums}
        if len(sums) > _MOST_SUMS:
            return None
    return sums


def _build_unavailable(instrument_id: str, side: Side, stretch: Stretch, reason: str) -> EvidenceFinding:
    gone = stretch.closed[side] if stretch.is_counted else None
    return EvidenceFinding(instrument_id, side, gone, None, BreakType.EVIDENCE_UNAVAILABLE, reason)


def _add_up(found: Sequence[tuple[Stretch, EvidenceFinding]]) -> EvidenceFinding:
    """The stretches of a day as one finding: sizes added, and what speaks against the day comes first.

    Of several stretches each reason names the time it is about: a day that agrees in one and not in the other would
    otherwise contradict itself. What is missing for all of them is said once.
    """
    worst = [BreakType.EVIDENCE_MISMATCH, BreakType.EVIDENCE_UNAVAILABLE, None]
    ordered = sorted(found, key=lambda each: worst.index(each[1].break_type))
    findings = [finding for _stretch, finding in ordered]
    reasons = [f"{stretch.in_words}: {finding.reason}" for stretch, finding in ordered]
    if len(found) == 1 or {(each.closed_in_evidence, each.reason) for each in findings} == {(None, findings[0].reason)}:
        reasons = [findings[0].reason]
    return replace(
        findings[0],
        closed_in_ledger=_add(each.closed_in_ledger for each in findings),
        closed_in_evidence=_add(each.closed_in_evidence for each in findings),
        reason="; ".join(reasons),
    )


def _add(sizes: Iterable[Decimal | None]) -> Decimal | None:
    """Their sum; None where one of them is not known."""
    listed = list(sizes)
    known = [size for size in listed if size is not None]
    return sum(known, Decimal(0)) if len(known) == len(listed) else None


def _describe_missing(asked: Sequence[EvidenceRead], stretch: Stretch) -> str:
    if not asked:
        return "no evidence was collected; run collect_evidence"
    if asked[-1].status is not EvidenceStatus.COMPLETE:
        return asked[-1].reason
    if asked[-1].ends_at < stretch.until:
        return "the evidence that was collected ends before the flatten does; run collect_evidence again"
    return "the evidence was collected before the flatten ended; run collect_evidence again"


def _sort(sides: Iterable[Side]) -> list[Side]:
    return sorted(sides, key=lambda side: side or "")
