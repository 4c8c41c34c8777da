"""A statement does the same in the fused function as in Python, at the same time and as often."""

from collections.abc import Callable
from typing import Any

import pytest

import graphcore as gc
from tests.differential.attacks.texts import fed, node_class, run_text
from tests.differential.both import agree

# Arguments are evaluated where the call is reached


@gc.node(valid="any")
class Guarded(gc.MutableNode[Any]):
    a: gc.Active[Any]
    b: gc.Active[Any]
    function: Any

    def cycle(self, state: gc.GraphState) -> bool:
        if state.valid(self.b):
            self.value = self.function(self.a.value, self.b.value)
        else:
            self.value = self.a.value
        return True


@gc.node(valid="any")
class GuardedByAnExpression(gc.MutableNode[Any]):
    a: gc.Active[Any]
    b: gc.Active[Any]
    function: Any

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = state.valid(self.b) and self.function(self.a.value, self.b.value)
        return True


@gc.node(valid="any")
class GuardedByAChoice(gc.MutableNode[Any]):
    a: gc.Active[Any]
    b: gc.Active[Any]
    function: Any

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.function(self.a.value, self.b.value) if state.valid(self.b) else None
        return True


@gc.node(valid="any")
class GuardedByAReturn(gc.MutableNode[Any]):
    a: gc.Active[Any]
    b: gc.Active[Any]
    function: Any

    def cycle(self, state: gc.GraphState) -> bool:
        if not state.valid(self.b):
            self.value = None
            return True
        self.value = self.function(self.a.value, self.b.value)
        return True


@pytest.mark.parametrize(
    ("cls", "first"),
    [
        (Guarded, 1),
        (GuardedByAnExpression, False),
        (GuardedByAChoice, None),
        (GuardedByAReturn, None),
    ],
)
def test_a_call_that_is_guarded_by_valid_reads_nothing_too_early(cls: Any, first: Any) -> None:
    def wire() -> Any:
        a, b = gc.replay([(1, 1), (2, 2)]), gc.replay([(2, 5)])
        return gc.Stream(cls(a, b, lambda a, b: a + b)).collect()

    assert agree(wire) == [[first, 7]]


@gc.node
class Folds(gc.MutableNode[Any]):
    source: gc.Active[Any]
    function: Any
    begun: bool = gc.state(False)

    def cycle(self, state: gc.GraphState) -> bool:
        if self.begun:
            self.value = self.function(self.value, self.source.value)
        else:
            self.value = self.source.value
        self.begun = True
        return True


@pytest.mark.parametrize(
    "function", [lambda a, b: a + b, lambda a, b: b, lambda a, b, k=1: a * b * k, max]
)
def test_a_node_hands_its_own_value_on_from_the_second_tick_on(function: Any) -> None:
    wire = lambda: gc.Stream(Folds(gc.from_iterable([1, 2, 3]), function)).collect()  # noqa: E731
    assert len(agree(wire)[0]) == 3


def test_arguments_are_evaluated_once_and_in_order() -> None:
    @gc.node
    class Steps(gc.MutableNode[Any]):
        source: gc.Active[Any]
        function: Any
        n: int = gc.state(0)

        def step(self) -> int:
            self.n += 1
            return self.n

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = self.function(self.n, self.step(), self.n, self.step())
            return True

    def wire() -> Any:
        node = Steps(gc.from_iterable([1, 2]), lambda a, b, c, d: (d, c, b, a, b))
        return gc.Stream(node).collect()

    assert agree(wire) == [[(2, 1, 1, 0, 1), (4, 3, 3, 2, 3)]]


# Statements


def over(*cycle: str, **names: Any) -> list[Any]:
    """Return what a node with a list of inputs ticks with, whose `cycle` has these lines."""
    lines = ["@gc.node", "class N(gc.MutableNode):", "    srcs: list[gc.Active[object]]"]
    lines += ["    def cycle(self, state):", *[f"        {line}" for line in cycle]]
    cls = run_text("\n".join([*lines, "        return True", ""]), **names)["N"]

    def wire() -> Any:
        return gc.Stream(cls([gc.from_iterable([1, 2]), gc.from_iterable([3, 4])])).collect()

    return agree(wire)[0]


def test_the_variable_of_a_loop_over_inputs_after_the_loop() -> None:
    seen = over(
        "last, total = None, 0",
        "for last in self.srcs: total += last.value",
        "self.value = (total, last is None, last is self.srcs[-1])",
    )
    assert seen == [(4, False, True), (6, False, True)]


_LOOPS = {
    "else": [
        "for s in self.srcs:",
        "    if s.value == 4: break",
        "else: s = None",
        "self.value = s is None",
    ],
    "enumerate": ["i = -1", "for i, s in enumerate(self.srcs): pass", "self.value = (i, s.value)"],
    "zip": ["for s, k in zip(self.srcs, (5, 6, 7)): n = s.value * k", "self.value = (n, k)"],
    "comprehension": ["s = 0", "x = [s.value for s in self.srcs]", "self.value = (s, x)"],
    "continue": [
        "n = 0",
        "for s in self.srcs:",
        "    if s.value % 3 == 0: continue",
        "    n += s.value",
        "self.value = (n, s.value)",
    ],
    "the variable rebound": [
        "for s in self.srcs:",
        "    v = s.value",
        "    s = v",
        "self.value = s",
    ],
    "the variable deleted": [
        "for s in self.srcs: v = s.value",
        "del s",
        "try: self.value = s",
        "except NameError as error: self.value = str(error)",
    ],
    "nested": ["self.value = [(a.value, b.value) for a in self.srcs for b in self.srcs]"],
    "reversed": ["self.value = [s.value for s in reversed(self.srcs)]"],
    "slice": ["for s in self.srcs[1:]: self.value = s.value"],
    "the list changed": [
        "for s in self.srcs:",
        "    self.srcs.reverse()",
        "    self.value = s.value",
    ],
    "called in the loop": [
        "f = []",
        "for s in self.srcs: f.append(lambda: s.value)",
        "self.value = [g() for g in f]",
    ],
}


@pytest.mark.parametrize("loop", _LOOPS)
def test_a_loop_over_inputs(loop: str) -> None:
    assert len(over(*_LOOPS[loop])) >= 1


@pytest.mark.parametrize("name", ["bool", "len", "sum", "range", "zip", "enumerate", "isinstance"])
def test_a_builtins_name_that_means_another_thing(name: str) -> None:
    text = f"""
def make():
    {name} = lambda *given: 7
    @gc.node
    class N(gc.MutableNode):
        src: gc.Active[object]
        def cycle(self, state):
            self.value = ({name}(self.src.value) is True, {name}(self.src.value))
            return True
    return N
"""
    assert fed(run_text(text)["make"](), 1) == [(False, 7)]
    cls = node_class(f"self.value = {name}(self.src.value)", before=f"{name} = lambda *given: 7")
    assert fed(cls, 1) == [7]


@pytest.mark.parametrize(
    "annotation",
    [
        "noting(1).attr: int",
        "noting([0])[noting(0)]: int",
        "(noting(1)).attr: noting('annotation')",
        "x: noting('annotation') = noting(2)",
        "self.value: noting('annotation') = noting(3)",
        "(x): int",
    ],
)
def test_an_annotation_evaluates_what_python_evaluates(annotation: str) -> None:
    log: list[Any] = []

    def noting(x: Any) -> Any:
        log.append(x)
        return x

    def wire() -> Any:
        log.clear()
        cls = node_class(annotation, "self.value = list(log)", log=log, noting=noting)
        return gc.Stream(cls(gc.from_iterable([1, 2]))).collect()

    assert len(agree(wire)[0]) == 2


_STATEMENTS: dict[str, list[str]] = {
    "chained assignment": ["a = self.value = b = self.src.value", "self.value = (a, b)"],
    "augmented subscript": ["x = [1]", "x[0] += self.src.value", "self.value = x"],
    "walrus": ["self.value = [(y := self.src.value), y + 1]"],
    "starred": ["a, *b = self.src.value, 2, 3", "self.value = [*b, a]"],
    "match": [
        "match self.src.value:",
        "    case 1 | 3 as x: self.value = ('odd', x)",
        "    case int(): self.value = 'even'",
    ],
    "f-string": ["self.value = f'{self.src.value!r:>3}{self.src.value=}'"],
    "conditional chain": ["self.value = 0 < self.src.value < 2 != self.src.value"],
    "deletion": ["self.x = 1", "del self.x", "self.value = hasattr(self, 'x')"],
    "global": ["global G", "G = self.src.value", "self.value = globals()['G']"],
    "with": [
        "import contextlib",
        "with contextlib.suppress(KeyError): {}[1]",
        "self.value = self.src.value",
    ],
    "try": [
        "try: self.value = 1 // (self.src.value - 1)",
        "except ZeroDivisionError as error: self.value = str(error)",
        "else: self.value = (self.value, 'else')",
        "finally: self.value = (self.value, 'finally')",
    ],
    "return in finally": ["try: self.value = self.src.value", "finally: return True"],
    "nested function": [
        "n = 0",
        "def add(k):",
        "    nonlocal n",
        "    n += k + self.src.value",
        "    return n",
        "self.value = (add(1), add(2), n)",
    ],
    "nested class": [
        "class Inner:",
        "    x = self.src.value",
        "    y = [x for _ in 'a'] if False else x",
        "self.value = Inner.y",
    ],
    "locals()": ["a = self.src.value", "self.value = sorted(locals())"],
    "super": ["self.value = super().name is self.name"],
    "__class__": ["self.value = __class__.__name__"],
    "type(self)": ["self.value = (type(self).__name__, self.__class__ is type(self))"],
    "isinstance": ["self.value = isinstance(self, gc.MutableNode)"],
    "assertion": ["assert self.src.value, 'zero'", "self.value = 1"],
    "own value deleted": [
        "self.value = 1",
        "del self.value",
        "self.value = hasattr(self, 'value')",
    ],
    "self under another name": ["me = self", "me.value = me.src.value", "self = None"],
    "state under another name": ["now = state", "self.value = (now.time, now.ticked(self.src))"],
    "methods of state kept": ["t = state.ticked", "self.value = (t(self.src), state.elapsed)"],
    "while with else": [
        "n = 0",
        "while n < self.src.value:",
        "    n += 1",
        "    if n == 5: break",
        "else: n = -n",
        "self.value = n",
    ],
    "early return": ["if self.src.value == 1: return False", "self.value = self.src.value"],
    "generator expression": ["self.value = sum(self.src.value for _ in range(3))"],
    "set and dict": ["self.value = {self.src.value: {self.src.value}}"],
    "vars(self)": ["self.x = 1", "vars(self)['x'] += 1", "self.value = self.x"],
    "__dict__ replaced": ["self.__dict__ = dict(self.__dict__)", "self.value = self.src.value"],
    "exec": ["names = {'v': self.src.value}", "exec('v += 1', names)", "self.value = names['v']"],
    "attribute of a number": ["self.value = self.src.value.real + (1).imag"],
    "backslashes and docstring": ["'''a\\nb'''", "self.value = 'a\\tb' \\", "    'c'"],
    "semicolons": ["a = 1; self.value = a; a = 2"],
    "ellipsis and names": ["...", "self.src", "self.value = __debug__"],
}


@pytest.mark.parametrize("statement", _STATEMENTS)
def test_a_statement_means_what_python_says(statement: str) -> None:
    assert fed(node_class(*_STATEMENTS[statement]), 1, 2, 3)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "default": lambda v, k=[]: (k.append(v), list(k)),
    "inner lambda": lambda v: (lambda w: w + v)(1),
    "comprehension": lambda v: [v for v in range(v)],
    "shadow": lambda v: (lambda v: v)(2) + v,
    "walrus": lambda v: [(w := v), w],
    "locals": lambda v: sorted(locals()),
    "conditional": lambda v: v if v > 1 else None,
    "star": lambda *v: v,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_means_what_python_says(name: str) -> None:
    def wire() -> Any:
        if name == "default":
            return gc.from_iterable([1, 2]).map(lambda v, k=[]: (k.append(v), len(k))).collect()
        return gc.from_iterable([1, 2]).map(FUNCTIONS[name]).collect()

    assert len(agree(wire)[0]) == 2
