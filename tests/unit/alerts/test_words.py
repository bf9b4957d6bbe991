"""How an alert reads with text from an exchange that sends anything."""

from __future__ import annotations

from deepcoin_ops.alerts.alert import AlertKind
from deepcoin_ops.alerts.words import build_alert


def test_foreign_text_in_an_alert_is_marked_and_bounded() -> None:
    """A chat shows what it is sent: a reversed id, a line that says FLAT, a message without an end."""
    odd = "\u202eTDSU-CTB\nFLAT " + "x" * 1_000_000
    alert = build_alert(
        "paper",
        AlertKind.NOT_FLAT,
        ["F0"],
        "main",
        f"NOT FLAT; {odd}",
        happened=odd,
        still_open=[odd] * 100,
        notional=odd,
        where=["`deepcoin-ops status`"],
        more=[odd],
    )
    assert "\u202e" not in alert.title + alert.text
    assert alert.title.startswith("[paper] main: NOT FLAT; <U+202E>TDSU-CTB<U+000A>FLAT xxx")
    assert len(alert.title) < 300
    assert len(alert.text) < 20_000
    assert alert.text.count("[cut: 1,000,015 letters in all]") == 23
    assert not [line for line in alert.text.splitlines() if line.startswith("FLAT")]
