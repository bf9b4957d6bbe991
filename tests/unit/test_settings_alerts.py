"""Where alerts go: addresses apart by space or comma, a bad one told by its number, and none of them ever shown."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from deepcoin_ops.settings import load_settings, resolve_alert_addresses

SECRET = "hush-7f3a"
VARIABLE = "DEEPCOIN_OPS_ALERT_URLS"


@pytest.mark.parametrize(
    ("text", "urls"),
    [
        ("", []),
        ("  ,\n", []),
        ("json://a/x", ["json://a/x"]),
        ("json://a/x, mailto://b", ["json://a/x", "mailto://b"]),
        ("json://a/x mailto://b\nslack://c/d/e,", ["json://a/x", "mailto://b", "slack://c/d/e"]),
        ("mailto://u:p@b?to=x@b,y@b,json://a", ["mailto://u:p@b?to=x@b,y@b", "json://a"]),
        ("json://a json://a", ["json://a"]),
    ],
)
def test_addresses_are_apart_by_space_or_comma(text: str, urls: list[str]) -> None:
    """A comma inside an address, as in a list of recipients, does not end it."""
    found = resolve_alert_addresses({VARIABLE: text})
    assert [address.url for address in found.usable] == urls
    assert [address.number for address in found.usable] == list(range(1, len(urls) + 1))
    assert found.problems == ()


def test_a_bad_address_is_told_by_its_number_and_the_others_go_on() -> None:
    """It must cost neither the other addresses nor the evening's flatten."""
    found = resolve_alert_addresses({VARIABLE: f"json://a {SECRET} x, slack://b"})
    assert [address.url for address in found.usable] == ["slack://b"]
    [problem] = found.problems
    assert problem.startswith(f"environment: {VARIABLE}: address 1: expected an apprise URL")
    assert SECRET not in problem


def test_an_address_is_shown_by_number_and_service_only() -> None:
    """A repr ends up in logs, exceptions and the page."""
    [address] = resolve_alert_addresses({VARIABLE: f"SLACK://{SECRET}/{SECRET}"}).usable
    assert address.name == "address 1 (slack)"
    assert SECRET not in f"{address} {address!r} {address.address_id}"
    assert len(address.address_id) == 8


def test_settings_load_whatever_the_addresses_are_and_do_not_hold_them(
    settings_file: Callable[..., dict[str, str]],
) -> None:
    """What the ledger keeps, and what a run shows, is made from the settings."""
    environ = settings_file("http://127.0.0.1:1") | {VARIABLE: f"not an address {SECRET}"}
    settings = load_settings(environ)
    assert SECRET not in repr(settings) + settings.as_public_json()
    assert settings.alerts_folder == settings.state_folder / "paper" / "alerts"


def test_a_misspelt_variable_is_refused(settings_file: Callable[..., dict[str, str]]) -> None:
    """Otherwise nobody is ever told, and nobody knows."""
    from deepcoin_ops.domain.errors import SettingsError

    with pytest.raises(SettingsError, match=f"did you mean {VARIABLE}"):
        load_settings(settings_file("http://127.0.0.1:1") | {"DEEPCOIN_OPS_ALERT_URL": f"json://{SECRET}"})
