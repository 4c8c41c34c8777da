"""Pass 1: locate the syntax tree of a function, and prove that the function was compiled from it.

A file may have changed since it was imported, and several lambdas may stand on one line. So the
text is compiled once more: a tree counts only if the compiler makes from it a code object equal to
the function's. Of a function of a module or of a method, the lines of that function are enough, and
take a tenth of the time; for lambdas and functions inside functions, the whole file is compiled.
The text comes from `linecache`, which holds notebook cells as well.
"""

import __future__

import ast
import linecache
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import cached_property
from itertools import takewhile
from types import CodeType, FunctionType
from typing import Any

from graphcore.parsing import parse, walk, without_warnings

Function = ast.FunctionDef | ast.Lambda
_Scope = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_Span = tuple[int | None, int | None, int | None, int | None]


_OF_CODE = (
    *("co_name", "co_firstlineno", "co_flags", "co_code", "co_linetable", "co_exceptiontable"),
    *("co_names", "co_varnames", "co_freevars", "co_cellvars"),
    *("co_argcount", "co_posonlyargcount", "co_kwonlyargcount"),
)
_DEFINING = ("@", "class ", "def ", "async ")
_FUTURE = 0
for _name in __future__.all_feature_names:
    _FUTURE |= getattr(__future__, _name).compiler_flag


class SourceFile:
    """The functions in a file's text.

    Args:
        text: the content of the file.
        name: its name, for messages of the compiler.

    Attributes:
        text: the content of the file.
        lines: the list of lines that `linecache` holds; the same list means the same text.
        inlined: results of pass 5 for the functions in this text, by their code.
    """

    def __init__(self, text: str, name: str) -> None:
        self.text = text
        self.lines: list[str] = []
        self.inlined: dict[CodeType, Any] = {}
        self._name = name
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._trees: dict[int, Function | None] = {}

    @cached_property
    def _whole(self) -> "_Whole":
        """The whole file, which a graph of graphcore's own operators does not need."""
        return _Whole(self.text, self._name, self._number)

    def find(self, code: CodeType) -> Function | None:
        """Return the function from which this code was surely compiled, otherwise `None`."""
        number = self._number(code)
        if number not in self._trees:
            self._trees[number] = self._alone(code) or self._whole.find(code)
        return self._trees[number]

    def _alone(self, code: CodeType) -> Function | None:
        """Return the tree of a function of the module or of a class there, from its lines alone.

        `None` if these lines are not such a function, or may not be all of its lines.
        """
        around, _, name = code.co_qualname.rpartition(".")
        first = code.co_firstlineno
        if not name.isidentifier() or not (around.isidentifier() or not around) or first < 3:
            return None
        lines = self._lines_of(code)
        if not lines:
            return None
        # On the lines and columns where the file has them, and inside of a class of this name.
        # CPython's code for a call of a name's method differs if the module imports the name.
        imported = self._imported.intersection((*code.co_varnames, *code.co_names))
        header = [f"import {', '.join(imported)}\n" if imported else "\n"]
        header.append(f"class {around}:\n" if around else "\n")
        text = "".join(("\n" * (first - 3), *header, *lines))
        try:
            with without_warnings():
                tree = parse(text)
                flags = code.co_flags & _FUTURE
                made = compile(tree, self._name, "exec", flags, dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return None
        *_, found = tree.body
        if around:
            *_, found = found.body
        numbers = map(self._number, _codes(made))
        return found if type(found) is ast.FunctionDef and self._number(code) in numbers else None

    @cached_property
    def _imported(self) -> frozenset[str]:
        """The names that the file imports before its first function or class."""
        lines = takewhile(lambda line: not line.startswith(_DEFINING), self.lines)
        try:
            with without_warnings():
                body = parse("".join(lines)).body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return frozenset()
        imports = (each for each in body if isinstance(each, ast.Import | ast.ImportFrom))
        aliases = (alias for each in imports for alias in each.names)
        return frozenset((each.asname or each.name).partition(".")[0] for each in aliases)

    def _lines_of(self, code: CodeType) -> list[str]:
        """Return the lines of a `def`: those that are indented deeper follow it."""
        first = code.co_firstlineno - 1
        lines = self.lines[first:]
        if not lines or not lines[0].lstrip().startswith("def "):
            return []
        last = max(end for _, end, _, _ in code.co_positions() if end is not None) - first
        depth = _indent(lines[0])
        while last < len(lines) and (not lines[last].strip() or _indent(lines[last]) > depth):
            last += 1
        return lines[:last]

    def _number(self, code: CodeType) -> int:
        """Return a number that is the same for equal code objects.

        Comparing code objects directly takes exponential time: CPython compares the functions
        inside a function twice, and the functions inside those four times.
        """
        constants = (
            self._number(each) if isinstance(each, CodeType) else (type(each), repr(each))
            for each in code.co_consts
        )
        key = (*(getattr(code, name) for name in _OF_CODE), *constants)
        return self._numbers.setdefault(key, len(self._numbers))

    def rebinds_global(self, name: str) -> bool:
        """Return whether a function of the file declares this name `global`."""
        return name in self._whole.rebound

    def may_delete(self, name: str) -> bool:
        """Return whether some code in the file may delete a variable of this name."""
        return name in self._whole.deleted

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield what stands around a part of the tree, the innermost first."""
        return self._whole.around(node)

    def bound_once(self, name: str, function: Function) -> bool:
        """Return whether a function's free variable is assigned once in each call of its scope."""
        return self._whole.bound_once(name, function)


class _Whole:
    """The functions in the whole text of a file.

    Args:
        text: the content of the file.
        name: its name, for messages of the compiler.
        number: returns a number for a code object, the same for equal ones.

    Attributes:
        deleted: the names of variables that some code may delete.
        rebound: the names that a function declares `global`.
    """

    def __init__(self, text: str, name: str, number: Callable[[CodeType], int]) -> None:
        self.deleted: set[str] = set()
        self.rebound: set[str] = set()
        self._number = number
        self._parents: dict[ast.AST, ast.AST] = {}
        self._by_line: dict[int, list[Function]] = {}
        self._codes: set[int] = set()
        try:
            with without_warnings():
                tree = parse(text)
                codes = _codes(compile(text, name, "exec", dont_inherit=True))
                self._codes.update(map(number, codes))
        except (SyntaxError, ValueError, RecursionError, MemoryError):  # not this module's text
            return
        for node in walk(tree):
            if isinstance(node, ast.Global):
                self.rebound.update(node.names)
            elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Del):
                self.deleted.add(node.id)
            elif isinstance(node, ast.ExceptHandler) and node.name:
                self.deleted.add(node.name)  # Python deletes it after the handler
            for child in ast.iter_child_nodes(node):
                self._parents[child] = node
            if isinstance(node, ast.FunctionDef):
                first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
                self._by_line.setdefault(first, []).append(node)
            elif isinstance(node, ast.Lambda):
                self._by_line.setdefault(node.lineno, []).append(node)

    def find(self, code: CodeType) -> Function | None:
        """Return the function from which this code was surely compiled, otherwise `None`."""
        if self._number(code) not in self._codes:
            return None
        found = [each for each in self._by_line.get(code.co_firstlineno, ()) if _fits(each, code)]
        if len(found) > 1:
            spans = set(code.co_positions())
            found = [each for each in found if _span(each) in spans]
        return found[0] if len(found) == 1 else None

    def around(self, node: ast.AST) -> Iterator[ast.AST]:
        """Yield what stands around a part of the tree, the innermost first."""
        parent = self._parents.get(node)
        while parent is not None:
            yield parent
            parent = self._parents.get(parent)

    def bound_once(self, name: str, function: Function) -> bool:
        """Return whether a function's free variable is assigned once in each call of its scope."""
        scope = self._parents.get(function)
        while scope is not None:
            if isinstance(scope, _Scope):
                bindings = list(_bindings(scope, name))
                if bindings:
                    return len(bindings) == 1 and not self._repeats(bindings[0], scope)
            scope = self._parents.get(scope)
        return False

    def _repeats(self, binding: ast.AST, scope: ast.AST) -> bool:
        """Return whether a binding may happen again in the same call of its scope."""
        node: ast.AST | None = binding
        while node is not None and node is not scope:
            if isinstance(node, ast.For | ast.AsyncFor | ast.While | ast.comprehension):
                return True
            node = self._parents.get(node)
        return False


_MOST_FILES = 64
_files: OrderedDict[str, SourceFile] = OrderedDict()
_files_lock = threading.Lock()


def file_of(function: FunctionType) -> SourceFile | None:
    """Return the file that holds a function, `None` where its source is not available."""
    name = function.__code__.co_filename
    lines = linecache.getlines(name, function.__globals__)
    if not lines:
        return None
    with _files_lock:
        file = _files.get(name)
        if file is not None and file.lines is lines:
            return file
        text = "".join(lines)
        if file is None or file.text != text:
            file = _files[name] = SourceFile(text, name)
        file.lines = lines
        _files.move_to_end(name)
        while len(_files) > _MOST_FILES:
            _files.popitem(last=False)
        return file


def is_mangled(name: str) -> bool:
    """Return whether Python renames an identifier like this inside a class (name mangling)."""
    return name.startswith("__") and not name.endswith("__")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


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
    """Return the position of a lambda's body or of a whole `def`."""
    body = function.body if isinstance(function, ast.Lambda) else function
    return body.lineno, body.end_lineno, body.col_offset, body.end_col_offset


def _bindings(scope: _Scope, name: str) -> Iterator[ast.AST]:
    """Yield the bindings of a scope's name, also those by `nonlocal` in inner functions."""
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
        inner = [each for each in walk(node) if isinstance(each, ast.Nonlocal)]
        if any(name in each.names for each in inner):
            # Two, so that the name counts as bound more than once.
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
