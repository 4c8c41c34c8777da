"""The compiler's intermediate representation: plain data that the passes hand on.

A `CycleIR` is what the `cycle` of a class means, with holes for what differs from node to node. A
`NodeIR` is a node of the plan with what the frontend captured for its holes. Only the frontend
looks at users' objects; every later pass works on this data.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any

# Holes


class Place(Enum):
    """What may be written into a hole without a change of meaning."""

    NAME = "a name only: a literal would be a syntax error or raise a warning (`5.real`, `x is 5`)"
    OBJECT = "a literal only if it evaluates to the very same object, since somebody may keep it"
    OPERAND = "any literal of the same value: an operator computes with it"


@dataclass(frozen=True, slots=True)
class Hole:
    """A place in a text that every node fills in with its own name, literal or test."""


@dataclass(frozen=True, slots=True)
class Value(Hole):
    """The node's own value."""


@dataclass(frozen=True, slots=True)
class Upstream(Hole):
    """The value of an upstream: the attribute that holds it, and its place in a list."""

    attribute: str
    place: int | None = None


@dataclass(frozen=True, slots=True)
class State(Hole):
    """An attribute that the function holds in a variable: state, or a parameter."""

    attribute: str


@dataclass(frozen=True, slots=True)
class Attribute(Hole):
    """An attribute that is read from the node each time."""

    attribute: str


@dataclass(frozen=True, slots=True)
class Function(Hole):
    """A function that the text inlines elsewhere, where it has to be called all the same."""

    attribute: str


@dataclass(frozen=True, slots=True)
class Local(Hole):
    """A local variable of the `cycle`."""

    name: str


@dataclass(frozen=True, slots=True)
class Global(Hole):
    """A global variable or a builtin of the module in which the `cycle` is defined."""

    name: str


@dataclass(frozen=True, slots=True)
class Cell(Hole):
    """A variable of a function around the `cycle`."""

    name: str
    where: Place = Place.OBJECT


@dataclass(frozen=True, slots=True)
class Captured(Hole):
    """A variable of a function around one that is inlined: the attribute that holds that one."""

    attribute: str
    name: str
    where: Place = Place.OBJECT


@dataclass(frozen=True, slots=True)
class Ticked(Hole):
    """Whether an upstream ticked in this cycle."""

    attribute: str
    place: int | None = None


@dataclass(frozen=True, slots=True)
class Valid(Hole):
    """Whether an upstream has ticked in this run."""

    attribute: str
    place: int | None = None


@dataclass(frozen=True, slots=True)
class Due(Hole):
    """Whether an alarm of the node went off in this cycle."""


class Run(Enum):
    """What a node may ask of the run."""

    TIME = "the engine time"
    START = "the engine time at which the run started"
    STATE = "the node's GraphState"


@dataclass(frozen=True, slots=True)
class RunState(Hole):
    """A variable of the run itself."""

    what: Run


Text = tuple[str | Hole, ...]

# Statements


@dataclass(frozen=True, slots=True)
class Do:
    """A statement without effect on the variables: a call, an assertion."""

    text: Text


@dataclass(frozen=True, slots=True)
class Set:
    """An assignment.

    Attributes:
        targets: what is assigned, several for ``a = b = value``.
        operator: of an augmented assignment, such as ``+``; else empty.
        value: the value.
        alias: whether a local is another name for an upstream's value until it is last read.
        sets_value: whether the node's value is among the targets.
    """

    targets: tuple[Text, ...]
    operator: str
    value: Text
    alias: bool = False
    sets_value: bool = False


@dataclass(frozen=True, slots=True)
class If:
    """A choice."""

    test: Text
    body: "Body"
    orelse: "Body" = ()


@dataclass(frozen=True, slots=True)
class Loop:
    """A loop: ``while test`` or ``for target in iterable``."""

    head: Text
    body: "Body"
    orelse: "Body" = ()


@dataclass(frozen=True, slots=True)
class Raise:
    """The node raises an exception."""

    text: Text


@dataclass(frozen=True, slots=True)
class Break:
    """A loop is left, or goes on with its next round: ``break`` or ``continue``."""

    word: str = "break"


@dataclass(frozen=True, slots=True)
class Tick:
    """The node has ticked."""


@dataclass(frozen=True, slots=True)
class Wake:
    """The node asks to be woken.

    Attributes:
        at: the engine time.
        whole: whether it is certainly an `int`.
    """

    at: Text
    whole: bool


@dataclass(frozen=True, slots=True)
class Need:
    """A value is read that an inlined function may not look at: a call evaluates its arguments."""

    hole: Value | Upstream


Statement = Do | Set | If | Loop | Raise | Break | Tick | Wake | Need
Body = tuple[Statement, ...]


class TickForm(Enum):
    """Where a node ticks, and so where its dependants are placed."""

    ALWAYS = "at its end, whenever it runs"
    TAIL = "at the end of the branch that comes last"
    FLAG = "in several places"
    NEVER = "nowhere"


# Attributes


class Is(Enum):
    """What an attribute of a node is to its `cycle`."""

    __hash__ = object.__hash__  # an Enum's own is written in Python, and kinds are hashed often

    INPUT = "an upstream"
    INPUTS = "a list of upstreams"
    STATE = "held in a variable; the cycle assigns it"
    READ = "held in a variable; the cycle only reads it"
    LIVE = "read from the node each time, as its class may have it"
    FOLDED = "a parameter on which the text depends: True, False or None"
    INLINED = "a function whose expression replaces its calls"
    OPERATOR = "a function of the module operator"


@dataclass(frozen=True, slots=True)
class Kind:
    """What an attribute is, with what the text depends on.

    Attributes:
        of: what it is.
        detail: how many upstreams a list has, the folded value, the expression, the operator's
            function; of a parameter that is read, whether it is an `int`.
    """

    of: Is
    detail: Any = None


Kinds = Mapping[str, Kind]

VARIABLES = frozenset((Is.STATE, Is.READ))


# What a class's cycle means


@dataclass(frozen=True, eq=False, slots=True)
class CycleIR:
    """What a `cycle` means, for all nodes whose attributes are of the same kinds.

    Attributes:
        body: its statements.
        tick_form: where among them the node ticks.
        wakes: how often at most a cycle asks for the node to be woken, without keeping the alarm;
            infinite if it keeps one.
        assigns_value: whether it assigns `value` at all.
        sets_value: whether it has assigned `value` whenever it ticks.
        withheld: whether `value` may differ from what the node last ticked with (R5).
        requires: what it asks of the run.
        holes: its holes, each once, in the order of the text.
        asks_ticks: whether it asks which upstreams ticked, or have ticked at all.
        kinds: what the node's attributes are.
    """

    body: Body
    tick_form: TickForm
    wakes: float
    assigns_value: bool
    sets_value: bool
    withheld: bool
    requires: frozenset[Run]
    holes: tuple[Hole, ...]
    asks_ticks: bool
    kinds: Kinds


def holes_of(body: Body) -> Iterator[Hole]:
    """Yield the holes of some statements in the order of the text, some several times."""
    for each in body:
        match each:
            case Do(text) | Raise(text):
                texts: tuple[Text, ...] = (text,)
            case Set(targets, _, value):
                texts = (*targets, value)
            case If(text) | Loop(text) | Wake(text):
                texts = (text,)
            case Need(hole):
                texts = ((hole,),)
            case _:
                texts = ()
        for text in texts:
            yield from (part for part in text if isinstance(part, Hole))
        if isinstance(each, If | Loop):
            yield from holes_of(each.body)
            yield from holes_of(each.orelse)


# What the frontend captured of a node's surroundings


@dataclass(frozen=True, slots=True)
class Constant:
    """An object that stays the same during a run; a guard compares it at the start of each."""

    value: Any


@dataclass(frozen=True, slots=True)
class Contents:
    """A closure's cell, read each time."""

    cell: Any


@dataclass(frozen=True, slots=True)
class Builtin:
    """A builtin that can be written by its own name."""


@dataclass(frozen=True, slots=True)
class Member:
    """A global variable, read from its module each time."""

    module: Any


Capture = Constant | Contents | Builtin | Member


_NOTHING: Mapping[Any, Any] = MappingProxyType({})


def _nothing() -> Mapping[Any, Any]:
    """Return an empty mapping that all nodes share: a graph may have 100,000 of them."""
    return _NOTHING


@dataclass(eq=False, slots=True)
class NodeIR:
    """A node of the plan, and how the function holds it.

    Attributes:
        index: its place in the order of R2.
        label: what its variables' names begin with.
        number: what its locals' names end with.
        active: the indices of the upstreams that trigger it.
        passive: the indices of the others.
        woken: whether alarms or events run it.
        needs_all: whether it waits until every upstream has a value.
        is_source: whether its ticks are events that it delivers (R15).
        is_recorded: whether it is a source all of whose events exist before the run.
        keeps_alarms: whether its `start` may keep an alarm, to cancel it.
        asks_between_cycles: whether it may ask its state outside a cycle.
        cycle: what its `cycle` means, `None` if the function calls it.
        why: why it is called.
        upstreams: for each upstream in an attribute, or at a place in its list, its index.
        captured: for each hole that stands for an object around the node, that object.
        mirrored: whether its value and its ticks are written to the node as they happen.
    """

    index: int
    label: str
    number: int
    active: tuple[int, ...]
    passive: tuple[int, ...]
    woken: bool
    needs_all: bool
    is_source: bool = False
    is_recorded: bool = False
    keeps_alarms: bool = False
    asks_between_cycles: bool = False
    cycle: CycleIR | None = None
    why: str = ""
    upstreams: Mapping[tuple[str, int | None], int] = field(default_factory=_nothing)
    captured: Mapping[Hole, Capture] = field(default_factory=_nothing)
    mirrored: bool = False

    @property
    def tick_form(self) -> TickForm:
        """Where it ticks; a node that is called chooses."""
        return TickForm.TAIL if self.cycle is None else self.cycle.tick_form

    def call(self, why: str) -> None:
        """Have the function call it."""
        self.cycle, self.why = None, why
