"""Everything that a Dagster web server tells about itself: questions made from its own GraphQL schema, field by field.

A list of questions written by hand misses what nobody thought of. So every field of every answer is asked for, as deep as
said, as far as its arguments are known.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import requests

_DEPTH = 4
_MOST_FIELDS = 4000
_RETRIES = 6
_LIMIT_S = 120.0
_TYPE = "name kind ofType { name kind ofType { name kind ofType { name kind ofType { name kind } } } }"
_SCHEMA = f"""{{ __schema {{ queryType {{ name }} types {{ name kind possibleTypes {{ name }}
  fields(includeDeprecated: true) {{ name type {{ {_TYPE} }} args {{ name defaultValue type {{ {_TYPE} }} }} }} }} }} }}"""
# Told again and again at every depth, or the whole schema of Dagster's own config types.
_LEFT_OUT = {"configType", "allConfigTypes", "configTypeOrError", "recursiveConfigTypes", "solidSelection", "stack", "test"}
# Some of Dagster's own fields break their own promise never to be null, and take the whole answer with them.
_BROKEN = re.compile(r"Cannot return null for non-nullable field (\w+)\.(\w+)|resolve_(\w+)\(\) missing")


class GraphqlSweep:
    """Asks one web server everything it can.

    Args:
        url: Where it listens.
        arguments: Values of arguments, by their type or by their name; a field whose required ones are not all here is left
            out.
    """

    def __init__(self, url: str, arguments: Mapping[str, str]):
        self._url = url
        self._arguments = arguments
        schema = self._post(_SCHEMA)["data"]["__schema"]
        self._types = {each["name"]: each for each in schema["types"]}
        self._root = schema["queryType"]["name"]
        self._broken: set[tuple[str, str]] = set()

    def ask_everything(self, only: Collection[str] = ()) -> Iterator[tuple[str, str]]:
        """The name of each root field, or of those named, and the text of the answer about it, errors included."""
        for field in self._types[self._root]["fields"]:
            if only and field["name"] not in only:
                continue
            told = None
            for _try in range(_RETRIES):
                query = self._select_field(field, _DEPTH, (), [_MOST_FIELDS])
                if query is None:
                    break
                told = self._post_text(f"{{ {query} }}")
                broken = {(of_type, name or method) for of_type, name, method in _BROKEN.findall(told)}
                if broken <= self._broken:
                    break
                self._broken |= broken
            if told is not None:
                yield field["name"], told

    def _select_field(self, field: Mapping[str, Any], depth: int, above: tuple[str, ...], left: list[int]) -> str | None:
        if field["name"] in _LEFT_OUT or left[0] <= 0:
            return None
        if ("", field["name"]) in self._broken:
            return None
        values = {each["name"]: self._value_of(each) for each in field["args"]}
        given = [f"{name}: {value}" for name, value in values.items() if value is not None]
        must = [each for each in field["args"] if each["type"]["kind"] == "NON_NULL" and not each["defaultValue"]]
        if any(values[each["name"]] is None for each in must):
            return None
        called = field["name"] + (f"({', '.join(given)})" if given else "")
        inner = _innermost(field["type"])
        left[0] -= 1
        if inner["kind"] in ("SCALAR", "ENUM"):
            return called
        if depth == 0 or inner["name"] in above:
            return None
        selection = self._select_type(inner["name"], depth - 1, (*above, inner["name"]), left)
        return f"{called} {{ {selection} }}"

    def _select_type(self, name: str, depth: int, above: tuple[str, ...], left: list[int]) -> str:
        of_type = self._types[name]
        if of_type["kind"] in ("UNION", "INTERFACE"):
            parts = [
                f"... on {each['name']} {{ {self._select_type(each['name'], depth, (*above, each['name']), left)} }}"
                for each in of_type["possibleTypes"]
            ]
        else:
            # A field of one name may have different types in the parts of a union, so that each gets a name of its own.
            fields = [each for each in of_type["fields"] or () if (name, each["name"]) not in self._broken]
            selected = [(each, self._select_field(each, depth, above, left)) for each in fields]
            parts = [f"{name}_{each['name']}: {text}" for each, text in selected if text is not None]
        return " ".join(["__typename", *parts])

    def _value_of(self, argument: Mapping[str, Any]) -> str | None:
        return self._arguments.get(_innermost(argument["type"])["name"]) or self._arguments.get(argument["name"])

    def _post_text(self, query: str) -> str:
        with requests.Session() as http:
            http.trust_env = False
            return http.post(f"{self._url}/graphql", json={"query": query}, timeout=_LIMIT_S).text

    def _post(self, query: str) -> Any:
        with requests.Session() as http:
            http.trust_env = False
            return http.post(f"{self._url}/graphql", json={"query": query}, timeout=_LIMIT_S).json()


def _innermost(of_type: Mapping[str, Any]) -> Mapping[str, Any]:
    while of_type.get("ofType"):
        of_type = of_type["ofType"]
    return of_type
