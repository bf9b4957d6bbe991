"""What a flatten on the live venue needs before anything is sent, tried on an unmarked exchange that counts arrivals."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from flatten_lab import SETTINGS, Lab, build_scenario, open_lab, position
from live_exchange import LIVE_SETTINGS, LiveStand, live_uid, open_live_stand

from deepcoin_ops.domain.checks import CheckPurpose, FindingKind
from deepcoin_ops.domain.errors import GuardRefused, NotArmed
from deepcoin_ops.domain.model import FlattenResult
from deepcoin_ops.flattening.desk import open_desk
from deepcoin_ops.paper.faults import Fault, FaultAction
from deepcoin_ops.paper.scenario import PaperBot
from deepcoin_ops.settings import load_settings

# 93,000 USDT or so at the paper exchange's price.
SCENARIO = build_scenario([position("BTC-USDT-SWAP", "1", "1000")])
ONE_INSTRUMENT = LIVE_SETTINGS.replace("[BTC-USDT-SWAP, ETH-USDT-SWAP]", "[BTC-USDT-SWAP]")


def flatten_live(stand: LiveStand, **more: object) -> tuple[Lab, object]:
    """Flatten account `main` ; the lab, whose desk is closed by then, and how it ended or what it raised."""
    with open_desk(load_settings(stand.variables), "main", stand.variables) as desk:
        lab = Lab(stand.exchange, desk)
        request = lab.open(**more)
        try:
            return lab, lab.flatten(request)
        except GuardRefused as error:
            record = desk.ledger.read_flatten(request.flatten_id)
            assert record is not None
            assert record.closing is not None
            assert record.closing.result is FlattenResult.REFUSED
            return lab, error


def read_findings(stand: LiveStand) -> set[FindingKind]:
    """What the last flatten's check found, as the ledger has it."""
    settings = load_settings(stand.variables)
    with open_desk(settings, "main", stand.variables) as desk:
        record = desk.ledger.read_last_check("main", CheckPurpose.FLATTEN)
    assert record is not None
    return {finding.kind for finding in record.check.findings}


def test_an_armed_account_is_flattened_and_proven_flat(tmp_path: Path) -> None:
    """Live works, and by what it was admitted stands in the ledger."""
    with open_live_stand(tmp_path, SCENARIO, ONE_INSTRUMENT) as stand:
        stand.arm()
        lab, outcome = flatten_live(stand)
        assert outcome.closing.result is FlattenResult.FLAT
        assert len(stand.exchange.sends()) == 1
        assert stand.exchange.truth()["accounts"]["main"]["open"] == []
        with open_desk(lab.desk.settings, "main", stand.variables) as desk:
            record = desk.ledger.read_admitted_check("main")
        assert record.flatten_id == outcome.closing.flatten_id
        check = record.check
        assert (check.uid, check.open_instruments, check.cap_usdt) == (live_uid("main"), 1, 10_000_000)
        assert check.notional_usdt > 90_000
        assert check.findings[0].kind is FindingKind.ARMING_ENDING


def refuse(stand: LiveStand, *kinds: FindingKind, told: str) -> None:
    """A flatten is refused for these reasons, after reads alone, and its closing row tells what stays open."""
    _, error = flatten_live(stand)
    assert isinstance(error, GuardRefused)
    assert told in str(error)
    assert "left open: BTC-USDT-SWAP long 1,000" in str(error)
    assert stand.exchange.sends() == []
    assert set(kinds) <= read_findings(stand)


def test_without_an_arming_file_nothing_is_sent(tmp_path: Path) -> None:
    """Credentials and a variable are not enough."""
    with open_live_stand(tmp_path, SCENARIO, ONE_INSTRUMENT) as stand:
        refuse(stand, FindingKind.NOT_ARMED, told="not armed")


@pytest.mark.parametrize(
    ("kind", "told", "more"),
    [
        (FindingKind.ARMING_EXPIRED, "ended at", {"expires_at": datetime.now(UTC) - timedelta(minutes=1)}),
        (FindingKind.OTHER_UID, "would go to another account", {"uid": "12345678"}),
        (FindingKind.ARMING_UNUSABLE, "longer than 90 days", {"expires_at": datetime.now(UTC) + timedelta(days=91)}),
        (FindingKind.ARMING_UNUSABLE, "still to come", {"armed_at": datetime.now(UTC) + timedelta(hours=1)}),
        (FindingKind.ARMING_UNUSABLE, "and not for http", {"base_url": "https://api.deepcoin.com"}),
        (FindingKind.ARMING_UNUSABLE, "which has other locks", {"state_folder": "/elsewhere"}),
        (FindingKind.CAP_EXCEEDED, "a flatten may close 5,000 USDT", {"cap_usdt": Decimal(5000)}),
    ],
    ids=["expired", "other uid", "too long", "from the future", "other address", "other state folder", "above the cap"],
)
def test_an_arming_that_does_not_fit_sends_nothing(
    kind: FindingKind, told: str, more: dict[str, object], tmp_path: Path
) -> None:
    """Each part of the file is a condition of its own."""
    with open_live_stand(tmp_path, SCENARIO, ONE_INSTRUMENT) as stand:
        stand.arm(**more)
        refuse(stand, kind, told=told)


def test_an_arming_that_others_may_read_sends_nothing(tmp_path: Path) -> None:
    """What others may read, others may have had a hand in; and a mode that widened is a sign of a careless copy."""
    with open_live_stand(tmp_path, SCENARIO, ONE_INSTRUMENT) as stand:
        stand.arm().chmod(0o640)
        refuse(stand, FindingKind.ARMING_UNUSABLE, told="its mode is 0640")
        (stand.arming / "main.json").chmod(0o600)
        stand.arming.chmod(0o777)
        refuse(stand, FindingKind.ARMING_UNUSABLE, told="others may write to")


def test_an_arming_that_is_a_link_or_no_arming_sends_nothing(tmp_path: Path) -> None:
    """Only what the command writes counts."""
    with open_live_stand(tmp_path, SCENARIO, ONE_INSTRUMENT) as stand:
        path = stand.arm()
        elsewhere = tmp_path / "elsewhere.json"
        path.rename(elsewhere)
        path.symlink_to(elsewhere)
        refuse(stand, FindingKind.ARMING_UNUSABLE, told="cannot be read")
        path.unlink()
        whole = json.loads(elsewhere.read_text())
        for broken in ("{", json.dumps({**whole, "more": "x"}), json.dumps({**whole, "cap_usdt": "Infinity"})):
            path.write_text(broken)
            path.chmod(0o600)
            refuse(stand, FindingKind.ARMING_UNUSABLE, told="It arms nothing")


def test_a_key_of_another_account_than_last_time_sends_nothing(tmp_path: Path) -> None:
    """Armed for the new account or not: somebody has to have armed it after the change."""
    with open_live_stand(tmp_path, SCENARIO, ONE_INSTRUMENT) as stand:
        stand.arm()
        lab, outcome = flatten_live(stand)
        assert outcome.is_success
        with open_desk(lab.desk.settings, "main", stand.variables) as desk:
            record = desk.ledger.read_admitted_check("main")
            before = datetime.now(UTC)
            desk.ledger.record_check("main", record.trading_day, replace(record.check, uid="999"), record.flatten_id)
        stand.exchange.reset()
        stand.arm(armed_at=before)
        refuse(stand, FindingKind.UID_CHANGED, told="belonged to 999")
        stand.arm(armed_at=datetime.now(UTC))
        assert flatten_live(stand)[1].is_success


def test_a_uid_that_cannot_be_read_sends_nothing(tmp_path: Path) -> None:
    """Which account a close would go to is then not known."""
    scenario = replace(SCENARIO, faults=(Fault(FaultAction.SERVER_ERROR, "uid", call=None, http_status=502),))
    with open_live_stand(tmp_path, scenario, ONE_INSTRUMENT.replace("max_deadline_s: 60", "max_deadline_s: 3")) as stand:
        stand.arm()
        refuse(stand, FindingKind.ACCOUNT_UNREADABLE, told="its uid could not be read")


def test_a_clock_that_is_far_off_sends_nothing(tmp_path: Path) -> None:
    """An expiry means nothing on a clock that anybody may have set back."""
    with open_live_stand(tmp_path, replace(SCENARIO, clock_offset_s=45), ONE_INSTRUMENT) as stand:
        stand.arm()
        with pytest.raises(GuardRefused, match="differ by 4"):
            raise flatten_live(stand)[1]
        assert stand.exchange.sends() == []


def test_a_clock_that_is_a_little_off_is_corrected(tmp_path: Path) -> None:
    """Before anything is refused for it."""
    with open_live_stand(tmp_path, replace(SCENARIO, clock_offset_s=20), ONE_INSTRUMENT) as stand:
        stand.arm()
        assert flatten_live(stand)[1].is_success


def test_an_arming_ends_by_the_exchanges_clock(tmp_path: Path) -> None:
    """A clock that was set back by as much as is corrected does not lengthen it either."""
    with open_live_stand(tmp_path, replace(SCENARIO, clock_offset_s=25), ONE_INSTRUMENT) as stand:
        stand.arm(expires_at=datetime.now(UTC) + timedelta(seconds=20))
        refuse(stand, FindingKind.ARMING_EXPIRED, told="its arming ended")


def test_above_the_cap_it_closes_and_says_so_where_the_desk_chose_that(tmp_path: Path) -> None:
    """On the most volatile day a cap must not be what leaves everything open."""
    chosen = ONE_INSTRUMENT.replace("instruments: [", "on_cap: close_and_alert\n    instruments: [")
    with open_live_stand(tmp_path, SCENARIO, chosen) as stand:
        stand.arm(cap_usdt=Decimal(5000))
        lab, outcome = flatten_live(stand)
        assert outcome.is_success
        assert FindingKind.CAP_EXCEEDED in read_findings(stand)
        assert any("closed all the same" in progress.text for progress in lab.said)


REOPENED_LARGER = build_scenario(
    [position("BTC-USDT-SWAP", "1", "1")],
    bots=[PaperBot(position("BTC-USDT-SWAP", "2", "3000"), follows_close_s=0.2)],
)


def test_what_is_opened_later_is_held_to_the_caps_as_well(tmp_path: Path) -> None:
    """The first read showed a hundred USDT, perhaps of an old world; whoever refuses above a cap means the next one too."""
    with open_live_stand(tmp_path, REOPENED_LARGER, ONE_INSTRUMENT) as stand:
        stand.arm(cap_usdt=Decimal(5000))
        _, outcome = flatten_live(stand)
        assert outcome.closing.result is FlattenResult.NOT_FLAT
        assert "a flatten may close 5,000 USDT; on_cap is refuse" in outcome.closing.reason
        assert outcome.closing.residual_notional_usdt > 200_000
        assert len(stand.exchange.sends()) == 1
        assert read_findings(stand) == {FindingKind.CAP_EXCEEDED}


def test_what_is_opened_later_is_closed_and_told_where_the_desk_chose_that(tmp_path: Path) -> None:
    """The alert is about the day, not about its first second."""
    chosen = ONE_INSTRUMENT.replace("instruments: [", "on_cap: close_and_alert\n    instruments: [")
    with open_live_stand(tmp_path, REOPENED_LARGER, chosen) as stand:
        stand.arm(cap_usdt=Decimal(5000))
        lab, outcome = flatten_live(stand)
        assert outcome.is_success
        assert read_findings(stand) == {FindingKind.CAP_EXCEEDED}
        assert sum("closed all the same" in progress.text for progress in lab.said) == 1


def test_a_dry_run_needs_no_arming(tmp_path: Path) -> None:
    """It sends nothing, and is how one looks before arming."""
    with open_live_stand(tmp_path, SCENARIO, ONE_INSTRUMENT) as stand:
        _, outcome = flatten_live(stand, is_dry_run=True)
        assert outcome.closing.result is FlattenResult.DRY_RUN
        assert stand.exchange.sends() == []


def test_another_host_is_not_even_read_from_before_it_is_armed(tmp_path: Path) -> None:
    """A signed read shows key and passphrase to whoever answers there."""
    with open_live_stand(tmp_path, SCENARIO, ONE_INSTRUMENT) as stand:
        elsewhere = stand.variables | {"DEEPCOIN_BASE_URL": "https://deepcoin.invalid"}
        with pytest.raises(NotArmed, match="no read either"), open_desk(load_settings(elsewhere), "main", elsewhere):
            pytest.fail("a desk was opened")
        stand.arm(base_url="https://deepcoin.invalid")
        with open_desk(load_settings(elsewhere), "main", elsewhere) as desk:
            assert desk.settings.base_url == "https://deepcoin.invalid"
        now = datetime.now(UTC)
        stand.arm(base_url="https://deepcoin.invalid", armed_at=now - timedelta(days=2), expires_at=now - timedelta(days=1))
        with pytest.raises(NotArmed, match="its arming ended"), open_desk(load_settings(elsewhere), "main", elsewhere):
            pytest.fail("a desk was opened for an address that was trusted until yesterday")


def test_what_was_read_long_ago_is_read_again_before_anything_is_sent(tmp_path: Path) -> None:
    """The uid took six seconds to come; until then the positions may have become others, or more than the cap."""
    slow = Fault(FaultAction.SERVER_ERROR, "account/uid", call=1, until_call=6)
    with open_live_stand(tmp_path, replace(SCENARIO, faults=(slow,)), ONE_INSTRUMENT) as stand:
        stand.arm()
        assert flatten_live(stand)[1].is_success
        paths = [arrival.path.rpartition("/")[2] for arrival in stand.exchange.arrivals()]
        first_close, last_uid = paths.index("batch-close-position"), len(paths) - 1 - paths[::-1].index("uid")
        assert "positions" in paths[last_uid:first_close]


@pytest.mark.parametrize(
    ("cap", "kind"),
    [
        ("cap_notional_usdt: 90000.5", FindingKind.CAP_EXCEEDED),
        ("cap_instrument_notional_usdt: 90000", FindingKind.CAP_EXCEEDED),
        ("cap_open_instruments: 1", FindingKind.CAP_EXCEEDED),
    ],
)
def test_the_caps_of_the_settings_hold_on_paper_too(cap: str, kind: FindingKind, tmp_path: Path) -> None:
    """A desk tries them where nothing is at stake; the refusal tells the notional that stays open."""
    positions = [position("BTC-USDT-SWAP", "1", "1000"), position("ETH-USDT-SWAP", "2", "1")]
    with open_lab(tmp_path, build_scenario(positions), SETTINGS.replace("instruments:", f"{cap}\n    instruments:")) as lab:
        request = lab.open()
        with pytest.raises(GuardRefused, match="on_cap is refuse"):
            lab.flatten(request)
        assert lab.close_arrivals() == []
        closing = lab.desk.ledger.read_flatten(request.flatten_id).closing
        assert closing.result is FlattenResult.REFUSED
        assert closing.residual_notional_usdt > 90_000
        assert closing.reason.count("USDT)") == 2
        [found] = lab.desk.ledger.read_last_check("main").check.findings
        assert (found.kind, found.is_blocking) == (kind, True)


@pytest.mark.parametrize(
    ("missing", "is_refused"), [(["tickers"], False), (["tickers", "instruments"], True)], ids=["no prices", "no lists"]
)
def test_prices_that_do_not_come_are_no_way_past_a_cap(missing: list[str], is_refused: bool, tmp_path: Path) -> None:
    """The opening prices stand in; without contract sizes nothing does, and it counts as above."""
    faults = [Fault(FaultAction.SERVER_ERROR, f"market/{each}", call=None) for each in missing]
    capped = SETTINGS.replace("instruments:", "cap_notional_usdt: 1000000000\n    instruments:")
    capped = capped.replace("max_deadline_s: 60", "max_deadline_s: 3")  # for which a refusal waits
    with open_lab(tmp_path, build_scenario([position("BTC-USDT-SWAP", "1", "1000")], faults), capped) as lab:
        if is_refused:
            with pytest.raises(GuardRefused, match="is not known"):
                lab.flatten()
        else:
            lab.flatten()
        assert lab.close_arrivals() == ([] if is_refused else ["BTC-USDT-SWAP"])
