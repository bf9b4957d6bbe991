"""The command line: what a person can ask for, and how each answer leaves the process. No Dagster is imported here.

Exit codes: 0 flat, or what was asked for was shown or done; 1 not flat, not verified, a ledger that was altered, is an
old copy or cannot be shown, a check that failed, an account that is still stopped, a stop that holds nothing known, or an
alert that reached nobody; 2 refused before anything was sent, or misconfigured. With `--json`, standard output holds one
JSON document or nothing; all else is said on standard error.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NoReturn, TypeVar

import click
from rich.console import Console, RenderableType

from deepcoin_ops.alerts.broken_settings import forget_broken_settings, tell_broken_settings
from deepcoin_ops.alerts.delivering import deliver_due, send_test
from deepcoin_ops.commands import kill as kill_switch
from deepcoin_ops.commands.alerts import (
    DELIVERY_WAIT_S,
    build_alerts_document,
    build_alerts_tables,
    build_test_letter,
    deliver_after_flatten,
    describe_failed_pass,
    read_shown_alerts,
)
from deepcoin_ops.commands.arming import confirm_arming, describe_effect, disarm_accounts, propose_arming
from deepcoin_ops.commands.check_tables import build_check_tables
from deepcoin_ops.commands.documents import (
    build_checks_document,
    build_day_document,
    build_flatten_document,
    build_plan_document,
    build_status_document,
)
from deepcoin_ops.commands.flatten import FlattenEnding, HandFlatten
from deepcoin_ops.commands.interrupts import interrupted_once
from deepcoin_ops.commands.ledger_copy import copy_ledger
from deepcoin_ops.commands.ledger_verify import verify_ledger
from deepcoin_ops.commands.parameters import LAST_PORT, Whole, parse_day_argument, parse_usdt
from deepcoin_ops.commands.progress import show_progress
from deepcoin_ops.commands.reports import fetch_plan_report, read_day_report, read_status_report
from deepcoin_ops.commands.streams import protect_streams
from deepcoin_ops.commands.tables import (
    build_day_tables,
    build_flatten_tables,
    build_plan_tables,
    build_proposal_tables,
    build_status_tables,
)
from deepcoin_ops.domain.checks import CheckPurpose
from deepcoin_ops.domain.errors import (
    AlertsFailed,
    DeepcoinOpsError,
    GuardRefused,
    KillSwitchFailed,
    LedgerError,
    SettingsError,
)
from deepcoin_ops.domain.model import Venue
from deepcoin_ops.domain.showing import show_text
from deepcoin_ops.flattening.desk import Desk, open_desk, open_reading_desk
from deepcoin_ops.flattening.preflight import check_account
from deepcoin_ops.flattening.progress import Progress
from deepcoin_ops.settings import Settings, load_settings, resolve_alert_addresses
from deepcoin_ops.settings_alerts import ALERT_URLS_VARIABLE

NOT_FLAT = 1
REFUSED = 2
_WIDTH_IN_FILES = 160

_Command = TypeVar("_Command", bound=Callable[..., Any])


class _Refusal(click.ClickException):
    """An error from before anything was sent, on its way out of the process."""

    exit_code = REFUSED


class _Commands(click.Group):
    """The commands, with this project's errors told in one message and without a traceback."""

    def main(self, *arguments: Any, **options: Any) -> Any:
        protect_streams()
        return super().main(*arguments, **options)

    def invoke(self, context: click.Context) -> Any:
        try:
            return super().invoke(context)
        except DeepcoinOpsError as error:
            _fail(error)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="deepcoin-ops")
def main() -> None:
    """Flatten a Deepcoin account and prove it. The paper exchange is used unless DEEPCOIN_OPS_VENUE says otherwise."""


def _account_option(command: _Command) -> _Command:
    return click.option("--account", metavar="NAME", help="Which account of the settings; optional if there is one.")(
        command
    )


def _each_account_option(command: _Command) -> _Command:
    return click.option("--account", metavar="NAME", help="Which account of the settings; left out: every account.")(
        command
    )


def _venue_option(default: str) -> Callable[[_Command], _Command]:
    choice = click.Choice([each.value for each in Venue], case_sensitive=False)
    return click.option("--venue", type=choice, help=f"Which venue; left out: {default}.")


def _port_option(first: int, default: int, where: str) -> Callable[[_Command], _Command]:
    return click.option("--port", type=Whole(first, LAST_PORT), default=default, show_default=True, help=where)


def _json_option(command: _Command) -> _Command:
    told = "Print one JSON document on standard output and nothing else there."
    return click.option("--json", "is_json", is_flag=True, help=told)(command)


@main.command()
@_port_option(0, 8788, "Where on loopback; 0 for a free one.")
@click.option("--scenario", default="demo", show_default=True, metavar="NAME", help="demo, or a YAML file of a scenario.")
def paper(port: int, scenario: str) -> None:
    """Run the paper exchange until Ctrl-C."""
    from deepcoin_ops.commands import servers

    settings = load_settings()
    servers.serve_paper(servers.choose_scenario(scenario, settings.accounts), port, click.echo)


@main.command()
@_account_option
@_json_option
@click.argument("instruments", nargs=-1, metavar="[INSTRUMENT]...")
def plan(account: str | None, is_json: bool, instruments: tuple[str, ...]) -> None:
    """Show what a flatten would close and cancel, in which order, and how long it would take. Sends nothing."""
    with open_reading_desk(load_settings(), account) as desk:
        report = fetch_plan_report(desk, instruments)
    _print(build_plan_document(report) if is_json else build_plan_tables(report))


@main.command()
@_account_option
@click.option("--dry-run", "is_dry_run", is_flag=True, help="Show what would be closed, record that, send nothing.")
@_json_option
@click.argument("instruments", nargs=-1, metavar="[INSTRUMENT]...")
@click.pass_context
def flatten(
    context: click.Context, account: str | None, is_dry_run: bool, is_json: bool, instruments: tuple[str, ...]
) -> None:
    """Close the configured instruments, or those named, at market, and prove that they are flat.

    Ctrl-C stops new closes; answers on their way are awaited and recorded, and the state is shown. Exit code 0: flat;
    1: not flat or not verified; 2: refused before anything was sent. With --json the document is there whenever the
    flatten has its closing row in the ledger.
    """
    settings = load_settings()
    with interrupted_once(), open_desk(settings, account) as desk:
        with show_progress(Console(stderr=True)) as show:
            ending = HandFlatten(desk, instruments, is_dry_run=is_dry_run).run(show)
        _print_flatten(desk, ending, is_json=is_json)
    _deliver_alerts(settings)
    if ending.error is not None:
        _fail(ending.error)
    context.exit(0 if ending.is_success else NOT_FLAT)


@main.group()
def ledger() -> None:
    """Read, copy or verify what was recorded."""


ledger.add_command(copy_ledger)
ledger.add_command(verify_ledger)


@ledger.command()
@_account_option
@_json_option
@click.argument("day", metavar="DAY")
@click.pass_context
def show(context: click.Context, account: str | None, is_json: bool, day: str) -> None:
    """Show everything recorded for a trading day: DAY is YYYY-MM-DD or today."""
    settings = load_settings()
    if account is not None:
        settings.account(account)
    report = read_day_report(settings, parse_day_argument(settings, day), account)
    _print(build_day_document(report) if is_json else build_day_tables(report))
    context.exit(NOT_FLAT if report.altered or report.ledger_setback else 0)


@main.command()
@_account_option
@_json_option
@click.pass_context
def preflight(context: click.Context, account: str | None, is_json: bool) -> None:
    """Ask whether a flatten would be admitted (arming, uid, key, clock, caps) and would end FLAT. Only reads; recorded.

    Exit code 0: it would; 1: it would not, for an account or all.
    """
    settings = load_settings()
    names = list(settings.accounts) if account is None else [settings.account(account).name]
    checks = {name: check_account(settings, name, CheckPurpose.PREFLIGHT, _say_progress) for name in names}
    _print(build_checks_document(checks) if is_json else build_check_tables(checks))
    context.exit(0 if all(check.would_end_flat for check in checks.values()) else NOT_FLAT)


@main.command()
@_account_option
@click.option("--cap", "cap_text", required=True, metavar="USDT", help="The most notional that one flatten may close.")
@click.option("--days", type=Whole(1, 90), default=30, show_default=True, help="For how long.")
@click.option("--yes-uid", metavar="UID", help="The account's uid, for automation; otherwise it has to be typed.")
@click.option("--trust-url", metavar="URL", help="Arm for this address, which is not the exchange's own.")
def arm(account: str | None, cap_text: str, days: int, yes_uid: str | None, trust_url: str | None) -> None:
    """Let flattens of a live account send, for some days: shows the account, then asks for its uid."""
    settings = load_settings()
    proposal = propose_arming(settings, account, parse_usdt(cap_text), days, trust_url)
    _print(build_proposal_tables(proposal))
    typed = yes_uid if yes_uid is not None else click.prompt("Type the account's uid to arm it", err=True)
    path = confirm_arming(settings, proposal, typed)
    click.echo(f"Account {proposal.arming.account} is armed: {path}. {describe_effect(proposal)}")


@main.command()
@_account_option
def disarm(account: str | None) -> None:
    """Let no flatten of an account begin to send, or of any account. One that is running goes on: `kill` stops that."""
    for name, was_armed in disarm_accounts(load_settings(), account).items():
        click.echo(f"Account {name} {'is not armed any more' if was_armed else 'was not armed'}; its positions stay open.")


@main.command()
@_json_option
@click.pass_context
def status(context: click.Context, is_json: bool) -> None:
    """Show venue, accounts, kill switches, arming, last flattens, what has no recorded answer, and untold alerts.

    Exit code 1: the ledger, or an entry of it, cannot be read, or it is an old copy; all else is shown.
    """
    report = read_status_report(load_settings(), resolve_alert_addresses())
    _print(build_status_document(report) if is_json else build_status_tables(report))
    context.exit(NOT_FLAT if report.ledger_trouble or report.ledger_setback or report.unreadable else 0)


@main.command()
@_each_account_option
@_venue_option("both")
@click.option("--reason", default="", metavar="TEXT", help="Why, for whoever finds it on.")
@click.pass_context
def kill(context: click.Context, account: str | None, venue: str | None, reason: str) -> None:
    """Stop every close and cancel from the next slot on, on both venues of the state folder. Positions stay open.

    Running and new flattens obey, by whatever they were launched. Reads and records go on. `resume` switches it off.
    Exit code 1: nothing known is stopped, or a flatten is at work in another state folder; 2: it could not be switched on.
    """
    try:
        switched = kill_switch.kill(account, Venue(venue) if venue else None, reason)
    except KillSwitchFailed as error:
        raise _Refusal(show_text(str(error), keeps_lines=True)) from error
    _print(show_text(switched.text, keeps_lines=True))
    context.exit(0 if switched.is_as_asked else NOT_FLAT)


@main.command()
@_each_account_option
@_venue_option("the one in use")
@click.pass_context
def resume(context: click.Context, account: str | None, venue: str | None) -> None:
    """Switch one kill switch off. Sends nothing. Exit code 1: the account, or one of all, is still stopped."""
    if account == "":  # an unset variable of a script must not switch off every account's
        raise click.BadParameter("it is empty: name an account, or leave it out for all", param_hint="--account")
    switched = kill_switch.resume(load_settings(), account, Venue(venue) if venue else None)
    _print(show_text(switched.text, keeps_lines=True))
    context.exit(0 if switched.is_as_asked else NOT_FLAT)


@main.command()
@click.option("--show", "is_shown", is_flag=True, help="Only list what was found and what became of it.")
@click.option("--test", "is_test", is_flag=True, help="Only send a test alert to every address.")
@_json_option
@click.pass_context
def alerts(context: click.Context, is_shown: bool, is_test: bool, is_json: bool) -> None:
    """Find what somebody should hear of, and deliver it to the addresses in DEEPCOIN_OPS_ALERT_URLS.

    Made to be run every few minutes by a timer of the system, beside the sensor alerts_due, so that a night on which
    Dagster is down is told too. Exit code 0: nothing is left untold; 1: something could not be delivered; 2: there is no
    address that can be used, or the settings cannot be used, which is delivered once an hour. With --json it lists as
    --show does, after delivering.
    """
    addresses, now = resolve_alert_addresses(), datetime.now(UTC)
    try:
        settings = load_settings()
    except SettingsError as error:
        for line in () if is_shown or is_test else tell_broken_settings(error, addresses, now):
            click.echo(line, err=True)
        raise
    if is_test:
        receipts = send_test(addresses, build_test_letter(settings, now))
        for receipt in receipts:
            click.echo(f"{receipt.address.name} {receipt.failure or 'took it'}", err=not receipt.is_delivered)
        is_told = not addresses.problems and all(receipt.is_delivered for receipt in receipts)
    elif is_shown:
        is_told = True
    else:
        forget_broken_settings(settings.alerts_folder)
        try:
            report = deliver_due(settings, addresses, now, wait_s=DELIVERY_WAIT_S)
        except (OSError, AlertsFailed) as error:
            click.echo(describe_failed_pass(error), err=True)
            context.exit(NOT_FLAT)
        click.echo(report.describe(), err=True)
        is_told = report.is_all_told
    if is_shown or (is_json and not is_test):
        shown = read_shown_alerts(settings, addresses, now)
        _print(build_alerts_document(shown) if is_json else build_alerts_tables(shown))
    for problem in addresses.problems if is_test or is_shown else ():
        click.echo(f"{problem}.", err=True)
    if not addresses.usable and not is_shown:
        click.echo(f"{ALERT_URLS_VARIABLE} names no address that can be used, so nobody is told.", err=True)
        context.exit(REFUSED)
    context.exit(0 if is_told else NOT_FLAT)


@main.command()
@_port_option(1, 3000, "Where on loopback Dagster's page is served.")
@click.pass_context
def dev(context: click.Context, port: int) -> None:
    """Run the paper exchange and Dagster's page until Ctrl-C."""
    from deepcoin_ops.commands import servers

    context.exit(servers.run_dagster(load_settings(), port, click.echo))


@main.command()
@_port_option(1, 3001, "Where on loopback the read-only page is served.")
@click.pass_context
def viewer(context: click.Context, port: int) -> None:
    """Run a page over the same state that shows everything and launches nothing, without any key, until Ctrl-C."""
    from deepcoin_ops.commands import servers

    context.exit(servers.run_viewer(load_settings(), port, click.echo))


def _deliver_alerts(settings: Settings) -> None:
    """Tell whoever is to be told, now that nothing is sent any more. What goes wrong with it is only said."""
    try:
        with interrupted_once():
            problems = deliver_after_flatten(settings, resolve_alert_addresses())
    except KeyboardInterrupt:
        problems = ["Alerts may not have been delivered. `deepcoin-ops alerts` tries again."]
    for problem in problems:
        click.echo(show_text(problem), err=True)


def _print_flatten(desk: Desk, ending: FlattenEnding, *, is_json: bool) -> None:
    if ending.is_interrupted:
        click.echo(ending.describe_interrupt(), err=True)
    document = build_flatten_document(desk, ending)
    if document is None:
        return
    if is_json:
        _print(document)
    elif ending.error is None:
        _print(build_flatten_tables(desk, ending))


def _print(shown: str | RenderableType) -> None:
    if isinstance(shown, str):
        click.echo(shown)
        return
    # Where nobody's window sets a width, tables are made wide enough not to break the ids in them.
    Console(width=None if sys.stdout.isatty() else _WIDTH_IN_FILES).print(shown)


def _say_progress(progress: Progress) -> None:
    click.echo(show_text(progress.text), err=True)


def _fail(error: DeepcoinOpsError) -> NoReturn:
    is_before_sending = isinstance(error, SettingsError | GuardRefused | LedgerError)
    kind = _Refusal if is_before_sending else click.ClickException  # the latter exits with 1
    raise kind(show_text(str(error), keeps_lines=True)) from error
