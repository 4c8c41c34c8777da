"""Writes the function `wire` of a program, and the functions that its streams are given.

All streams are in the global list `S` in the order of wiring, and weak references to their nodes in
`W`, so that a function, a listener or a change can reach the node of any of them, also of one that
is wired later. A function that asks `W` holds nothing by which it could be told what it reaches.
Functions set and delete the attribute `added`, which no operator's node has: the fused tier refuses
to delete what a variable holds (docs/tiers.md).
"""

from collections.abc import Callable

from tests.differential.draw import Picks
from tests.differential.programs.classes import Shape

_TIMES = ["[1, 2, 3, 4]", "[1, 1, 2, 3]", "[2, 2, 3, 5]", "[1, 3, 5, 7]", "[0, 1, 2, 3]"]
_VALUES = ["[1, 2, 3, 4]", "[3, 1, 2, 0]", "[5, 5, 1, 7]", "[0, 2, 4, 6]", "[True, 2, -3, 9]"]
_HOLDS = {"plain": "{}", "list": "[{}]", "dict": "{{'it': {}}}", "object": "Holder({})"}


class Wiring:
    """Makes streams, one after the other.

    Attributes:
        lines: the body of `wire`.
        functions: the functions that are defined before it.
        count: how many streams there are.
        of_class: the class of each stream's node, where it is one of the program's.
    """

    def __init__(self, shapes: list[Shape]) -> None:
        self.lines: list[str] = []
        self.functions: list[str] = []
        self.count = 0
        self.of_class: dict[int, Shape] = {}
        self._shapes = shapes
        self._read: set[int] = set()

    def source(self, picks: Picks) -> None:
        times, values = picks.of(_TIMES), picks.of(_VALUES)
        forms = [f"gc.replay({times}, {values})"] * 4 + [
            f"gc.from_iterable({values}, period=1)"
        ] * 3
        forms += ["gc.ticker(1).count()", "gc.constant(3)", f"gc.from_iterable({values})"]
        self._add(picks.of(forms))

    def node(self, picks: Picks) -> None:
        shape = picks.of(self._shapes)
        given = []
        for kind in shape.inputs:
            refs = [self._stream(picks) for _ in range(1 + picks.number(3))]
            given.append(f"[{', '.join(refs)}]" if kind == "many" else refs[0])
        for name in shape.parameters:
            if name == "f":
                given.append(self._function(picks))
            else:
                given.append(picks.of(["1", "MISSING", "2", "None", "10**20", "1.5", "K"]))
        if shape.peer:
            given.append(_HOLDS[shape.peer].format(f"{self._peer(picks)}.node"))
        self.of_class[self.count] = shape
        self._add(f"gc.Stream({shape.name}({', '.join(given)}))")

    def operator(self, picks: Picks) -> None:
        first = self._stream(picks)
        match picks.number(16):
            case 0 | 1 | 2:
                text = f"{first}.map({self._function(picks)})"
            case 3 | 4 | 5 | 6:
                text = f"{first}.for_each({self._listener(picks)})"
            case 7:
                text = f"{first}.filter({picks.of(['lambda v: v % 2', 'lambda v: v != G'])})"
            case 8:
                text = f"({first} + {self._stream(picks)})"
            case 9:
                text = f"{first}.merge({self._stream(picks)})"
            case 10:
                text = f"{first}.sample({self._stream(picks)})"
            case 11:
                joined = picks.of(["combine", "with_latest"])
                text = f"{first}.{joined}({self._stream(picks)}).map(sum)"
            case 12:
                text = f"{first}.scan(lambda acc, v: (acc + v) % 50, {picks.of([0, 7])})"
            case 13:
                gap = f"{first}.map(lambda v: MISSING if v % 3 == 0 else v)"
                text = f"{gap}.filter(lambda v: v is not MISSING)"
            case 14:
                text = f"{first}.{picks.of(['delay(1)', 'distinct()', 'delay(0)', 'limit(3)'])}"
            case _:
                text = f"{first}.{picks.of(['count()', 'sum()', 'skip(1)', 'max()'])}"
        self._add(text)

    def finish(self, picks: Picks) -> str:
        """Return the text of the functions and of `wire`."""
        if picks.number(12) == 11:
            self.functions.insert(0, "__builtins__ = {**__builtins__, 'abs': lambda x: 2}\n")
        roots = ["*S"]
        for number in range(self.count):
            if number not in self._read or picks.number(3):
                roots.append(f"S[{number}].collect()")
        lines = ["def wire(k0=1):", *[f"    {line}" for line in self.lines]]
        lines.append(f"    return [{', '.join(roots)}]")
        return "\n".join([*self.functions, *lines, ""])

    def _add(self, text: str) -> None:
        n = self.count
        self.lines += [f"s{n} = {text}", f"S.append(s{n}); W.append(weakref.ref(s{n}.node))"]
        self.count += 1

    def _stream(self, picks: Picks) -> str:
        number = self.count - 1 - picks.number(min(self.count, 5))
        self._read.add(number)
        return f"s{number}"

    def _peer(self, picks: Picks) -> str:
        """Pick a stream whose node has state, if there is one."""
        having = list(self.of_class) or list(range(self.count))
        return f"s{picks.of(having[::-1])}"

    def _place(self, picks: Picks) -> str:
        """Pick a node, by its place in one of the lists."""
        number = picks.of([*reversed(self.of_class), self.count - 1])
        return f"W[{number}]()" if picks.number(3) else f"S[{number}].node"

    def _function(self, picks: Picks) -> str:
        place, peer = self._place(picks), self._peer(picks) if self.count else "s0"
        numbered = f"f{len(self.functions)}"
        forms: list[Callable[[], str]] = [
            lambda: "lambda v: v + 1",
            lambda: "lambda v: v * 2 % 50 + G",
            lambda: "lambda v: v + k0",
            lambda: f"lambda v: note('m', v, peek({place})) or v",
            lambda: f"lambda v: v + getattr({peer}.node, 'n', 0)",
            lambda: f"lambda v: v + getattr({place}, 'n', 0)",
            lambda: "lambda v, k=3: v + k",
            lambda: "lambda events: events + 1",
            lambda: "lambda v: {'value': v}['value'] + ROW['source']",
            lambda: "functools.partial(max, 2)",
            lambda: "lambda v: (lambda w: w + v)(1)",
            lambda: "lambda v: 1 if MISSING is MISSING and v else 0",
            lambda: f"lambda v, held=Holder({peer}.node): v + getattr(held.node, 'n', 0)",
            lambda: f"lambda v: (peek(Holder({place}).node), v)[1]",
            lambda: self._define(f"def {numbered}(v, k=1):", "    return v + k"),
            lambda: self._define(f"def {numbered}(v):", "    return events(v) + session"),
            lambda: self._define(f"def {numbered}(v):", "    if v % 3: return v", "    return -v"),
            lambda: self._define(f"def {numbered}(v):", "    return v + ROW[KEYS[v % 3]]"),
        ]
        return str(picks.of(forms)())

    def _define(self, *lines: str) -> str:
        self.functions += ["\n".join([*lines, ""])]
        return lines[0].removeprefix("def ").partition("(")[0]

    def _listener(self, picks: Picks) -> str:
        """Write a function that writes to another node, a global, a class or a function."""
        place, shape = self._place(picks), picks.of(self._shapes)
        when = picks.of(["v % 3 == 0", "v > 2", "G == 3", "True", "v == 1"])
        forms = [
            f"{place}.n = v % 9",
            f"{place}.value = v",
            f"{place}.n = getattr({place}, 'n', 0) + 1",
            f"note('e', v, peek({place}), getattr({place}, 'n', None))",
            f"setattr({place}, 'x', 3)",
            f"poke({place}, v)",
            f"in_thread(setattr, {place}, 'n', 5)",
            f"in_thread(setattr, {place}, 'value', 5)",
            "globals()['G'] = v % 5",
            f"{shape.name}.unit = v % 5",
            f"{shape.name}.bump = lambda self, d: note('bump', d)",
            "[tell(v) for tell in LISTENERS]",
            f"len(LISTENERS) < 2 and LISTENERS.append(lambda v: poke({place}, v))",
            "globals()['events'] = lambda x: x + 100",
            "BOX.update(v=v)",
            f"vars({place})['n'] = v % 5",
            f"{place}.added = v % 4",
            f"poke({place}, v); 1 // (v - 3)",
            f"ask({place}, v)",
            f"[delattr({place}, 'added') for _ in 'a' if hasattr({place}, 'added')]",
            f"note('t', type({place}).__name__, {place}.name, hasattr({place}, 'added'))",
            f"note('i', inner_run(v, {place}))",
            f"note('c', getattr(copy.copy({place}), 'n', None))",
            f"note('h', v, Holder({place}).node.ticked_in)",
        ]
        number = len(self.functions)
        if picks.number(12) == 11:
            self.lines += [f"def b{self.count}(v):", "    nonlocal k0", "    k0 += 1"]
            return f"b{self.count}"
        return self._define(f"def e{number}(v):", f"    if {when}:", f"        {picks.of(forms)}")
