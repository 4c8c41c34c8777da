"""Writes node classes as users write them: state, early returns, other nodes, odd names.

A class is written with a palette, a few of the kinds of statements that there are. A statement that
cannot be fused makes its node be called, so that with all kinds in each class none would be fused.
Numbers are kept whole and small, so that most programs run to their end.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.differential.draw import Picks

# Globals that programs have. Some are called what the generated function calls its own variables.
GLOBALS = """G = 3
K = 2
MISSING = "<not there>"
ROW = {"value": 1, "source": 2, "n": 3}
KEYS = ["value", "source", "n"]
LISTENERS = []
BOX = {}
nodes = [4, 5]
session = 6
cycle = due = start = end = time = 1
heap = {"heap": 2}

def events(x):
    return x + 1

def states(x, state=1):
    return x * state

def __helper(x):
    return x + 1

def _C0__helper(x):
    return x + 2

def counted(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        args[0].x = (args[0].x + 1) % 9
        return function(*args, **kwargs)
    return wrapper

class Level:
    def __set_name__(self, owner, name):
        self.name = name
    def __set__(self, node, value):
        if value < -90:
            raise ValueError(f"{self.name} is too low: {value}")
        node.__dict__[self.name] = value

class Holder:
    def __init__(self, node):
        self.node = node
    def ticked(self, node):
        return node.n
"""

_GLOBAL_ATOMS = ["G", "K", "nodes[1]", "session", "time", "due", "start", "heap['heap']", "end"]
_CONSTANTS = ["1", "0", "2", "3", "-1", "5"]


@dataclass
class Shape:
    """What one class has, as far as those who wire it or change it must know.

    Attributes:
        name: the class's name.
        inputs: what is given for each input: "one" or "many".
        parameters: the parameters by name, in order.
        peer: how another node is given: not at all, itself, or in something.
        atoms: expressions that its methods may read.
        palette: kinds of statements of its `cycle`.
        begins: whether it has a value before its first tick.
    """

    name: str
    inputs: list[str]
    decorated: bool = True
    any_valid: bool = False
    parameters: list[str] = field(default_factory=list)
    peer: str | None = None
    atoms: list[str] = field(default_factory=list)
    palette: list[str] = field(default_factory=list)
    begins: bool = False
    members: list[str] = field(default_factory=list)


PEERS = {
    "plain": "self.peer",
    "list": "self.peer[0]",
    "dict": "self.peer['it']",
    "object": "self.peer.node",
}
_MEMBERS = [
    "property", "descriptor", "bump", "poke", "static", "start", "reset", "stop", "slots", "equal",
    "hook", "keeps", "derived",
]  # fmt: skip
_STATEMENTS = [
    "value", "state", "local", "if", "return", "note", "augmented", "alarm", "peer", "write peer",
    "for", "while", "lazy", "try", "nested", "lambda", "method", "class", "global", "key",
    "identity", "mangled", "comprehension", "annotation", "untold", "own value", "raise",
    "unbound", "match", "thread", "missing", "loop variable", "call", "alias", "guarded call",
    "keyed", "early", "delete", "vars", "names", "super",
]  # fmt: skip


class Writer:
    """Writes the body of a method with choices; when they are used up it writes the shortest."""

    def __init__(self, picks: Picks, shape: Shape) -> None:
        self._picks = picks
        self._shape = shape
        self._bound: list[str] = []
        self._number = 0
        self.members = shape.members

    def expression(self, depth: int = 2) -> str:
        picks = self._picks
        inner = depth - 1
        match picks.number(9) if depth else 0:
            case 0 | 1 | 2:
                return self._atom()
            case 3 | 4:
                return f"{self._atom()} {picks.of(['+', '-'])} {self.expression(inner)}"
            case 5:
                return f"({self.expression(inner)}) {picks.of(['% 7', '// 2', '* 2', '& 3'])}"
            case 6:
                return f"({self.expression(inner)} if {self.test()} else {self._atom()})"
            case 7:
                return f"({self.test()} {picks.of(['and', 'or'])} {self._atom()})"
            case _:
                return f"{picks.of(['abs', 'int', 'events', 'states'])}({self.expression(inner)})"

    def test(self) -> str:
        picks = self._picks
        match picks.number(4):
            case 0 | 1:
                sign = picks.of(["<", "==", ">=", "!="])
                return f"({self._atom()} {sign} {picks.of(_CONSTANTS)})"
            case 2:
                return f"({self._atom()} % {picks.of([2, 3])} == {picks.of([0, 1])})"
            case _:
                tests = ["state.due", "state.ticked(self.a)", "state.valid(self.a)"]
                return str(picks.of([*tests, "state.time > 3", "self.x"]))

    def _atom(self) -> str:
        picks = self._picks
        match picks.number(8):
            case 0 | 1 | 2 | 3:
                return str(picks.of(self._shape.atoms))
            case 4 if self._bound:
                return str(picks.of(self._bound))
            case 5:
                return str(picks.of(_GLOBAL_ATOMS))
            case 6:
                return str(picks.of(["self.n", "self.x"]))
            case _:
                return str(picks.of(_CONSTANTS))

    def block(self, indent: int, depth: int, most: int = 2) -> list[str]:
        lines: list[str] = []
        for _ in range(1 + self._picks.number(most)):
            lines += self._statement(indent, depth)
        return lines

    def _inner(self, indent: int, depth: int) -> list[str]:
        before = list(self._bound)
        lines = self.block(indent + 1, depth - 1)
        self._bound = before
        return lines

    def _fresh(self, stem: str) -> str:
        self._number += 1
        return f"{stem}{self._number}"

    def _statement(self, indent: int, depth: int) -> list[str]:
        kind = self._picks.of(self._shape.palette)
        lines = self._lines(kind, depth)
        tab = "    " * indent
        return [tab + line for line in lines]

    def _compound(self, depth: int, head: str) -> list[str]:
        if not depth:
            return [f"{head} self.x = {self.expression(1)} % 5"]
        return [head, *self._inner(0, depth)]

    def _lines(self, kind: str, depth: int) -> list[str]:
        picks = self._picks
        peer = PEERS[self._shape.peer or "plain"]
        match kind:
            case "value":
                return [f"self.value = {self.expression()}"]
            case "state":
                forms = [
                    f"self.n = {self.expression()} % 9",
                    f"self.x, self.n = {self.expression(1)} % 5, {self.expression(1)} % 3",
                    f"self.n = self.x = {self.expression()} % 9",
                ]
                return [str(picks.of(forms))]
            case "augmented":
                name, sign = picks.of(["self.n", "self.x"]), picks.of(["+=", "-=", "^="])
                return [f"{name} {sign} ({self.expression(1)}) % 5"]
            case "local":
                name = picks.of(["u", "w", "events", "time", "nodes", "due"][: 2 + picks.number(5)])
                if name not in ("u", "w"):  # it would hide the global, of which it is a copy
                    name = f"{name}_"
                lines = [f"{name} = {self.expression()}"]
                if name in self._bound and picks.number(2):
                    lines = [f"{name} += {self.expression(1)}"]
                self._bound.append(name)
                return lines
            case "if":
                lines = self._compound(depth, f"if {self.test()}:")
                if depth and picks.number(3) == 2:
                    lines += self._compound(depth, f"elif {self.test()}:")
                if depth and picks.number(2):
                    lines += self._compound(depth, "else:")
                return lines
            case "return":
                result = picks.of(["True", "False", "None", "self.x > 1"])
                return [f"if {self.test()}: return {result}"]
            case "untold":
                return [f"if {self.test()}:", f"    self.value = {self.expression(1)}",
                        "    return False"]  # fmt: skip
            case "note":
                what = picks.of([self.expression(1), "state.time", "(state.due, state.elapsed)"])
                return [f"note({self._fresh('c')!r}, {what})"]
            case "alarm":
                return self._alarm()
            case "peer" if self._shape.peer:
                return [f"self.x = {peer}.n % 7", f"note({self._fresh('p')!r}, peek({peer}))"]
            case "write peer" if self._shape.peer:
                forms = [
                    f"{peer}.n = {self.expression(1)} % 9",
                    f"{peer}.n += 1",
                    f"{peer}.value = {self.expression(1)}",
                    f"setattr({peer}, 'n', {self.expression(1)} % 9)",
                    f"poke({peer}, {self.expression(1)})",
                ]
                return [f"if {self.test()}:", f"    {picks.of(forms)}"]
            case "for":
                return self._for(depth)
            case "loop variable" if "many" in self._shape.inputs:
                lines = ["s = total = None", "for s in self.c: total = s.value"]
                return [*lines, f"note({self._fresh('s')!r}, total, s is self.c[-1])"]
            case "while":
                name = self._fresh("i")
                lines = [
                    f"{name} = 0",
                    f"while {name} < {picks.of([2, 3, 0])}:",
                    f"    {name} += 1",
                ]
                return [*lines, *self._inner(0, max(depth, 1))]
            case "lazy":
                name = picks.of(["added", "due", "cycle_"])
                return [f"if not hasattr(self, {name!r}): self.{name} = 0",
                        f"self.{name} += 1", f"self.x = self.{name} % 7"]  # fmt: skip
            case "try":
                divided = f"u = {self.expression(1)} // ({self.expression(1)})"
                lines = [f"try: {divided}", "except ZeroDivisionError: u = 9"]
                self._bound.append("u")
                return lines
            case "nested":
                name = self._fresh("f")
                lines = [
                    f"def {name}(d, k=2):",
                    f"    self.n = (self.n + d) % {picks.of([9, 'K or 1'])}",
                ]
                return [
                    *lines,
                    "    return self.n + k",
                    f"self.value = {name}({self.expression(1)})",
                ]
            case "lambda":
                name = self._fresh("g")
                read = picks.of(["self.n + d", "self.a.value", "d", "peek(self)"])
                if self._shape.any_valid:
                    read = picks.of(["self.n + d", "d"])
                return [
                    f"{name} = lambda d: {read}",
                    f"note({name!r}, {name}({self.expression(1)}))",
                ]
            case "method":
                return [str(picks.of(self._method_calls()))]
            case "class":
                name = self._shape.name
                forms = [f"{name}.unit = {self.expression(1)} % 5", "type(self).unit += 1"]
                return [str(picks.of([*forms, "self.x = self.unit % 7"]))]
            case "global":
                name = picks.of(["G", "K", "session"])
                return [f"globals()[{name!r}] = {self.expression(1)} % 5"]
            case "key":
                key = picks.of(["value", "source", "n", "value", "source", "a", "x"])
                if key in ("a", "x"):
                    return [f"self.x = ROW.get({key!r}, 1)"]
                return [f"self.x = {{{key!r}: {self.expression(1)}}}[{key!r}] % 7 + ROW[{key!r}]"]
            case "identity":
                k = "self.k" if "k" in self._shape.parameters else "K"
                what = picks.of([f"{k} is MISSING", f"{k} is K", f"{k} is None", "nodes is nodes"])
                return [f"note({self._fresh('is')!r}, {what})"]
            case "mangled":
                return [f"self.__m = __helper({self.expression(1)})", "self.x = self.__m % 7"]
            case "comprehension":
                many = (
                    "[s.value for s in self.c]"
                    if "many" in self._shape.inputs
                    else "[u for u in (1, 2)]"
                )
                many = many.replace("s.value", "s.ticked_in") if self._shape.any_valid else many
                return [f"self.x = sum({many}) % 9", f"note({self._fresh('l')!r}, {many})"]
            case "annotation":
                return ["u: int", f"note('annotated', {self._atom()}).imag: int"]
            case "own value" if self._shape.begins:
                return [f"self.value += {self.expression(1)}"]
            case "raise":
                error = picks.of(["ValueError", "NameError", "KeyError"])
                lines = [f"if {self._atom()} == {picks.of([7, 5])} and {self.test()}:"]
                return [*lines, f"    raise {error}('a_1')"]
            case "unbound":
                return [f"if {self._atom()} != {picks.of([0, 5])}: z = 1", "self.x = z"]
            case "missing":
                return [f"if {self._atom()} == {picks.of([4, 7])}: self.x = missing_name"]
            case "match":
                lines = [f"match {self._atom()}:", "    case 1 | 2: self.x = 1"]
                return [*lines, f"    case int() as u if u > 3: self.x = {self.expression(1)} % 7"]
            case "thread":
                what = f"{peer}, 'n', 8" if self._shape.peer else "self, 'n', 8"
                return [f"in_thread(setattr, {what})"]
            case "call":
                argument = self.expression(1)
                if "f" in self._shape.parameters:
                    return [f"self.value = self.f({argument})"]
                return [f"self.value = events({argument})"]
            case "guarded call":
                name = "b" if self._shape.inputs[1:2] == ["one"] else "a"
                called = "self.f" if "f" in self._shape.parameters else "events"
                return [f"if state.valid(self.{name}): self.value = {called}(self.{name}.value)"]
            case "keyed":
                return [f"self.x = ROW[{picks.of(['value', 'source', 'n'])!r}] % 7"]
            case "early":
                return [f"if {self._atom()} == {picks.of([3, 5])}: self.x = self.value"]
            case "delete":
                return [f"if {self.test()}:", "    del self.x", f"    self.x = {self._atom()}"]
            case "vars":
                forms = [
                    "vars(self)['x'] = 3",
                    "self.__dict__['n'] += 1",
                    "self.x = 'added' in vars(self)",
                ]
                return [str(picks.of(forms))]
            case "names":
                forms = ["type(self) is not None", "isinstance(self, gc.MutableNode)", "self.name",
                         f"type({peer}).__name__", f"type(self) is {self._shape.name}",
                         f"getattr({peer}, 'n', None)", f"hasattr({peer}, 'added')"]  # fmt: skip
                what = picks.of(forms if self._shape.peer else forms[:3])
                return [f"note({self._fresh('t')!r}, {what})"]
            case "super":
                return [f"note({self._fresh('r')!r}, super().name, super().valid)"]
            case "alias":
                return ["me, now = self, state", f"me.value = {self.expression(1)} + now.time"]
        return [f"self.value = {self._atom()}"]

    def _alarm(self) -> list[str]:
        picks = self._picks
        when = picks.of(
            ["state.time + 1", "state.time", "state.time + 2", "state.time + self.x % 3"]
        )
        lines = [f"if state.ticked(self.a): state.schedule({when})"]
        match picks.number(4):
            case 1:
                return ["if state.ticked(self.a):", f"    alarm = state.schedule({when})",
                        f"    if {self.test()}: alarm.cancel()"]  # fmt: skip
            case 2:
                return [*lines, f"if state.due: self.value = {self.expression(1)}"]
            case 3:
                return [f"if {self.test()} and self.x % 9 == 8: state.stop()"]
        return lines

    def _for(self, depth: int) -> list[str]:
        picks = self._picks
        if "many" not in self._shape.inputs or picks.number(3) == 2:
            over = picks.of(["range(3)", "(2, 0)", "range(0)", "[self.n, self.x]"])
            self._bound.append("i") if over != "range(0)" else None
            return [f"for i in {over}:", *self._inner(0, max(depth, 1))]
        value = "s.ticked_in" if self._shape.any_valid else "s.value"
        forms = [
            ["for s in self.c:", f"    self.n += {value} % 3"],
            ["for j, s in enumerate(self.c):", f"    if {value} == j: break", "    self.x = j",
             "else: self.x = 9"],
            ["for s in self.c:", f"    if {value} % 2: continue", f"    self.value = {value}"],
            ["for s, j in zip(self.c, (3, 4, 5)):", f"    self.x = ({value} * j) % 7"],
            ["for s in self.c:", "    if state.ticked(s): self.n += 1"],
        ]  # fmt: skip
        return list(picks.of(forms))

    def _method_calls(self) -> list[str]:
        members = self._shape.members
        calls = [f"self.x = abs({self.expression(1)}) % 7"]
        calls += [f"self.bump({self.expression(1)})"] * ("bump" in members)
        calls += ["self.value = self.poke()"] * ("poke" in members)
        calls += ["self.x = self.double % 7"] * ("property" in members)
        calls += [f"self.level = {self.expression(1)}", "self.x = self.level % 7"] * (
            "descriptor" in members
        )
        calls += [f"self.x = self.twice({self.expression(1)}) % 7"] * ("static" in members)
        return calls[1:] or calls


def draw_shape(picks: Picks, number: int) -> Shape:
    """Choose what a class has."""
    inputs = picks.of([["one"], ["one", "one"], ["one", "many"], ["one", "one", "many"]])
    shape = Shape(f"C{number}", list(inputs))
    shape.decorated = picks.number(4) < 3
    shape.any_valid = not shape.decorated or picks.number(4) == 3
    shape.parameters = [name for name in ("k", "f") if picks.number(2)]
    shape.peer = picks.of([None, *PEERS]) if picks.number(2) else None
    shape.members = [m for m in _MEMBERS[: 3 + picks.number(10)] if picks.number(3) == 2]
    shape.begins = "start" in shape.members or "reset" in shape.members
    shape.palette = ["value", "state"]
    for _ in range(2 + picks.number(5)):
        shape.palette.append(picks.of(_STATEMENTS))
    if shape.any_valid:
        shape.atoms = ["(self.a.value if state.valid(self.a) else 0)", "state.valid(self.a)"]
        if len(inputs) > 1 and inputs[1] == "one":
            shape.atoms.append("(state.valid(self.b) and self.b.value)")
    else:
        shape.atoms = ["self.a.value"] + ["self.b.value"] * (inputs[1:2] == ["one"])
    shape.atoms += ["state.ticked(self.a)", "self.unit"]
    return shape


def write_class(picks: Picks, shape: Shape) -> str:
    """Write a class of that shape."""
    writer = Writer(picks, shape)
    names = _names_of_inputs(shape)
    lines: list[str] = []
    if shape.decorated:
        lines += [f"@gc.node(valid={'any' if shape.any_valid else 'all'!r})"]
    lines += [f"class {shape.name}(gc.MutableNode):"]
    if shape.decorated:
        kinds = ["Active", "Active", "Passive"]
        for name, kind in zip(names, shape.inputs, strict=True):
            active = f"gc.{'Active' if name == 'a' else picks.of(kinds)}"
            lines.append(f"    {name}: {f'list[{active}]' if kind == 'many' else active}")
        lines += [f"    {name}: object" for name in _parameters(shape)]
        lines += ["    n: int = gc.state(0)", "    x: int = gc.state(1)"]
    else:
        given = ", ".join([*names, *_parameters(shape)])
        lines += [f"    def __init__(self, {given}):", "        super().__init__()"]
        for name, kind in zip(names, shape.inputs, strict=True):
            node = f"[s.node for s in {name}]" if kind == "many" else f"{name}.node"
            lines.append(f"        self.{name} = {node}")
        lines += [f"        self.{name} = {name}" for name in _parameters(shape)]
        items = [f"*self.{n}" if k == "many" else f"self.{n}"
                 for n, k in zip(names, shape.inputs, strict=True)]  # fmt: skip
        lines += [
            "    def upstreams(self):",
            f"        return gc.Upstreams(active=({', '.join(items)},))",
        ]
        lines += [
            "    def reset(self):",
            "        super().reset()",
            "        self.n, self.x = 0, 1",
        ]
        lines += ["        self.__dict__.pop('added', None)"]
    lines += ["    unit = 2", *_members(shape, writer)]
    lines += write_cycle(writer, picks.of(["self, state"] * 4 + ["self, state, /"]))
    if "derived" in shape.members:
        lines += ["", f"class {shape.name}({shape.name}):", "    unit = 4"]
        lines += ["    def cycle(self, state):", f"        self.x = ({writer.expression(1)}) % 7"]
        lines += ["        return super().cycle(state)"]
    return "\n".join([*lines, ""])


def write_cycle(writer: Writer, arguments: str, indent: int = 1) -> list[str]:
    """Write a `cycle`."""
    tab = "    " * indent
    lines = [f"{tab}def cycle({arguments}):"]
    if "keeps" in writer.members:
        lines.append(f"{tab}    self.kept = state")
    lines += writer.block(indent + 1, 2, 4)
    lines += [f"{tab}    self.value = {writer.expression(1)}", f"{tab}    return True"]
    return lines


def _names_of_inputs(shape: Shape) -> list[str]:
    return ["c" if kind == "many" else "ab"[i] for i, kind in enumerate(shape.inputs)]


def _parameters(shape: Shape) -> list[str]:
    return [*shape.parameters, *(["peer"] if shape.peer else [])]


def _members(shape: Shape, writer: Writer) -> list[str]:
    text: dict[str, Sequence[str]] = {
        "property": ["@property", "def double(self):", "    return self.n * 2"],
        "descriptor": ["level = Level()"],
        "bump": ["def bump(self, d):", "    self.n += d % 3", "    self.value = self.n"],
        "poke": ["@counted", "def poke(self):", "    return self.n + self.x"],
        "static": ["@staticmethod", "def twice(x):", "    return 2 * x"],
        "start": ["def start(self, state):", "    self.value = 50", "    note('s', state.time)"],
        "stop": ["def stop(self, state):", "    note('stop', peek(self), self.n)"],
        "slots": ["__slots__ = ('spare',)"],
        "hook": ["def __setattr__(self, name, value):", "    if name == 'x': note('sets', value)",
                 "    super().__setattr__(name, value)"],
        "keeps": ["kept = None"],
        "derived": [],
        "equal": ["def __eq__(self, other):", "    return isinstance(other, gc.MutableNode)",
                  "def __hash__(self):", "    return 1"],
        "reset": [] if not shape.decorated else
        ["def reset(self):", "    super().reset()", "    self.value = 40", "    self.added = 0"],
    }  # fmt: skip
    lines = [f"    {line}" for name in shape.members for line in text[name]]
    if "descriptor" in shape.members:
        start = "start" in shape.members
        lines += ["        self.level = 0"] if start and shape.members[-1] == "start" else []
    return lines
