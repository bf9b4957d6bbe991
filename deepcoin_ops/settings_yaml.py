"""YAML as a reader sees it: text in, the parsed tree and its values out, and nothing that looks like something else.

YAML 1.1, which the parser follows by itself, reads `1:30` as 90, `010` as 8, `1_0` as 10, `no` as false and `2026-03-01` as
a date. Here a number is decimal, a switch is `true` or `false`, and all else is text, which the settings then judge.
Source: https://yaml.org/spec/1.2.2/#103-core-schema, and stricter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

import yaml

# The deepest good file has four levels.
_DEEPEST = 16
_LONGEST_CHARACTERS = 1_000_000
# Characters that end a line for a parser and not for an editor, that show text in another order, or that do not show.
_UNSEEN = re.compile(
    "[^\\t\\n\\r\\x20-\\x7e\\xa0-\\U0010ffff]|\\r(?!\\n)|[\\u2028\\u2029\\u202a-\\u202e\\u2066-\\u2069\\ufeff\\ufffe\\uffff]"
)
_NUMBER = "[-+]?(?:0|[1-9][0-9]{0,14})"
_PREFIX = "tag:yaml.org,2002:"
_SCALARS = {
    "null": "~|null|",
    "bool": "true|false",
    "int": _NUMBER,
    "float": rf"{_NUMBER}\.[0-9]{{1,15}}",
}


@dataclass(frozen=True)
class TextProblem:
    """What is wrong with a file before it is parsed, and on which line."""

    line: int
    expected: str
    found: str
    cure: str


def find_text_problem(text: str) -> TextProblem | None:
    """What an editor would not show as the parser reads it; None when there is nothing of the kind."""
    if len(text) > _LONGEST_CHARACTERS:
        found = f"{len(text):,} characters"
        return TextProblem(1, f"YAML of at most {_LONGEST_CHARACTERS:,} characters", found, "name another file")
    unseen = _UNSEEN.search(text)
    if unseen is None:
        return None
    found = f"the character U+{ord(unseen.group()):04X}"
    return TextProblem(text.count("\n", 0, unseen.start()) + 1, "YAML that shows as it is read", found, "remove it")


def load_strictly(text: str) -> tuple[yaml.Node | None, object]:
    """Parse one document.

    Args:
        text: Without what `find_text_problem` finds.

    Returns:
        The tree, for its lines, and the values: mappings, lists, text, decimal numbers, switches and None.

    Raises:
        yaml.YAMLError: It is no YAML, or not a kind that is read here.
    """
    loader = _Loader(text)
    root = loader.get_single_node()
    return root, None if root is None else loader.construct_document(root)


class _Loader(yaml.SafeLoader):
    """The parser without the words and numbers of YAML 1.1, without tags, and with an end to its depth."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        tag = getattr(event, "tag", None)
        if tag is not None:
            raise _fault("a tag, which settings do not have: write the plain value", event.start_mark)
        if self._depth == _DEEPEST:
            raise _fault(f"more than {_DEEPEST} levels inside each other: close a bracket", event.start_mark)
        self._depth += 1
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        if isinstance(node, yaml.ScalarNode) and not node.value.isprintable():
            raise _fault("text with a character that does not show: write it without", node.start_mark)
        return node


def _fault(problem: str, mark: yaml.Mark) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=problem, problem_mark=mark)


def _construct_int(_loader: _Loader, node: yaml.Node) -> int:
    return int(node.value)


def _construct_float(_loader: _Loader, node: yaml.Node) -> float:
    text, number = node.value, float(node.value)
    if Decimal(repr(number)) != Decimal(text):
        raise _fault("more digits than a number keeps: write fewer", node.start_mark)
    return number


_Loader.yaml_implicit_resolvers = {}
for _name, _pattern in _SCALARS.items():
    _Loader.add_implicit_resolver(_PREFIX + _name, re.compile(f"^(?:{_pattern})$", re.ASCII), None)
_Loader.add_constructor(_PREFIX + "float", _construct_float)
_Loader.add_constructor(_PREFIX + "int", _construct_int)
