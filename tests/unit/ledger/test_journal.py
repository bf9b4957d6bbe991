"""Writing: one call, one entry, whole or not at all."""

import dataclasses
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from deepcoin_ops.boot_clock import boot_now_s, read_boot_id
from deepcoin_ops.domain.errors import LedgerError
from deepcoin_ops.domain.facts import CallIntended, FlattenAdmitted, FlattenOpened, PositionsRead, ReadFailed, StopAsked
from deepcoin_ops.domain.model import InstrumentType, Venue
from deepcoin_ops.ledger.encoding import unpack_answers
from deepcoin_ops.ledger.journal import Ledger
from deepcoin_ops.ledger.records import NewFact


def test_each_record_is_one_fact_under_the_flattens_account_and_day(
    ledger: Ledger, samples: Any, sql: Callable[..., list[Any]]
) -> None:
    """The columns alone have to tell what happened in which order, and to whom."""
    samples.record_everything(ledger)
    assert sql("SELECT seq, kind, flatten_id FROM facts ORDER BY seq") == [
        (1, "ledger_created/1", None),
        (2, "flatten_opened/1", "F1"),
        (3, "positions_read/1", "F1"),
        (4, "read_failed/1", "F1"),
        (5, "call_intended/1", "F1"),
        (6, "call_answered/1", "F1"),
        (7, "verdicts_reached/1", "F1"),
        (8, "flatten_ended/1", "F1"),
        (9, "tick_skipped/1", None),
        (10, "flatten_opened/1", "F2"),
        (11, "call_intended/1", "F2"),
    ]
    assert sql("SELECT DISTINCT account, trading_day FROM facts WHERE seq > 1") == [("main", "2026-03-01")]


def test_an_instant_is_the_clocks_and_in_utc(ledger: Ledger, samples: Any, sql: Callable[..., list[Any]]) -> None:
    """Time comes from outside, and is stored so that text order is time order."""
    seq = ledger.record_flatten(samples.request, "{}")
    assert sql("SELECT recorded_at FROM facts WHERE seq = ?", seq) == [("2026-03-01T23:55:03.000000+00:00",)]


def test_a_fact_says_when_it_became_known_on_both_clocks(ledger: Ledger, samples: Any) -> None:
    """The boot clock decides, and only within its boot; the wall clock places it for another one."""
    before_s = boot_now_s()
    ledger.record_flatten(samples.request, "{}")
    ledger.record_read("F1", "snapshot", 0, dataclasses.replace(samples.read, started_monotonic_s=time.monotonic() - 2))
    [opened], [read] = ledger.read(FlattenOpened), ledger.read(PositionsRead)
    assert before_s <= opened.fact.at_s <= read.fact.at_s <= boot_now_s()
    assert read.fact.started_s == pytest.approx(read.fact.at_s - 2, abs=0.5)
    assert read.fact.boot_id == read_boot_id()
    assert samples.start < read.fact.at <= read.recorded_at


def test_a_positions_read_keeps_each_row_and_the_raw_answer(ledger: Ledger, samples: Any) -> None:
    """Flat or not is decided by these rows, so that they are the evidence."""
    ledger.record_flatten(samples.request, "{}")
    ledger.record_read("F1", "snapshot", 0, samples.read)
    [read] = ledger.read(PositionsRead)
    assert read.fact.rows == samples.read.positions
    assert unpack_answers(read.fact.of_read.answers, read.raw) == (samples.read.raw,)
    assert len(read.raw) < len(samples.read.raw.body)


def test_a_failed_read_is_on_record_without_rows(ledger: Ledger, samples: Any) -> None:
    """A read that failed must never look like one that found no positions."""
    ledger.record_flatten(samples.request, "{}")
    ledger.record_failed_read("F1", "round", 2, InstrumentType.SWAP, samples.start, samples.start, "timed out", None)
    [failed] = ledger.read(ReadFailed)
    assert (failed.fact.reason, failed.fact.of_read.purpose, failed.fact.of_read.round_number) == ("timed out", "round", 2)
    assert (failed.fact.read.instrument_type, failed.raw, ledger.read(PositionsRead)) == ("SWAP", None, [])


def test_a_check_that_lets_a_flatten_pass_admits_it(ledger: Ledger, samples: Any) -> None:
    """Both facts or neither: a flatten that was admitted by nothing could send."""
    passed = dataclasses.replace(samples.check, findings=())
    ledger.record_flatten(samples.request, "{}")
    ledger.record_check("main", "2026-03-01", samples.check, "F1")
    assert ledger.read(FlattenAdmitted) == []
    ledger.record_check("main", "2026-03-01", passed)
    assert ledger.read(FlattenAdmitted) == []
    ledger.record_check("main", "2026-03-01", passed, "F1")
    assert [each.flatten_id for each in ledger.read(FlattenAdmitted)] == ["F1"]


def test_a_second_outcome_of_an_attempt_is_refused_and_leaves_nothing(
    ledger: Ledger, samples: Any, sql: Callable[..., list[Any]]
) -> None:
    """Two outcomes of one send would let a later guess replace what the exchange said."""
    samples.record_everything(ledger)
    with pytest.raises(LedgerError, match="on record already"):
        ledger.record_outcome("A1", samples.answer)
    assert sql("SELECT count(*) FROM facts") == [(11,)]
    assert ledger.read_altered_entry("main") is None


@pytest.mark.parametrize("again", ["record_flatten", "record_intent", "record_closing"])
def test_what_happens_once_cannot_be_recorded_twice(ledger: Ledger, samples: Any, again: str) -> None:
    """A flatten opens once and closes once, and an attempt id stands for one send."""
    samples.record_everything(ledger)
    arguments = {
        "record_flatten": (samples.request, "{}"),
        "record_intent": ("F1", samples.intent),
        "record_closing": (samples.closing,),
    }
    with pytest.raises(LedgerError, match="UNIQUE"):
        getattr(ledger, again)(*arguments[again])


def test_nothing_is_recorded_for_a_flatten_that_was_not_opened(ledger: Ledger, samples: Any) -> None:
    """An intent that belongs to nobody is found by nobody."""
    with pytest.raises(LedgerError, match="no flatten F1"):
        ledger.record_intent("F1", samples.intent)


def test_no_outcome_is_recorded_without_its_intent(ledger: Ledger, samples: Any) -> None:
    """The order is the point: the intent is there before the first byte leaves."""
    ledger.record_flatten(samples.request, "{}")
    with pytest.raises(LedgerError, match="no close intent A1"):
        ledger.record_outcome("A1", samples.answer)


def test_the_database_error_is_shown_without_the_values(ledger: Ledger, samples: Any) -> None:
    """A request body or a setting does not belong in a traceback that lands in a shared log."""
    ledger.record_flatten(samples.request, '{"settings": "words"}')
    with pytest.raises(LedgerError) as caught:
        ledger.record_flatten(samples.request, '{"settings": "words"}')
    assert "words" not in f"{caught.value} {caught.value.__cause__}"


def test_two_ledgers_on_one_file_continue_one_chain(ledger: Ledger, samples: Any) -> None:
    """The next previous hash is read from the file in the transaction that uses it, never from memory."""
    with Ledger.open(ledger.path, Venue.PAPER) as other:
        ledger.record_flatten(samples.request, "{}")
        other.record_intent("F1", samples.intent)
        ledger.record_outcome("A1", samples.answer)
        other.record_closing(samples.closing)
    assert ledger.read_altered_entry("main") is None
    assert ledger.read_head("2026-03-01").seq == 5


def test_threads_record_at_once_without_losing_an_entry(ledger: Ledger, samples: Any) -> None:
    """Answers come in on threads while the next intent is written."""
    ledger.record_flatten(samples.request, "{}")
    failures: list[LedgerError] = []

    def send(thread_number: int) -> None:
        try:
            for i in range(10):
                attempt_id = f"T{thread_number}-{i}"
                ledger.record_intent("F1", dataclasses.replace(samples.intent, attempt_id=attempt_id))
                ledger.record_outcome(attempt_id, samples.answer)
        except LedgerError as error:
            failures.append(error)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert ledger.read_head("2026-03-01").seq == 2 + 4 * 10 * 2
    assert ledger.read_open_calls("main") == ([], [])
    assert ledger.read_altered_entry("main") is None


def test_a_list_is_recorded_whole_or_not_at_all(ledger: Ledger, samples: Any, sql: Callable[..., list[Any]]) -> None:
    """Half of what belongs together is worse than nothing of it."""
    samples.record_everything(ledger)
    [stop, intent] = StopAsked(flatten_id="F1", at_s=1.0, reason="Ctrl-C"), ledger.read(CallIntended)[0].fact
    with pytest.raises(LedgerError, match="stop_asked/1 of F1, account main; call_intended/1 of F1"):
        ledger.append([NewFact("main", "2026-03-01", fact) for fact in (stop, intent)])
    assert sql("SELECT count(*) FROM facts") == [(11,)]
    assert ledger.append([NewFact("main", "2026-03-01", stop)] * 2) == [12, 13]


def test_what_waits_for_the_writer_shares_a_commit_and_one_refusal_costs_the_others_nothing(
    ledger: Ledger, samples: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers of several calls arrive at once; each caller hears of its own."""
    samples.record_everything(ledger)
    commits: list[int] = []
    commit, results = Ledger._commit, dict[int, list[int] | LedgerError]()
    again = ledger.read(CallIntended)[0].fact

    def count(self: Ledger, taken: Any) -> None:
        commits.append(len(taken))
        commit(self, taken)

    def record(number: int) -> None:
        fact = again if number == 2 else StopAsked(flatten_id="F1", at_s=1.0, reason=str(number))
        try:
            results[number] = ledger.append([NewFact("main", "2026-03-01", fact)])
        except LedgerError as error:
            results[number] = error

    monkeypatch.setattr(Ledger, "_commit", count)
    threads = [threading.Thread(target=record, args=(number,)) for number in range(5)]
    with ledger._one_writer:
        for thread in threads:
            thread.start()
        while ledger._waiting.qsize() < 5:
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert commits == [5, 1, 1, 1, 1, 1]
    assert isinstance(results.pop(2), LedgerError)
    reasons = {each.seq: each.fact.reason for each in ledger.read(StopAsked)}
    assert {reasons[seq]: [seq] for seq in reasons} == {str(number): seqs for number, seqs in results.items()}
    commits.clear()
    ledger.append([NewFact("main", "2026-03-01", StopAsked(flatten_id="F1", at_s=1.0, reason="x"))] * 3)
    assert commits == [1]
    assert ledger.read_altered_entry("main") is None


def record_two(ledger: Ledger, monkeypatch: pytest.MonkeyPatch, failure: BaseException, when: str) -> list[Any]:
    """Let two threads record at once and the writer of both be interrupted; what each of them heard."""
    heard: list[Any] = []
    commit = Ledger._commit

    def interrupted(self: Ledger, taken: Any) -> None:
        assert len(taken) == 2
        if when == "after":
            commit(self, taken)
            taken[0].seqs = taken[1].seqs = None
        raise failure

    def record() -> None:
        try:
            heard.append(ledger.append([NewFact("main", "2026-03-01", StopAsked(flatten_id="F1", at_s=1.0, reason="x"))]))
        except (LedgerError, KeyboardInterrupt, ValueError) as error:
            heard.append(error)

    monkeypatch.setattr(Ledger, "_commit", interrupted)
    threads = [threading.Thread(target=record) for _ in range(2)]
    with ledger._one_writer:
        for thread in threads:
            thread.start()
        while ledger._waiting.qsize() < 2:
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    monkeypatch.setattr(Ledger, "_commit", commit)
    return heard


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("failure", [KeyboardInterrupt(), ValueError("a fault of the program")])
def test_nothing_counts_as_recorded_when_the_thread_that_wrote_for_it_was_interrupted(
    ledger: Ledger, samples: Any, monkeypatch: pytest.MonkeyPatch, failure: BaseException, when: str
) -> None:
    """Ctrl-C reaches the main thread, which may be writing another thread's intent at that moment."""
    ledger.record_flatten(samples.request, "{}")
    first, second = record_two(ledger, monkeypatch, failure, when)
    assert first is failure
    assert isinstance(second, LedgerError)
    assert "Whether it is on record is not known, and nothing is sent for it" in str(second)
    assert ledger.record_closing(samples.closing) == 3 + 2 * (when == "after")
    assert ledger.read_altered_entry("main") is None


def test_what_cannot_be_stored_costs_nothing_that_waits_beside_it(ledger: Ledger, samples: Any) -> None:
    """It is found out before anything waits for the writer."""
    ledger.record_flatten(samples.request, "{}")
    with pytest.raises(LedgerError, match="did not record stop_asked/1"):
        ledger.append([NewFact("main", "2026-03-01", StopAsked(flatten_id="F1", at_s=float("nan"), reason="x"))])
    assert ledger._waiting.empty()
    assert ledger.append([]) == []


def test_the_largest_number_there_is_leaves_no_room_and_says_so(
    ledger: Ledger, samples: Any, sql: Callable[..., list[Any]], drop_triggers: Callable[[], None]
) -> None:
    """A tool wrote it; a traceback would say less than the sentence."""
    ledger.record_skipped_tick("main", "2026-03-01", samples.start, "late")
    drop_triggers()
    sql("UPDATE facts SET seq = 9223372036854775807 WHERE seq = 2")
    with pytest.raises(LedgerError, match="could not record"):
        ledger.record_flatten(samples.request, "{}")
