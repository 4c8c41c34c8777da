"""Nodes that differ in the statements of their `cycle`."""

import contextlib
import math
from typing import Any

import graphcore as gc
from tests.differential.nodes.shape import shape
from tests.differential.observe import record


@shape("number")
@gc.node
class ReturnsOnAllPaths(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        x = self.source.value
        if x > 1:
            if x == 2:
                return False
            elif x == 3:
                self.value = 33
            else:
                self.value = x
                return True
            self.value += 1
        else:
            self.value = -x
            if x == 0:
                return False
        return True


@shape("number")
@gc.node
class WhileElse(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        n = 0
        while n < 5:
            n += 1
            if n == self.source.value:
                break
            if n == 2:
                continue
        else:
            n = -1
        self.value = n
        return True


@shape("number", gives="tuple")
@gc.node
class LoopVariableAfterwards(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        for i, (a, b) in enumerate([(1, 2), (3, 4), (5, 6)]):
            if a == self.source.value:
                break
        self.value = (i, a, b)
        return True


@shape("number")
@gc.node
class ReturnsInsideALoop(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        for i in range(4):
            self.value = i
            if i == self.source.value:
                return True
        return False


@shape("number*")
@gc.node(valid="any")
class LoopOverInputs(gc.MutableNode[Any]):
    sources: list[gc.Active[Any]]

    def cycle(self, state: gc.GraphState) -> bool:
        found = False
        for i, source in enumerate(self.sources):
            if not state.ticked(source):
                continue
            if found:
                break
            found, self.value = True, i + source.value
        return found


@shape("number")
@gc.node
class TryExceptElseFinally(gc.MutableNode[Any]):
    source: gc.Active[Any]
    tried: int = gc.state(0)
    failed: int = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        try:
            self.tried += 1
            self.value = 6 / (self.source.value - 2)
        except ZeroDivisionError as error:
            self.failed += 1
            self.value = str(error)
        else:
            self.value = -self.value
        finally:
            record("finally", self.tried, self.failed)
        return True


@shape("number")
@gc.node
class ReturnsInFinally(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        try:
            self.value = 1 / self.source.value
            return False
        finally:
            if self.source.value == 0:
                self.value = None
                return True


@shape("number")
@gc.node
class RaisesFrom(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        try:
            self.value = 1 // (self.source.value - 3)
        except ZeroDivisionError as error:
            raise LookupError("for a reason") from error
        return True


@shape("number")
@gc.node
class ReadsWhatMayNotBeThere(gc.MutableNode[Any]):
    """A local variable that only some cycles set: in the others it has no value, not the last
    one."""

    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        if self.source.value != 3:
            found = self.source.value
        self.value = found
        return True


@shape("number")
@gc.node
class DeletesALocal(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        x = self.source.value
        if x == 3:
            del x
        self.value = x
        return True


@shape("anything")
@gc.node
class Matches(gc.MutableNode[Any]):
    source: gc.Active[Any]
    last: Any = gc.state(None)

    def cycle(self, state: gc.GraphState) -> bool:
        match self.source.value:
            case bool(flag):
                self.value = int(flag)
            case 0 | 1:
                return False
            case int(x) if x > 2:
                self.value = x
            case [first, *rest] if rest:
                self.value = first
            case {"x": x}:
                self.value = x
            case str() as text:
                self.value = len(text)
            case self.last:
                self.value = -1
            case other:
                self.last = other
                self.value = 0
        return True


@shape("number", gives="list")
@gc.node
class Comprehensions(gc.MutableNode[Any]):
    source: gc.Active[Any]
    scale: int = 2

    def cycle(self, state: gc.GraphState) -> bool:
        i = self.source.value
        squares = [i * self.scale for i in range(3) if i != self.source.value]
        pairs = {k: [v for v in (k, i)] for k in squares}
        self.value = [*squares, len({x % 2 for x in squares}), *pairs[squares[0]], i]
        return True


@shape("number", gives="list")
@gc.node
class AssigningExpressions(gc.MutableNode[Any]):
    source: gc.Active[Any]
    top: Any = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        if (x := self.source.value) > self.top:
            self.top = x
        while 0 < (x := x - 1) < 9:
            record("down", x)
        inner = [last := y for y in (x, self.top)]
        self.value = [*inner, last]
        return True


@shape("number", gives="tuple")
@gc.node
class FunctionsInside(gc.MutableNode[Any]):
    source: gc.Active[Any]
    calls: int = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        x = self.source.value

        def change(by: Any = x) -> Any:
            nonlocal x
            x += by
            self.calls += 1
            return x

        double = lambda y: y * 2 + x  # what is tried
        self.value = (change(), double(x), change(1), x)
        return True


@shape("number")
@gc.node
class GeneratorInside(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        def count() -> Any:
            for i in range(3):
                yield i + self.source.value

        self.value = sum(count()) + max(i for i in count())
        return True


@shape("number")
@gc.node
class IsAGenerator(gc.MutableNode[Any]):
    """Its `cycle` returns a generator, which is true and runs nothing."""

    source: gc.Active[Any]


def _generator(self: Any, state: gc.GraphState) -> Any:
    self.value = self.source.value
    yield True


IsAGenerator.cycle = _generator  # a class is checked when it is declared


@shape("number")
@gc.node
class ClassAndImportInside(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        from math import floor

        class Local:
            size = self.source.value
            half = size / 2

        self.value = floor(Local.half) + Local().size
        return True


@shape("number")
@gc.node
class With(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = None
        with contextlib.suppress(ZeroDivisionError), contextlib.nullcontext(2) as two:
            self.value = two / (self.source.value - 2)
            return True
        return False


@shape("number", gives="number")
@gc.node
class Asserts(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        assert self.source.value != 3, f"three at {state.time}"
        self.value = self.source.value
        return True


@shape("number", gives="text")
@gc.node
class Formats(gc.MutableNode[Any]):
    source: gc.Active[Any]
    width: int = 6

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = f"{self.source.value!r:>{self.width}}{'%d' % 3}{self.name}"
        return True


@shape("number", gives="tuple")
@gc.node
class NamesOfOthers(gc.MutableNode[Any]):
    """Local variables with the names of builtins, of this module's globals, of attributes."""

    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        sum = source = self.source.value
        math = [sum, source]
        max, value = math
        self.value = (sum, math, max, value, len(math))
        return True


@shape("number", gives="tuple")
@gc.node
class NamesAsGenerated(gc.MutableNode[Any]):
    source: gc.Active[Any]
    cycle_: int = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        t = self.source.value
        cycle = t + 1
        time, value, node, session, mid_17 = t, cycle, 3, 4, 5
        due = ticked = heap = pending = _ = 0
        self.cycle_ += 1
        self.value = (t, cycle, time, value, node, session, mid_17, due, ticked, heap, pending, _)
        return True


@shape("number")
@gc.node
class SameNamesAsAnother(gc.MutableNode[Any]):
    source: gc.Active[Any]
    x: Any = gc.state(1)

    def cycle(self, state: gc.GraphState) -> bool:
        x = self.source.value
        found = self.x
        self.x = x
        self.value = found
        return x != 2


@shape("number")
@gc.node
class UsesAModule(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = math.copysign(math.pi, self.source.value)
        return True


@shape("number", gives="anything")
@gc.node
class ConditionalExpressions(gc.MutableNode[Any]):
    source: gc.Active[Any]
    up: bool = gc.state(False)

    def cycle(self, state: gc.GraphState) -> bool:
        x = self.source.value
        self.up = not self.up if 0 <= x < 3 or x is None else self.up and x != x
        self.value = x if self.up else (None if x else [])
        return self.up or x == 0


@shape("number", gives="tuple")
@gc.node
class LooksAtItsLocals(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        x = self.source.value
        self.value = (sorted(locals()), x)
        return True


@shape("number")
@gc.node
class RunsText(gc.MutableNode[Any]):
    source: gc.Active[Any]
    kept: Any = gc.state(0)

    def cycle(self, state: gc.GraphState) -> bool:
        exec("self.kept = self.source.value")
        self.value = eval("self.kept + 1")
        return True


@shape("number")
@gc.node
class Prints(gc.MutableNode[Any]):
    source: gc.Active[Any]

    def cycle(self, state: gc.GraphState) -> bool:
        """Print what came."""
        self.value = self.source.value
        print("got", self.value, end=";\n")
        ...
        return True


@shape("number", gives="list")
@gc.node
class TakesApart(gc.MutableNode[Any]):
    source: gc.Active[Any]
    head: Any = gc.state(None)
    tail: Any = gc.state(None)

    def cycle(self, state: gc.GraphState) -> bool:
        first, *rest = [self.source.value, 1, 2]
        self.head, *self.tail = rest
        rest[0], rest[-1] = rest[-1], first
        a = self.value = [*rest, first]
        a.append(self.head)
        b: int = 3
        a += [b]
        del a[0]
        return True
