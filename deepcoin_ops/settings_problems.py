"""How a wrong setting is told to a person: what was expected, what was found, what it should perhaps have been.

One problem is one line, and all of them are told at once. What is right or wrong is not decided here. Found values are
shown, except where a person may have put a secret: behind an unknown key, as a credentials prefix, in a URL.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NoReturn

from pydantic import ValidationError
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from deepcoin_ops.domain.errors import SettingsError

Location = tuple[str | int, ...]

_OWN = "settings_problem"
_LONGEST_FOUND_CHARACTERS = 60
_EXPECTED_BY_TYPE = {
    "bool_type": "true or false",
    "dict_type": "a mapping of keys",
    "float_type": "a number",
    "int_type": "a whole number",
    "invalid_key": "a key that is text",
    "missing": "this key",
    "model_type": "a mapping of keys",
    "string_type": "text, in quotes if it looks like something else",
    "too_short": "at least one",
}
# A word of YAML 1.1, a number with a leading zero or in quotes: all of them are text here.
_CURE_BY_TYPE = {
    "bool_type": "write true or false, in lower case and without quotes",
    "float_type": "write decimal digits with a point, such as 1.5, without quotes, leading zeros, _, : or e",
    "int_type": "write decimal digits alone, such as 10, without quotes, leading zeros, _ or :",
}


def problem(expected: str, found: str, cure: str = "", at: Location = ()) -> InitErrorDetails:
    """One thing that is wrong, `at` a path below the value being validated."""
    context = {"expected": expected, "found": found, "cure": cure}
    return InitErrorDetails(type=PydanticCustomError(_OWN, "wrong setting", context), loc=at, input=None)


def refuse(*problems: InitErrorDetails) -> NoReturn:
    """Refuse the value being validated for all of these reasons, without hiding problems elsewhere in the file.

    Raises:
        ValidationError: Always.
    """
    raise ValidationError.from_exception_data("settings", list(problems))


def told(error: ErrorDetails, known_keys: Callable[[Location], Iterable[str]]) -> tuple[Location, str]:
    """The path to a wrong key or value, and the words about it.

    Args:
        error: One of the problems that a validation found.
        known_keys: Which keys may stand under a path.

    Returns:
        The path from the top of the file, and `expected ..., found ...; cure`.
    """
    location = tuple(part for part in error["loc"] if part != "[key]")
    context = error.get("ctx", {})
    if error["type"] == _OWN:
        return location, sentence(context["expected"], context["found"], context["cure"])
    if error["type"] == "extra_forbidden":
        known = list(known_keys(location[:-1]))
        return location, sentence(f"one of the keys {', '.join(known)}", "another", did_you_mean(location[-1], known))
    if error["type"] == "missing":
        return location, sentence(_EXPECTED_BY_TYPE["missing"], "nothing", "add it")
    expected = _EXPECTED_BY_TYPE.get(error["type"], error["msg"].removeprefix("Input should be "))
    if location[-1] == "credentials_prefix":
        return location, sentence(expected, "something else (not shown, it may be a secret)")
    cure = _CURE_BY_TYPE.get(error["type"], "") if isinstance(error["input"], str) else ""
    return location, sentence(expected, describe(error["input"]), cure)


def sentence(expected: str, found: str, cure: str = "") -> str:
    """Expectation, finding and cure as one line."""
    return f"expected {expected}, found {found}" + (f"; {cure}" if cure else "")


def dotted(location: Location) -> str:
    """A path as a person reads it: `accounts.main.instruments[2]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in location).removeprefix(".")


def describe(value: object) -> str:
    """A found value in a few words, short enough for one line."""
    if value is None:
        return "nothing"
    if isinstance(value, Mapping):
        return "a mapping of keys"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "an empty list" if not value else "a list"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST_FOUND_CHARACTERS else f"{text[:_LONGEST_FOUND_CHARACTERS]}..."


def did_you_mean(found: object, known: Iterable[str], likeness: float = 0.6, prefix: str = "") -> str:
    """A question naming the known word nearest to the found one, whatever its case; empty when none is near.

    Args:
        found: What was written.
        known: What could have been meant.
        likeness: From 0, anything, to 1, equal but for case.
        prefix: What all of them start with and which is no likeness.
    """
    by_folded = {word.casefold(): word for word in known}
    near = difflib.get_close_matches(str(found).casefold(), by_folded, n=1, cutoff=likeness)
    return f"did you mean {prefix}{by_folded[near[0]]}?" if near else ""


def settings_error(problems: Iterable[str]) -> SettingsError:
    """The error that tells all problems at once, what they mean for the positions, and what to do."""
    head = "The settings cannot be used. Nothing was sent and no position was touched. Mend and start again:"
    return SettingsError("\n  ".join([head, *problems]))
