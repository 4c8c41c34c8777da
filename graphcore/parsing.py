"""Parses Python text while other threads may parse as well.

CPython 3.11 counts the depth of the trees that it builds for all threads together (gh-106905).
So parsing in one thread may raise SystemError while another thread parses, even if that only prints
a traceback. Then it is tried again.
"""

import ast
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Tree = TypeVar("Tree", bound=ast.AST)

_TRIES = 100
_quiet_lock = threading.RLock()


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


def walk(tree: ast.AST) -> list[ast.AST]:
    """Return what `ast.walk` yields, in a third of the time."""
    found = [tree]
    for node in found:  # which grows meanwhile
        for name in node._fields:
            given = getattr(node, name, None)
            if isinstance(given, ast.AST):
                found.append(given)
            elif type(given) is list:
                found += [each for each in given if isinstance(each, ast.AST)]
    return found


def copied(tree: Tree) -> Tree:
    """Return a copy of a tree, in a tenth of the time that `deepcopy` takes."""
    made = type(tree).__new__(type(tree))
    for name, given in vars(tree).items():
        if isinstance(given, ast.AST):
            given = copied(given)
        elif type(given) is list:
            given = [copied(each) if isinstance(each, ast.AST) else each for each in given]
        setattr(made, name, given)
    return made


@contextmanager
def without_warnings() -> Iterator[None]:
    """Compile without warnings: Python showed them when it compiled the user's own file.

    `catch_warnings` saves and restores the filters of the whole process, so two threads that
    compile at once must not interleave: they would restore each other's.
    """
    with _quiet_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
