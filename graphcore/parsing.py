"""Parsing of Python text, which other threads may be doing at the same time.

CPython 3.11 counts the depth of the trees that it builds for all threads together (gh-106905), so
that one may fail because another, which may only be printing a traceback, was let in between.
"""

import ast
import sys
from typing import Any

_TRIES = 100


def parse(text: str, mode: str = "exec") -> Any:
    """Return the tree of a text, as `ast.parse` does.

    Raises:
        SyntaxError, ValueError: if it is no Python.
    """
    for _ in range(_TRIES if sys.version_info < (3, 12) else 0):
        try:
            return ast.parse(text, mode=mode)
        except SystemError:
            continue
    return ast.parse(text, mode=mode)
