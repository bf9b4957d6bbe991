"""Dagster's web server behind the page guard: `python -m deepcoin_ops.orchestration.page`, options of `dagster-webserver`.

Nothing else about it differs. It listens on loopback unless told otherwise, and answers to loopback's names alone, so that
it is offered to others through a proxy that asks for a login (deploy/reverse-proxy).
"""

from __future__ import annotations

import dagster_webserver.app
from dagster_webserver.cli import cli
from dagster_webserver.webserver import DagsterWebserver
from starlette.middleware import Middleware

from deepcoin_ops.orchestration.page_guard import PageGuard


class GuardedWebserver(DagsterWebserver):  # type: ignore[type-arg]
    """The web server, whose outermost layer is the guard."""

    def build_middleware(self) -> list[Middleware]:
        """The guard before everything else."""
        return [Middleware(PageGuard), *super().build_middleware()]


def main() -> None:
    """Run the web server until it is interrupted."""
    # The command builds its application from the class of this name; there is no option for another one.
    dagster_webserver.app.DagsterWebserver = GuardedWebserver  # type: ignore[attr-defined]
    cli(auto_envvar_prefix="DAGSTER_WEBSERVER")


if __name__ == "__main__":
    main()
