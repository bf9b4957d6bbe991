"""A process that carries letters to one address and ends. The only place where the library that delivers is imported.

It is a process of its own so that neither the library's import nor a service that never answers costs anybody else more
than a bounded wait, and so that its log, which may hold an address, goes nowhere. Address and letters come on standard
input and not as arguments, which everybody on the machine can read. One line of JSON leaves for every step, so that whoever
gives up waiting knows which letters may have arrived.
"""

from __future__ import annotations

import json
import logging
import re
import signal
import sys
from typing import Any

NOT_INSTALLED = "apprise is not installed: install the extra, deepcoin-ops[alerts]"


class _Ear(logging.Handler):
    """Hears the library's warnings and keeps no more of them than a code: their words may hold the address."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.reason = ""

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        code = re.search(r"\berror=(\d{3})\b", text)
        if code:
            self.reason = f"answered with error {code[1]}"
        elif "Connection error" in text:
            self.reason = "could not be reached"


def main() -> None:
    """Carry the letters of one order: `{"url", "limit_s", "letters": [{"title", "body", "is_urgent"}]}`."""
    order = json.load(sys.stdin)
    # Whoever sent us may be gone; nobody waits for us longer than this.
    signal.alarm(max(1, int(order["limit_s"])))
    try:
        import apprise
    except ImportError:
        _say(problem=NOT_INSTALLED)
        return
    # In memory: the library would otherwise keep files of its own about the addresses.
    asset = apprise.AppriseAsset(async_mode=False, storage_mode="memory")
    service = apprise.Apprise.instantiate(order["url"], asset=asset)
    if service is None:
        _say(problem=f"apprise {apprise.__version__} does not understand it; try it with apprise's own command")
        return
    for number, letter in enumerate(order["letters"]):
        _say(letter=number, state="begun")
        failure = _carry(apprise, service, asset, letter)
        _say(letter=number, state="failed" if failure else "delivered", reason=failure)
        if failure:
            # The others would fare no better; they are due again when this one is.
            return


def _carry(apprise: Any, service: Any, asset: Any, letter: dict[str, Any]) -> str:
    """Deliver one letter; why it was not delivered, empty when it was."""
    ear = _Ear()
    logger = logging.getLogger("apprise")
    logger.addHandler(ear)
    post = apprise.Apprise(asset=asset)
    post.add(service)
    kind = apprise.NotifyType.FAILURE if letter["is_urgent"] else apprise.NotifyType.WARNING
    is_taken = post.notify(
        title=letter["title"], body=letter["body"], notify_type=kind, body_format=apprise.NotifyFormat.TEXT
    )
    logger.removeHandler(ear)
    return "" if is_taken else ear.reason or "did not take it"


def _say(**told: object) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
