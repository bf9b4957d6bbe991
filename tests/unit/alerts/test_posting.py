"""Letters carried by real couriers to a real web server on loopback, and what is known of those that did not arrive."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from alert_receiver import TOKEN, AlertReceiver

from deepcoin_ops.alerts.posting import Letter, Receipt, post_letters
from deepcoin_ops.settings_alerts import AlertAddress

LETTERS = [
    Letter("A:1", "first title", "first text\nwith <two> *lines*", is_urgent=True),
    Letter("A:2", "second", "text", is_urgent=False),
]


@pytest.fixture
def receiver() -> Iterator[AlertReceiver]:
    """Where letters arrive."""
    with AlertReceiver() as running:
        yield running


@pytest.fixture
def address(receiver: AlertReceiver) -> AlertAddress:
    """Its address."""
    return AlertAddress(1, receiver.url)


def failures(receipts: list[Receipt]) -> dict[str, str | None]:
    """Why each letter was not delivered."""
    assert not any(TOKEN in repr(receipt) for receipt in receipts)
    return {receipt.key: receipt.failure for receipt in receipts}


def test_letters_arrive_whole_and_in_order(receiver: AlertReceiver, address: AlertAddress) -> None:
    """With line feeds and whatever looks like markup."""
    assert failures(post_letters({address: LETTERS})) == {"A:1": None, "A:2": None}
    told = [(each["title"], each["message"], each["type"]) for each in receiver.messages]
    assert told == [("first title", "first text\nwith <two> *lines*", "failure"), ("second", "text", "warning")]


def test_a_service_that_answers_with_an_error_is_not_tried_with_the_rest(
    receiver: AlertReceiver, address: AlertAddress
) -> None:
    """The others would fare no better, and stay as due as they were."""
    receiver.status = 500
    assert failures(post_letters({address: LETTERS})) == {"A:1": "answered with error 500"}
    assert receiver.tries == 1


def test_a_service_that_is_not_there_is_told_as_such() -> None:
    """Nothing listens on that port any more."""
    with AlertReceiver() as gone:
        url = gone.url
    assert failures(post_letters({AlertAddress(1, url): LETTERS})) == {"A:1": "could not be reached"}


def test_one_that_never_answers_is_given_up_and_holds_up_no_other(receiver: AlertReceiver, address: AlertAddress) -> None:
    """Its letter may have arrived; the other address has its own courier."""
    with AlertReceiver() as mute:
        mute.is_mute = True
        silent = AlertAddress(2, mute.url)
        receipts = post_letters({silent: LETTERS, address: LETTERS}, limit_s=10)
        assert mute.tries == 1
    assert failures([each for each in receipts if each.address == silent]) == {
        "A:1": "no answer within 10 s; it may have arrived"
    }
    assert failures([each for each in receipts if each.address == address]) == {"A:1": None, "A:2": None}
    assert len(receiver.messages) == 2


def test_an_address_that_the_library_does_not_know_fails_every_letter() -> None:
    """Its shape is right, and only the library knows its services."""
    told = failures(post_letters({AlertAddress(3, f"nosuchservice://{TOKEN}"): LETTERS}))
    assert told.keys() == {"A:1", "A:2"}
    assert all("does not understand it" in (failure or "") for failure in told.values())


def test_without_the_library_the_extra_is_named(
    receiver: AlertReceiver, address: AlertAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is optional, and whoever set an address has to hear what is missing."""
    (tmp_path / "apprise.py").write_text("raise ImportError('not here')")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path)]))
    told = failures(post_letters({address: LETTERS}))
    assert told == dict.fromkeys(("A:1", "A:2"), "apprise is not installed: install the extra, deepcoin-ops[alerts]")
    assert receiver.tries == 0


def test_words_of_the_library_between_the_steps_are_passed_over(
    receiver: AlertReceiver, address: AlertAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A library that prints must not make a delivered letter one that is delivered again and again."""
    (tmp_path / "sitecustomize.py").write_text("import sys\nsys.stdout.buffer.write(b'a word \\xff\\n[1]\\n{}\\n')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert failures(post_letters({address: LETTERS})) == {"A:1": None, "A:2": None}


def test_nothing_to_carry_starts_nobody() -> None:
    """Every few seconds there is nothing to tell."""
    assert post_letters({}) == []
