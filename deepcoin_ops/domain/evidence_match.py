"""Whether the exchange's own lists agree with what a day's reads show as gone. Pure; what to do about it is in `breaks`.

Compared are the sizes by which a flatten's first and last complete reads differ, and the closed sizes that the exchange
shows of that time. The exchange rounds its times to seconds and its clock is not ours, so the edges of that time are
uncertain: a row within a second inside of them, or a minute outside, may be the flatten's or somebody else's. They agree
when some choice of the edges makes both sizes the same, to the last digit. Flattens whose edges touch count as one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import accumulate

from deepcoin_ops.domain.breaks import BreakType
from deepcoin_ops.domain.day import DayFlatten, PositionPage
from deepcoin_ops.domain.evidence import EVIDENCE_SLACK, EvidenceRead, EvidenceSource, EvidenceStatus
from deepcoin_ops.domain.model import InstrumentType, PositionSide

SizeKey = tuple[str, PositionSide | None]
Sizes = Mapping[SizeKey, Decimal]
_Moves = list[tuple[datetime, Decimal]]

# The exchange's times are whole seconds.
_ROUNDED = timedelta(seconds=1)


@dataclass(frozen=True)
class EvidenceFinding:
    """Ledger and evidence on one instrument and side of a day. `break_type` None means that nothing contradicts.

    Sizes are in contracts, or in base currency for spot. `closed_in_ledger` is None where no counting read tells what was
    left, `closed_in_evidence` where there is no complete evidence.
    """

    instrument_id: str
    position_side: PositionSide | None
    closed_in_ledger: Decimal | None
    closed_in_evidence: Decimal | None
    break_type: BreakType | None
    reason: str

    @property
    def in_words(self) -> str:
        """The finding for people: a word to look for, and what was seen."""
        if self.break_type is BreakType.EVIDENCE_MISMATCH:
            return f"MISMATCH: {self.reason}"
        if self.closed_in_evidence is None:
            return f"UNAVAILABLE: {self.reason}"
        return f"{'UNCOMPARED' if self.closed_in_ledger is None else 'MATCHES'}: {self.reason}"


@dataclass(frozen=True)
class Stretch:
    """A time in which flattens were at work, and what their reads show as gone in it, by instrument and side.

    `uncounted` are the instruments that no counting read tells the rest of: what is gone of them is not known.
    """

    since: datetime
    until: datetime
    closed: Sizes
    uncounted: frozenset[str] = frozenset()

    @property
    def edge(self) -> timedelta:
        """How far inside of its ends a row may still belong to somebody else."""
        return min(_ROUNDED, (self.until - self.since) / 2)


def match_evidence(flattens: Iterable[DayFlatten], reads: Sequence[EvidenceRead]) -> dict[SizeKey, EvidenceFinding]:
    """Compare an account's day with what the exchange shows of it.

    Args:
        flattens: The day's flattens; those that did not look at the account are passed over.
        reads: The account's evidence reads of the day, in the order in which they were recorded.

    Returns:
        One finding for each instrument and side that was closed by the ledger or by the exchange. A size that grew counts
        as nothing closed.
    """
    looking = [flatten for flatten in flattens if flatten.has_looked]
    found: dict[SizeKey, EvidenceFinding] = {}
    for kind in InstrumentType:
        for stretch in build_stretches(looking, kind):
            for finding in compare_stretch(kind, stretch, reads):
                key = finding.instrument_id, finding.position_side
                found[key] = _merge(found[key], finding) if key in found else finding
    return found


def build_stretches(flattens: Iterable[DayFlatten], kind: InstrumentType) -> list[Stretch]:
    """The times in which flattens read this type of instrument, oldest first; near ones are one stretch."""
    stretches: list[Stretch] = []
    single = (_build_stretch(flatten, kind) for flatten in flattens)
    for stretch in sorted((each for each in single if each), key=lambda each: each.since):
        if stretches and stretch.since - stretches[-1].until <= 2 * EVIDENCE_SLACK:
            stretch = _join(stretches.pop(), stretch)
        stretches.append(stretch)
    return stretches


def compare_stretch(kind: InstrumentType, stretch: Stretch, reads: Sequence[EvidenceRead]) -> list[EvidenceFinding]:
    """What the newest read that covers a stretch shows of it, beside the ledger; contracts by history, spot by fills."""
    source = EvidenceSource.FILLS if kind is InstrumentType.SPOT else EvidenceSource.POSITIONS_HISTORY
    asked = [read for read in reads if (read.source, read.instrument_type) == (source, kind)]
    covering = [read for read in asked if read.covers(stretch.since, stretch.until)]
    if not covering:
        missing = _describe_missing(asked)
        return [_build_unavailable(key, stretch, missing) for key in _sort(stretch.closed) if _is_owed(key, stretch)]
    moves = _list_moves(covering[-1])
    compared = [_compare(key, stretch, moves.get(key, [])) for key in _sort({*stretch.closed, *moves})]
    return [finding for finding in compared if finding.closed_in_ledger != 0 or finding.closed_in_evidence]


def _build_stretch(flatten: DayFlatten, kind: InstrumentType) -> Stretch | None:
    before, after = (_find_page(pages, kind) for pages in (flatten.before, flatten.after))
    if before is None or after is None:
        return None
    known = {each.instrument_id for each in flatten.verdicts if each.quantity_after_contracts is not None}
    sent = {attempt.intent.instrument_id for attempt in flatten.attempts}
    sizes_before, sizes_after = add_up(before), add_up(after)
    gone = {key: max(size - sizes_after.get(key, Decimal(0)), Decimal(0)) for key, size in sizes_before.items()}
    ended = [after.finished_at, *(attempt.answered_at or attempt.intent_at for attempt in flatten.attempts)]
    return Stretch(before.started_at, max(ended), gone, frozenset(sent - known))


def _find_page(pages: Iterable[PositionPage], kind: InstrumentType) -> PositionPage | None:
    return next((page for page in pages if page.instrument_type is kind), None)


def add_up(page: PositionPage) -> dict[SizeKey, Decimal]:
    """Open sizes by instrument and side, split rows and margin modes added; zero rows are left out."""
    sizes: dict[SizeKey, Decimal] = {}
    for position in page.positions:
        if position.quantity_contracts:
            key = position.instrument_id, position.position_side
            sizes[key] = sizes.get(key, Decimal(0)) + position.quantity_contracts
    return sizes


def _join(first: Stretch, second: Stretch) -> Stretch:
    keys = {*first.closed, *second.closed}
    closed = {key: first.closed.get(key, Decimal(0)) + second.closed.get(key, Decimal(0)) for key in keys}
    return Stretch(first.since, max(first.until, second.until), closed, first.uncounted | second.uncounted)


def _list_moves(read: EvidenceRead) -> dict[SizeKey, _Moves]:
    """The closed sizes that a read shows, with their times. A sale of spot counts as closing a long position."""
    rows = read.closed_positions
    listed = [((row.instrument_id, row.position_side), row.closed_at, row.closed_contracts) for row in rows]
    if read.instrument_type is InstrumentType.SPOT:
        sales = [fill for fill in read.fills if fill.side == "sell"]
        listed += [((fill.instrument_id, PositionSide.LONG), fill.filled_at, fill.quantity_contracts) for fill in sales]
    moves: dict[SizeKey, _Moves] = {}
    for key, at, size in listed:
        moves.setdefault(key, []).append((at, size))
    return moves


def _compare(key: SizeKey, stretch: Stretch, moves: _Moves) -> EvidenceFinding:
    since, until, edge = stretch.since, stretch.until, stretch.edge
    inside = sum((size for at, size in moves if since + edge <= at <= until - edge), Decimal(0))
    earlier = sorted((at, size) for at, size in moves if since - EVIDENCE_SLACK <= at < since + edge)
    later = sorted((at, size) for at, size in moves if until - edge < at <= until + EVIDENCE_SLACK)
    widest = inside + sum((size for _at, size in [*earlier, *later]), Decimal(0))
    if key[0] in stretch.uncounted:
        reason = f"the exchange shows {_tell(widest)} closed; no counting read tells what the ledger should say"
        return EvidenceFinding(*key, None, widest, None, reason)
    gone = stretch.closed.get(key, Decimal(0))
    from_earlier = {Decimal(0), *accumulate(size for _at, size in reversed(earlier))}
    from_later = {Decimal(0), *accumulate(size for _at, size in later)}
    if any(gone - inside - size in from_later for size in from_earlier):
        return EvidenceFinding(*key, gone, gone, None, f"both say {_tell(gone)} closed")
    reason = f"the ledger's reads say {_tell(gone)} closed, the exchange {_tell(widest)}"
    return EvidenceFinding(*key, gone, widest, BreakType.EVIDENCE_MISMATCH, reason)


def _is_owed(key: SizeKey, stretch: Stretch) -> bool:
    """Whether there is anything that evidence could confirm."""
    return bool(stretch.closed[key]) or key[0] in stretch.uncounted


def _build_unavailable(key: SizeKey, stretch: Stretch, reason: str) -> EvidenceFinding:
    gone = None if key[0] in stretch.uncounted else stretch.closed[key]
    return EvidenceFinding(*key, gone, None, BreakType.EVIDENCE_UNAVAILABLE, reason)


def _merge(first: EvidenceFinding, second: EvidenceFinding) -> EvidenceFinding:
    """Two stretches of a day as one finding: sizes added, and what speaks against the day comes first."""
    worst = [BreakType.EVIDENCE_MISMATCH, BreakType.EVIDENCE_UNAVAILABLE, None]
    ordered = sorted((first, second), key=lambda finding: worst.index(finding.break_type))
    return EvidenceFinding(
        first.instrument_id,
        first.position_side,
        _add(first.closed_in_ledger, second.closed_in_ledger),
        _add(first.closed_in_evidence, second.closed_in_evidence),
        ordered[0].break_type,
        "; ".join(dict.fromkeys(finding.reason for finding in ordered)),
    )


def _add(first: Decimal | None, second: Decimal | None) -> Decimal | None:
    return None if first is None or second is None else first + second


def _describe_missing(asked: Sequence[EvidenceRead]) -> str:
    if not asked:
        return "no evidence was collected; run collect_evidence"
    if asked[-1].status is EvidenceStatus.COMPLETE:
        return "the evidence was collected before the flatten ended; run collect_evidence again"
    return asked[-1].reason


def _sort(keys: Iterable[SizeKey]) -> list[SizeKey]:
    return sorted(keys, key=lambda key: (key[0], key[1] or ""))


def _tell(size: Decimal) -> str:
    return f"{size.normalize():f}"
