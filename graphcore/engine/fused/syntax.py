"""The first pass: find the syntax tree of a function, and prove that it is the function's own.

A file may have changed since it was imported, and several lambdas may stand in one line. So the
file's text is compiled once more: a tree is given only if a code object that is equal to the
function's own comes out of it. Text comes from `linecache`, which also holds notebook cells.
"""

import ast
import linecache
import warnings
from collections.abc import Iterator
from types import CodeType, FunctionType

from graphcore.parsing import parse

Function = ast.FunctionDef | ast.Lambda
_Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_Span = tuple[int | None, int | None, int | None, int | None]


class SourceFile:
    """The functions in a file's text.

    Args:
        text: what the file holds.
        name: its name, for messages of the compiler.
    """

    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self._parents: dict[ast.AST, ast.AST] = {}
        self._by_line: dict[int, list[Function]] = {}
        self._codes: set[CodeType] = set()
        self._rebound: set[str] = set()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Python has told them when it was imported
                tree = parse(text)
                self._codes.update(_codes(compile(text, name, "exec", dont_inherit=True)))
        except (SyntaxError, ValueError):  # text that never was this module
            return
        for node in ast.walk(tree):
            if isinstance(node, ast.Global):
                self._rebound.update(node.names)
            for child in ast.iter_child_nodes(node):
                self._parents[child] = node
            if isinstance(node, ast.FunctionDef):
                first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
                self._by_line.setdefault(first, []).append(node)
            elif isinstance(node, ast.Lambda):
                self._by_line.setdefault(node.lineno, []).append(node)

    def find(self, code: CodeType) -> Function | None:
        """Return the function from which this code was compiled, `None` where there is doubt."""
        if code not in self._codes:
            return None
        found = [each for each in self._by_line.get(code.co_firstlineno, ()) if _fits(each, code)]
        if len(found) > 1:
            spans = set(code.co_positions())
            found = [each for each in found if _span(each) in spans]
        return found[0] if len(found) == 1 else None

    def rebinds_global(self, name: str) -> bool:
        """Return whether a function of the file may bind a global variable anew."""
        return name in self._rebound

    def bound_once(self, name: str, function: Function) -> bool:
        """Return whether a free variable of the function is bound in one place, and there once."""
        scope = self._parents.get(function)
        while scope is not None:
            if isinstance(scope, _Scope):
                bindings = list(_bindings(scope, name))
                if bindings:
                    return len(bindings) == 1 and not self._repeats(bindings[0], scope)
            scope = self._parents.get(scope)
        return False

    def _repeats(self, binding: ast.AST, scope: ast.AST) -> bool:
        """Return whether a binding is one that may happen again in the same call of its scope."""
        node: ast.AST | None = binding
        while node is not None and node is not scope:
            if isinstance(node, ast.For | ast.AsyncFor | ast.While | ast.comprehension):
                return True
            node = self._parents.get(node)
        return False


_files: dict[str, SourceFile] = {}


def file_of(function: FunctionType) -> SourceFile | None:
    """Return the file that holds a function, `None` where its text is not to be had."""
    name = function.__code__.co_filename
    text = "".join(linecache.getlines(name, function.__globals__))
    if not text:
        return None
    file = _files.get(name)
    if file is None or file.text != text:
        file = _files[name] = SourceFile(text, name)
    return file


def tree_of(function: FunctionType) -> Function | None:
    """Return a function's syntax tree, `None` where it cannot be proved to be its own."""
    file = file_of(function)
    return None if file is None else file.find(function.__code__)


def is_mangled(name: str) -> bool:
    """Return whether Python gives an attribute of this name another one inside a class."""
    return name.startswith("__") and not name.endswith("__")


def _codes(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)


def _fits(function: Function, code: CodeType) -> bool:
    name = "<lambda>" if isinstance(function, ast.Lambda) else function.name
    arguments = function.args
    names = [each.arg for each in (*arguments.posonlyargs, *arguments.args)]
    return name == code.co_name and tuple(names) == code.co_varnames[: code.co_argcount]


def _span(function: Function) -> _Span:
    """Return where the value that the function returns stands."""
    body = function.body if isinstance(function, ast.Lambda) else function
    return body.lineno, body.end_lineno, body.col_offset, body.end_col_offset


def _bindings(scope: _Scope, name: str) -> Iterator[ast.AST]:
    """Yield what binds a name of a scope, in it or, as `nonlocal`, in a function inside it."""
    arguments = scope.args
    every = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    every += [each for each in (arguments.vararg, arguments.kwarg) if each is not None]
    yield from (each for each in every if each.arg == name)
    body = scope.body if isinstance(scope.body, list) else [scope.body]
    for statement in body:
        yield from _bindings_in(statement, name)


def _bindings_in(node: ast.AST, name: str) -> Iterator[ast.AST]:
    if isinstance(node, ast.Name):
        if node.id == name and not isinstance(node.ctx, ast.Load):
            yield node
        return
    if isinstance(node, _Scope | ast.ClassDef):
        if getattr(node, "name", None) == name:
            yield node
        inner = [each for each in ast.walk(node) if isinstance(each, ast.Nonlocal)]
        if any(name in each.names for each in inner):
            # More than one, so that it counts as bound again.
            yield from (node, node)
        return
    if isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            if (alias.asname or alias.name.partition(".")[0]) == name:
                yield node
    if isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name == name:
        yield node
    if isinstance(node, ast.MatchMapping) and node.rest == name:
        yield node
    for child in ast.iter_child_nodes(node):
        yield from _bindings_in(child, name)
