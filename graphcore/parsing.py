"""Parses Python text while other threads may parse as well.

CPython 3.11 counts the depth of the trees that it builds for all threads together (gh-106905).
Parsing in one thread may fail with a SystemError because another parses, if only to print a
traceback: it is tried again.
"""

import ast
import sys
from typing import Any

_TRIES = 100


def parse(text: str, mode: str = "exec") -> Any:
    """Return the tree of a text, as `ast.parse` does.

    Raises:
        SyntaxError, ValueError: if the text is not Python.
    """
    for _ in range(_TRIES if sys.version_info < (3, 12) else 0):
        try:
            return ast.parse(text, mode=mode)
        except SystemError:
            continue
    return ast.parse(text, mode=mode)
