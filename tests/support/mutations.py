"""Requests for every mutation of a web server's own GraphQL schema, with arguments made from their input types.

A list of mutations written by hand misses those that a later Dagster adds, and fields that no list foresees.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import requests

_LIMIT_S = 120.0
_TYPE = "kind name ofType { kind name ofType { kind name ofType { kind name } } }"
_SCHEMA = f"""{{ __schema {{ mutationType {{ name }} types {{ name kind enumValues {{ name }}
  inputFields {{ name type {{ {_TYPE} }} }}
  fields(includeDeprecated: true) {{ name type {{ {_TYPE} }} args {{ name type {{ {_TYPE} }} }} }} }} }} }}"""
_ERRORS = "... on PythonError { message } ... on UnauthorizedError { message }"
# Where what came of it stands in a list inside the answer, or in a field of its own.
_RUN = "... on LaunchRunSuccess { run { runId } }"
_LAUNCHED = f"{_RUN} ... on RunConfigValidationInvalid {{ errors {{ message }} }} {_ERRORS}"
_RESULT = "... on TerminateRunFailure { message }"
_REQUESTS = "runRequests { runKey runConfigYaml tags { key value } }"
_TICK = f"... on DryRunInstigationTick {{ evaluationResult {{ skipReason error {{ message }} {_REQUESTS} }} }} {_ERRORS}"
_SELECTIONS = {
    "launchRun": _LAUNCHED,
    "launchPipelineExecution": _LAUNCHED,
    "launchRunReexecution": _LAUNCHED,
    "launchPipelineReexecution": _LAUNCHED,
    "launchMultipleRuns": f"... on LaunchMultipleRunsResult {{ launchMultipleRunsResult {{ __typename {_LAUNCHED} }} }}",
    "launchPartitionBackfill": f"... on LaunchBackfillSuccess {{ backfillId }} {_ERRORS}",
    "terminateRuns": f"... on TerminateRunsResult {{ terminateRunResults {{ __typename {_RESULT} }} }}",
    "terminateRun": _RESULT,
    "terminatePipelineExecution": _RESULT,
    "scheduleDryRun": _TICK,
    "sensorDryRun": _TICK,
}

Value = Any
Candidates = Mapping[str, Any]


class Mutations:
    """The mutations of one web server.

    Args:
        url: Where it listens.
    """

    def __init__(self, url: str):
        self._url = url
        self._http = requests.Session()
        self._http.trust_env = False
        schema = self.post(_SCHEMA)["data"]["__schema"]
        self._types = {each["name"]: each for each in schema["types"]}
        self._fields = {each["name"]: each for each in self._types[schema["mutationType"]["name"]]["fields"]}

    @property
    def names(self) -> set[str]:
        """All that the schema offers."""
        return set(self._fields)

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def try_with(self, name: str, arguments: Mapping[str, Value]) -> Any:
        """Send one mutation; the whole answer, errors included."""
        field = self._fields[name]
        types = {each["name"]: _write_type(each["type"]) for each in field["args"] if each["name"] in arguments}
        declared = ", ".join(f"${each}: {kind}" for each, kind in types.items())
        passed = ", ".join(f"{each}: ${each}" for each in types)
        is_scalar = _innermost(field["type"])["kind"] == "SCALAR"
        selection = "" if is_scalar else f"{{ __typename {_SELECTIONS.get(name, '')} }}"
        query = f"mutation{f'({declared})' if types else ''} {{ {name}{f'({passed})' if types else ''} {selection} }}"
        return self.post(query, arguments)

    def post(self, query: str, variables: Mapping[str, Value] | None = None) -> Any:
        """What the server answers to a GraphQL request."""
        body = {"query": query, "variables": variables or {}}
        return self._http.post(f"{self._url}/graphql", json=body, timeout=_LIMIT_S).json()

    def build_arguments(self, name: str, candidates: Candidates) -> Iterator[dict[str, Value]]:
        """Arguments for a mutation: the first candidate of each, then every other one in its place.

        What may be left out is left out at first, and then given.

        Args:
            name: The mutation's.
            candidates: Values by the name of an argument or field, as `mutation.argument`, or by its input type; for a
                type of this schema that is not there, values are made of its fields. Under `type+` stands what is always
                given with such a value.

        Raises:
            LookupError: There is no value for an argument or a field of one.
        """
        arguments = [(each["name"], each["type"]) for each in self._fields[name]["args"]]
        yield from self._vary(arguments, candidates, (name,), candidates.get(f"{name}+", {}))

    def _vary(
        self, fields: Sequence[tuple[str, Any]], candidates: Candidates, path: tuple[str, ...], given: Mapping[str, Value]
    ) -> Iterator[Any]:
        values = {each: list(self._values_of(each, kind, candidates, (*path, each))) for each, kind in fields}
        for each, kind in fields:
            if not values[each]:
                raise LookupError(f"no value for {'.'.join((*path, each))}, a {_write_type(kind)}")
        first = {each: values[each][0] for each, kind in fields if kind["kind"] == "NON_NULL"} | given
        if first:
            yield first
        for each, kind in fields:
            for value in values[each][1 if kind["kind"] == "NON_NULL" else 0 :]:
                yield {**first, each: value}
        if not first:
            yield first

    def _values_of(
        self, name: str, kind: Mapping[str, Any], candidates: Candidates, path: tuple[str, ...]
    ) -> Iterator[Any]:
        if kind["kind"] == "NON_NULL":
            yield from self._values_of(name, kind["ofType"], candidates, path)
        elif f"{path[0]}.{name}" in candidates:
            yield from candidates[f"{path[0]}.{name}"]
        elif name in candidates:
            yield from candidates[name]
        elif kind["kind"] == "LIST":
            yield from ([each] for each in self._values_of(name, kind["ofType"], candidates, path))
        elif kind["name"] in candidates:
            yield from candidates[kind["name"]]
        elif kind["kind"] == "ENUM":
            yield from (each["name"] for each in self._types[kind["name"]]["enumValues"])
        elif kind["kind"] == "INPUT_OBJECT":
            fields = [(each["name"], each["type"]) for each in self._types[kind["name"]]["inputFields"]]
            yield from self._vary(fields, candidates, path, candidates.get(f"{kind['name']}+", {}))


def find_denial(answer: Mapping[str, Any]) -> str | None:
    """How an answer says that this page does not do that, in this page's words or Dagster's; None when it did it."""
    text = str(answer)
    phrases = ("Denied, nothing was changed", "UnauthorizedError", "You do not have permission to terminate this run")
    return next((each for each in phrases if each in text), None)


def _write_type(kind: Mapping[str, Any]) -> str:
    inner = kind["kind"] in ("NON_NULL", "LIST") and _write_type(kind["ofType"])
    return {"NON_NULL": f"{inner}!", "LIST": f"[{inner}]"}.get(kind["kind"], kind.get("name") or "")


def _innermost(kind: Mapping[str, Any]) -> Mapping[str, Any]:
    while kind.get("ofType"):
        kind = kind["ofType"]
    return kind
