"""What is taken out of answers and errors, and what must not be."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest

from deepcoin_ops.exchange.withheld import SignedHeaders, blank_repeated, drop_frames

SIGNED = SignedHeaders({"DC-ACCESS-KEY": "key-which-is-secret", "DC-ACCESS-PASSPHRASE": "passphrase", "Accept": "anything"})


def test_the_text_of_signed_headers_tells_names_only() -> None:
    """They are a variable in every frame of a send, and crash reporters show those."""
    told = f"{SIGNED} {SIGNED!r} {[SIGNED]}"
    assert "DC-ACCESS-KEY" in told
    assert "secret" not in told
    assert "passphrase" not in told.replace("DC-ACCESS-PASSPHRASE", "")


def test_what_is_blanked_keeps_its_length_and_the_rest_its_place() -> None:
    """The record of an answer says how long it was."""
    body = b'{"msg":"key-which-is-secret, passphrase and anything"}'
    assert blank_repeated(body, SIGNED) == b'{"msg":"*******************, ********** and anything"}'


HARD = 'a "hard\\one" <&+/%=> to write'


@pytest.mark.parametrize(
    "write",
    [
        str,
        json.dumps,
        lambda text: json.dumps(json.dumps(text)),
        lambda text: html.escape(json.dumps(text)),
        lambda text: json.dumps(html.escape(text)),
        quote,
        quote_plus,
        lambda text: "".join(each if each.isalnum() else f"&#{ord(each)};" for each in text),
    ],
)
def test_a_passphrase_is_blanked_in_whatever_way_it_is_written(write: Callable[[str], str]) -> None:
    """Pages nest what they show: a text in a document in an attribute."""
    told = f"before {write(HARD)} after"
    blanked = blank_repeated(told.encode(), {"DC-ACCESS-PASSPHRASE": HARD}).decode()
    assert len(blanked) == len(told)
    assert blanked.startswith("before ")
    assert blanked.endswith(" after")
    assert not set(blanked[len("before ") : -len(" after")]) - set('*"\\&quot;')


@pytest.mark.parametrize("left", [1, 9, 20])
def test_what_is_left_of_a_value_at_the_end_of_a_cut_answer_is_blanked(left: int) -> None:
    """An answer breaks off anywhere, inside a key too."""
    body = json.dumps({"key": SIGNED["DC-ACCESS-KEY"], "passphrase": HARD})[: -left - 2].encode()
    blanked = blank_repeated(body, {**SIGNED, "DC-ACCESS-PASSPHRASE": HARD}, is_cut=True)
    assert len(blanked) == len(body)
    assert blanked.startswith(b'{"key": "*******************", "passphrase": "****')
    assert blanked.endswith(b"****")


@pytest.mark.parametrize(
    ("passphrase", "honest"),
    [
        ("20000001", "20000001"),
        ("SWAP", "BTC-USDT-SWAP"),
        ("position1", "position12"),
        ("position1", "aposition1"),
        ("", "anything"),
    ],
)
def test_an_honest_answer_stays_as_it_was(passphrase: str, honest: str) -> None:
    """A passphrase is chosen by people. What merely contains it is evidence, and what is read decides over closes."""
    body = json.dumps({"code": "0", "data": [{"posId": honest}]}).encode()
    assert blank_repeated(body, {**SIGNED, "DC-ACCESS-PASSPHRASE": passphrase}) == body


def test_an_error_that_refers_to_itself_is_walked_once() -> None:
    """Libraries chain errors in circles now and then; nothing may hang between a send and its record."""
    error, cause = ValueError("one"), KeyError("two")
    error.__cause__, cause.__context__ = cause, error
    try:
        raise error
    except ValueError:
        drop_frames(cause)
    assert error.__traceback__ is None
