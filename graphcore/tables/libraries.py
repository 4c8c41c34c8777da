"""The libraries of the `tables` extra, imported when they are first used."""

from importlib import import_module
from typing import Any

from graphcore.errors import RunError


def tables_module(name: str) -> Any:
    """Return a module of pyarrow, polars or pandas.

    Raises:
        RunError: if it is not installed.
    """
    try:
        return import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise RunError(f"this needs {package}: pip install 'graphcore[tables]'") from error
