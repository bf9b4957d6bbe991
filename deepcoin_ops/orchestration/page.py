"""Dagster's web server behind the page guard: `python -m deepcoin_ops.orchestration.page`, options of `dagster-webserver`.

Nothing else about it differs. It listens on loopback unless told otherwise, and answers to loopback's names alone, so that
it is offered to others through a proxy that asks for a login (deploy/reverse-proxy).
"""

from __future__ import annotations

from collections.abc import Collection

import dagster_webserver.app
from dagster_webserver.cli import cli
from dagster_webserver.webserver import DagsterWebserver
from graphql import ASTValidationRule, FieldNode, GraphQLError, ValidationRule
from starlette.middleware import Middleware

from deepcoin_ops.orchestration.page_guard import PageGuard, find_mutation_objection


class TakenMutations(ValidationRule):
    """Rejects a request before any of it is carried out, if it names a mutation that no desk uses."""

    def enter_field(self, node: FieldNode, *_: object) -> None:
        """Look at a field of the request: at its name, whatever alias or fragment it comes in."""
        if self.context.get_parent_type() is not self.context.schema.mutation_type:
            return
        objection = find_mutation_objection(node.name.value)
        if objection is not None:
            self.report_error(GraphQLError(objection, node))


class GuardedWebserver(DagsterWebserver):  # type: ignore[type-arg]
    """The web server, whose outermost layer is the guard, and which takes the mutations of a desk alone."""

    def build_middleware(self) -> list[Middleware]:
        """The guard before everything else."""
        return [Middleware(PageGuard, prefix=self._app_path_prefix), *super().build_middleware()]

    def build_graphql_validation_rules(self) -> Collection[type[ASTValidationRule]]:
        """Dagster's rules and this page's."""
        return [*super().build_graphql_validation_rules(), TakenMutations]


def main() -> None:
    """Run the web server until it is interrupted."""
    # The command builds its application from the class of this name; there is no option for another one.
    dagster_webserver.app.DagsterWebserver = GuardedWebserver  # type: ignore[attr-defined]
    cli(auto_envvar_prefix="DAGSTER_WEBSERVER")


if __name__ == "__main__":
    main()
