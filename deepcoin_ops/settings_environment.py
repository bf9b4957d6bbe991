"""The environment of this process, as the settings read it: a mapping whose text tells nothing.

`os.environ` shows every value to whoever shows a variable that holds it, and crash reporters show the variables of every
frame.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping


class _Environment(Mapping[str, str]):
    """The variables as they are when they are asked for."""

    def __getitem__(self, name: str) -> str:
        return os.environ[name]

    def __iter__(self) -> Iterator[str]:
        return iter(os.environ)

    def __len__(self) -> int:
        return len(os.environ)

    def __repr__(self) -> str:
        return "the environment (values not shown)"


ENVIRONMENT: Mapping[str, str] = _Environment()
