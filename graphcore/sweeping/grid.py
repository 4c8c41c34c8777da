"""The parameter sets of a sweep, from each form of a grid."""

import inspect
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from graphcore.errors import InvalidTypeError, InvalidValueError, shorten
from graphcore.tables.libraries import tables_module

Parameters = dict[str, Any]

_FORMS = "a grid is a dict of lists, a list of dicts, a data frame, or a sampler with ask and tell"
# What pandas calls an index without a name when it makes columns.
_UNNAMED_INDEX = re.compile(r"__index_level_\d+__")


def sets_of(grid: object) -> list[Parameters]:
    """Return the parameter sets of a grid, in order.

    Of a dict of lists these are all combinations; the last parameter varies fastest.

    Raises:
        InvalidTypeError: for anything that is no grid.
        InvalidValueError: if there is no set.
    """
    if hasattr(grid, "__arrow_c_stream__"):
        sets = _rows_of(grid)
    elif isinstance(grid, Mapping):
        sets = _combinations(grid)
    elif isinstance(grid, Iterable) and not isinstance(grid, str | bytes):
        sets = [_named(each, f"set {number}") for number, each in enumerate(grid)]
    else:
        raise InvalidTypeError(f"{_FORMS}, not {shorten(grid)}")
    if not sets:
        raise InvalidValueError("the grid has no sets")
    return sets


def check_parameters(build: Callable[..., Any], sets: Sequence[Parameters]) -> None:
    """Refuse sets that `build` cannot be called with.

    Raises:
        InvalidTypeError: for a parameter that `build` does not take, or one that it lacks.
    """
    try:
        signature = inspect.signature(build)
    except (TypeError, ValueError):  # such as of a class written in C
        return
    seen: set[tuple[str, ...]] = set()
    for number, each in enumerate(sets):
        names = tuple(each)
        if names in seen:
            continue
        seen.add(names)
        try:
            signature.bind(**each)
        except TypeError as error:
            taken = ", ".join(signature.parameters) or "no parameters"
            raise InvalidTypeError(
                f"build takes {taken}, and set {number} of the grid gives "
                f"{', '.join(names) or 'none'}: {error}"
            ) from None


def _combinations(grid: Mapping[Any, Any]) -> list[Parameters]:
    columns: list[list[Any]] = []
    for name, values in _named(grid, "the grid").items():
        if isinstance(values, str | bytes | Mapping) or not isinstance(values, Iterable):
            raise InvalidTypeError(
                f"the grid needs a list of values for {name!r}, not {shorten(values)}"
            )
        found = values.tolist() if hasattr(values, "tolist") else list(values)
        if not found:
            raise InvalidValueError(f"the grid has no values for {name!r}")
        columns.append(found)
    return [dict(zip(grid, each, strict=True)) for each in product(*columns)]


def _rows_of(grid: object) -> list[Parameters]:
    table = tables_module("pyarrow").RecordBatchReader.from_stream(grid).read_all()
    names = [name for name in table.column_names if not _UNNAMED_INDEX.fullmatch(name)]
    rows: list[Parameters] = table.select(names).to_pylist()
    return rows


def _named(given: object, what: str) -> Parameters:
    if not isinstance(given, Mapping):
        raise InvalidTypeError(f"{what} must be a dict of parameters, not {shorten(given)}")
    for name in given:
        if not isinstance(name, str):
            raise InvalidTypeError(f"{what} must have names of parameters as keys, not {name!r}")
    return dict(given)
