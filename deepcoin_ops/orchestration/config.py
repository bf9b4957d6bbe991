"""What may be written in the launchpad: plain values, never the name of an environment variable or of a file.

Dagster lets a text of run config be `{env: NAME}` and puts the variable's value in its place. Anybody who sees the page
could have a key read out by an error message that names what was not found. No config model that an op declares by itself
comes without this, so ops declare `schema_of` their model.
"""

from __future__ import annotations

from typing import Any, TypeVar

import dagster as dg
from dagster._config import Array, ConfigType, Noneable  # it has no other way of looking into a field's type
from dagster._config.source import BoolSource, IntSource, StringSource

_Config = TypeVar("_Config", bound=dg.Config)
_PLAIN: dict[ConfigType, Any] = {StringSource: dg.String, IntSource: dg.Int, BoolSource: dg.Bool}


def schema_of(model: type[dg.Config]) -> dict[str, dg.Field]:
    """The fields of a config model, taking plain values only."""
    return {
        name: dg.Field(
            _plain(field.config_type),
            is_required=field.is_required,
            description=field.description,
            **({"default_value": field.default_value} if field.default_provided else {}),
        )
        for name, field in model.to_fields_dict().items()
    }


def read_config(context: dg.OpExecutionContext, model: type[_Config]) -> _Config:
    """The run config of an op that declares the model's schema."""
    return model(**context.op_config)


def _plain(config_type: ConfigType) -> Any:
    if isinstance(config_type, Noneable):
        return dg.Noneable(_plain(config_type.inner_type))
    if isinstance(config_type, Array):
        return dg.Array(_plain(config_type.inner_type))
    return _PLAIN[config_type]


@dg.dagster_type_loader(config_schema=dg.String)
def _load_plain(_context: dg.DagsterTypeLoaderContext, text: str) -> str:
    return text


# Dagster's own text would also be loaded from any file that a launch names, as a pickle, which runs what is in it.
PLAIN_TEXT = dg.DagsterType(
    type_check_fn=lambda _context, value: isinstance(value, str), name="PlainText", loader=_load_plain, typing_type=str
)
