"""Which lists of instruments an account may have. Pure: what the file says comes in, ids and problems go out."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from pydantic_core import InitErrorDetails

from deepcoin_ops.domain.model import ProductGroup, product_group_of
from deepcoin_ops.settings_problems import Location, describe, did_you_mean, problem

_SAMPLES = "an upper-case instrument id such as BTC-USDT-SWAP, ETH-USD-SWAP or BTC-USDT"
_KEYS = ("instrument", "product_group")


def check_instruments(items: object, may_close_spot: bool) -> tuple[tuple[str, ...], list[InitErrorDetails]]:
    """Check the instruments of one account, each alone and against the others.

    Args:
        items: What the file says: ids, or mappings of `instrument` and `product_group`.
        may_close_spot: Whether the account lets spot holdings be sold.

    Returns:
        The ids in the file's order, and the problems with their paths below the list.
    """
    if not isinstance(items, list) or not items:
        return (), [problem("a list of at least one instrument", describe(items))]
    first_index, problems = _read_items(items)
    for instrument_id, index in first_index.items():
        if product_group_of(instrument_id) is ProductGroup.SPOT and not may_close_spot:
            cure = "set close_spot: true if the whole holding may be sold, else remove it (-SWAP names a contract)"
            problems.append(problem("no spot instrument while close_spot is off", instrument_id, cure, (index,)))
    return tuple(first_index), problems


def check_expected(items: object, configured: Collection[str]) -> tuple[tuple[str, ...], list[InitErrorDetails]]:
    """Check the instruments in which an account is expected to hold a position at the end of the day.

    Args:
        items: What the file says: ids, or mappings as in the list of instruments.
        configured: The account's instruments, which are closed.

    Returns:
        The ids in the file's order, and the problems with their paths below the list.
    """
    if items == () or items is None:
        return (), []
    if not isinstance(items, list):
        return (), [problem("a list of instruments, which may be empty", describe(items))]
    first_index, problems = _read_items(items)
    for instrument_id, index in first_index.items():
        if instrument_id in configured:
            remedy = "remove it here if it is to be closed, else from instruments"
            problems.append(problem("an instrument that is never closed", f"{instrument_id}, configured", remedy, (index,)))
    return tuple(first_index), problems


def _read_items(items: list[object]) -> tuple[dict[str, int], list[InitErrorDetails]]:
    """The good ids of a list, each with where it stands first, and what is wrong with the items."""
    first_index: dict[str, int] = {}
    problems = []
    for index, item in enumerate(items):
        instrument_id, item_problems = _read_item(index, item)
        problems += item_problems
        if instrument_id in first_index:
            also = f"{instrument_id} at [{first_index[instrument_id]}] already"
            problems.append(problem("each instrument once", also, "remove one of the two", at=(index,)))
        elif instrument_id is not None:
            first_index[instrument_id] = index
    return first_index, problems


def _read_item(index: int, item: object) -> tuple[str | None, list[InitErrorDetails]]:
    """The instrument id of one list item, None when it has no good one, and what is wrong with the item."""
    if isinstance(item, str):
        return _check_id(item, (index,))
    if not isinstance(item, dict):
        return None, [problem(_SAMPLES, describe(item), at=(index,))]
    problems = [
        problem("one of the keys instrument, product_group", "another", did_you_mean(key, _KEYS), (index, str(key)))
        for key in item
        if key not in _KEYS
    ]
    instrument_id, id_problems = _check_id(item.get("instrument"), (index, "instrument"))
    return instrument_id, problems + id_problems + _check_product_group(item, instrument_id, (index, "product_group"))


def _check_id(found: object, at: Location) -> tuple[str | None, list[InitErrorDetails]]:
    if isinstance(found, str) and _is_instrument_id(found):
        return found, []
    respelled = re.sub(r"[_/: ]+", "-", str(found).strip()).upper()
    cure = f"did you mean {respelled}?" if isinstance(found, str) and _is_instrument_id(respelled) else ""
    return None, [problem(_SAMPLES, describe(found), cure, at)]


def _is_instrument_id(text: str) -> bool:
    try:
        product_group_of(text)
    except ValueError:
        return False
    return True


def _check_product_group(item: Mapping[object, object], instrument_id: str | None, at: Location) -> list[InitErrorDetails]:
    found = item.get("product_group")
    if found is None:
        return []
    if found not in list(ProductGroup):
        return [problem("Spot, Swap or SwapU", describe(found), did_you_mean(found, list(ProductGroup)), at)]
    if instrument_id is None or found == product_group_of(instrument_id):
        return []
    # The exchange may look in the wrong product, find nothing, and answer as if all were closed.
    fitting = f"{product_group_of(instrument_id)}, which {instrument_id} belongs to"
    return [problem(fitting, describe(found), "mend the one that is wrong", at)]
