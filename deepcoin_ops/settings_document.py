"""The settings file as a person wrote it: its keys, and the line each stands on.

What a key means and which values are good does not live here (`settings_model`), nor does the environment (`settings`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml

from deepcoin_ops.domain.errors import SettingsError
from deepcoin_ops.settings_problems import Location, describe, dotted, sentence
from deepcoin_ops.settings_yaml import find_text_problem, load_strictly


@dataclass(frozen=True)
class SettingsDocument:
    """A parsed settings file.

    `lines` maps the path of a key to its line, from 1; `problems` holds what is wrong whatever the keys mean.
    """

    path: Path
    content: Mapping[object, object]
    lines: Mapping[Location, int]
    problems: tuple[str, ...]

    def problem(self, location: Location, text: str) -> str:
        """One line about one key: the file, the nearest line that is known, the path to the key, and the text."""
        known = next((location[:end] for end in range(len(location), 0, -1) if location[:end] in self.lines), ())
        line = self.lines.get(known, 1)
        return f"{self.path}:{line}: {dotted(location)}: {text}" if location else f"{self.path}:{line}: {text}"


def read_document(path: Path) -> SettingsDocument:
    """Read a settings file from the disk.

    Args:
        path: The file.

    Returns:
        Its content, as far as YAML alone can judge it.

    Raises:
        SettingsError: One line: the file is missing, unreadable, not YAML, or not a mapping at its top.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")  # not read_text, which hides what ends a line
    except FileNotFoundError:
        cure = "create it, or name another file in DEEPCOIN_OPS_SETTINGS"
        raise SettingsError(f"{path}: expected a settings file, found none; {cure}") from None
    except OSError as error:
        cure = "the user that runs this needs to read it"
        raise SettingsError(f"{path}: expected a readable file, found {error.strerror}; {cure}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: expected UTF-8 text, found other bytes at offset {error.start}") from None
    problem = find_text_problem(text)
    if problem is not None:
        raise SettingsError(f"{path}:{problem.line}: {sentence(problem.expected, problem.found, problem.cure)}")
    try:
        root, content = load_strictly(text)
    except yaml.MarkedYAMLError as error:
        # Only the parser's own words: its full message quotes the line, and a line may hold a secret.
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SettingsError(f"{path}:{line}: expected YAML, found a fault: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError):
        raise SettingsError(f"{path}: expected YAML, found text that cannot be read as such") from None
    if not isinstance(content, dict):
        raise SettingsError(f"{path}:1: expected a mapping of keys at the top, found {describe(content)}")
    lines, problems = _index(root, path)
    return SettingsDocument(path, content, lines, problems)


def _index(root: yaml.Node | None, path: Path) -> tuple[dict[Location, int], tuple[str, ...]]:
    """The line of each key, and a problem for each key that is written twice.

    YAML parsers silently keep the last of two equal keys, and an operator may be looking at the other one.
    """
    lines: dict[Location, int] = {}
    problems = []
    for location, line in _walk(root, (), set()):
        if location in lines:
            text = sentence("this key once", f"it again after line {lines[location]}", "remove one of the two")
            problems.append(f"{path}:{line}: {dotted(location)}: {text}")
        lines.setdefault(location, line)
    return lines, tuple(problems)


def _walk(node: yaml.Node | None, location: Location, seen: set[int]) -> Iterator[tuple[Location, int]]:
    """Every key and list item below a node with its line; a key that is written twice comes twice."""
    if node is None or id(node) in seen:  # an alias of what was walked already, maybe of its own parent
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        children = [(key.value, key, value) for key, value in node.value if isinstance(key, yaml.ScalarNode)]
    elif isinstance(node, yaml.SequenceNode):
        children = [(index, value, value) for index, value in enumerate(node.value)]
    else:
        return
    names: set[str | int] = set()
    for name, start, value in children:
        yield (*location, name), start.start_mark.line + 1
        if name not in names:  # below a second key of the same name, every key would look like a second one
            yield from _walk(value, (*location, name), seen)
        names.add(name)
