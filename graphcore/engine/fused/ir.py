"""The compiler's intermediate representation (IR): plain data that one pass hands to the next.

A `CycleIR` is the code of a class's `cycle`, with holes for the parts that differ from node to
node. A `NodeIR` is a node of the plan, with the objects that fill its holes. Only the frontend
looks at users' objects; every later pass works on this data.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any

from graphcore.engine.fused.data import Data

# Holes


class Place(Enum):
    """What may fill a hole without changing the meaning of the text."""

    NAME = "a name only: a literal would be a syntax error or raise a warning (`5.real`, `x is 5`)"
    OBJECT = (
        "a literal only if it evaluates to the same object, because the code may keep the object"
    )
    OPERAND = "any literal of the same value: an operator computes with it"


class Hole(Data):
    """A place in a text that each node fills with its own name, literal or test."""


class Value(Hole):
    """The node's own value."""


class Upstream(Hole):
    """The value of an upstream: the attribute that holds it, and its place in a list or dict."""

    attribute: str
    place: int | str | None = None


class State(Hole):
    """An attribute, state or parameter, that the function holds in a variable."""

    attribute: str


class Attribute(Hole):
    """An attribute that is read from the node each time."""

    attribute: str


class Function(Hole):
    """A function at a place where it must be called, though the text inlines it elsewhere."""

    attribute: str


class Local(Hole):
    """A local variable of the `cycle`."""

    name: str


class Global(Hole):
    """A global variable or a builtin of the module in which the `cycle` is defined."""

    name: str


class Cell(Hole):
    """A variable of a function that encloses the `cycle`."""

    name: str
    where: Place = Place.OBJECT


class Captured(Hole):
    """A free variable of an inlined function, which the attribute holds."""

    attribute: str
    name: str
    where: Place = Place.OBJECT


class Outer(Hole):
    """A global variable that an inlined function reads, which the attribute holds."""

    attribute: str
    name: str


class Ticked(Hole):
    """Whether an upstream ticked in this cycle."""

    attribute: str
    place: int | str | None = None


class Valid(Hole):
    """Whether an upstream has ticked in this run."""

    attribute: str
    place: int | str | None = None


class Due(Hole):
    """Whether an alarm of the node went off in this cycle."""


class Run(Enum):
    """What a node may read of the run."""

    TIME = "the engine time"
    START = "the engine time at which the run started"
    STATE = "the node's GraphState"
    CLOSING = "whether the ordinary cycles are over: never in the function of a whole graph"


class RunState(Hole):
    """A variable of the run itself."""

    what: Run


Text = tuple[str | Hole, ...]

# Statements


class Do(Data):
    """A statement that assigns no variable: a call, an assertion."""

    text: Text


class Set(Data):
    """An assignment.

    Attributes:
        targets: the targets, several for ``a = b = value``.
        operator: the operator of an augmented assignment, such as ``+``; otherwise empty.
        value: the value.
        alias: whether the target is a local that an upstream's variable may replace.
        sets_value: whether one target is the node's value.
    """

    targets: tuple[Text, ...]
    operator: str
    value: Text
    alias: bool = False
    sets_value: bool = False


class If(Data):
    """A choice."""

    test: Text
    body: "Body"
    orelse: "Body" = ()


class Loop(Data):
    """A loop: ``while test`` or ``for target in iterable``."""

    head: Text
    body: "Body"
    orelse: "Body" = ()


class Raise(Data):
    """The node raises an exception."""

    text: Text


class Break(Data):
    """The end of a loop or of one round: ``break`` or ``continue``."""

    word: str = "break"


class Tick(Data):
    """The node has ticked."""


class Wake(Data):
    """The node asks to be woken.

    Attributes:
        at: the engine time, as text.
        whole: whether the time is certainly an `int`.
        keeps_alive: whether the run goes on until then.
        last: whether it is woken once no other cycle is left at that time.
    """

    at: Text
    whole: bool
    keeps_alive: bool = True
    last: bool = False


class Need(Data):
    """A value is read though the inlined function may ignore it: a call evaluates arguments."""

    hole: Value | Upstream


class Emit(Data):
    """An output of the node ticks.

    Attributes:
        output: the attribute that holds it.
        value: the value.
        place: its place, if the attribute holds a list of outputs.
    """

    output: str
    value: Text
    place: Text = ()


Statement = Do | Set | If | Loop | Raise | Break | Tick | Wake | Need | Emit
Body = tuple[Statement, ...]


class TickForm(Enum):
    """Where in its text a node ticks, and so where its dependants are placed."""

    ALWAYS = "at its end, whenever it runs"
    TAIL = "at the end of the last branch"
    FLAG = "in several places"
    NEVER = "nowhere"


# Attributes


class Is(Enum):
    """How the text of a `cycle` gets an attribute of its node."""

    __hash__ = object.__hash__  # `Enum.__hash__` is slow Python code, and kinds are hashed often

    INPUT = "an upstream"
    INPUTS = "a list or a dict of upstreams"
    STATE = "held in a variable; the cycle assigns it"
    READ = "held in a variable; the cycle only reads it"
    LIVE = "read from the node each time, because its class may define it"
    FOLDED = "a parameter that is written into the text: True, False or None"
    INLINED = "a function whose expression is inlined"
    OPERATOR = "a function of the module operator"
    OUTPUT = "a further output"
    OUTPUTS = "a list of outputs, of which each cycle chooses one"


class Kind(Data):
    """How the text gets an attribute, with the details that the text depends on.

    Attributes:
        of: how the text gets it.
        detail: of `INPUTS`, the places of the upstreams, a range or names; of `FOLDED`, the value;
            of `INLINED`, the expression; of `OPERATOR`, the function; of `READ`, whether the
            parameter is an `int`.
    """

    of: Is
    detail: Any = None


Kinds = Mapping[str, Kind]

VARIABLES = frozenset((Is.STATE, Is.READ))


# The code of a class's cycle


@dataclass(frozen=True, eq=False, slots=True)
class CycleIR:
    """The code of a `cycle`, for all nodes whose attributes are of the same kinds.

    Attributes:
        body: its statements.
        tick_form: where in the statements the node ticks.
        wakes: the maximum number of alarms that one cycle sets without keeping them; infinite if it
            keeps one.
        assigns_value: whether it assigns `value` at all.
        sets_value: whether it assigns `value` in every cycle that ticks.
        withheld: whether `value` may differ from what the node last ticked with (R5).
        requires: what it reads of the run.
        holes: its holes, each once, in the order of the text.
        asks_ticks: whether it asks which upstreams ticked in this cycle, or in this run.
        kinds: the kinds of the node's attributes.
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


# The code of an output: nothing, because its owner's code assigns its value.
OUTPUT = CycleIR((), TickForm.FLAG, 0, True, True, False, frozenset(), (), False, {})
# The code of an output in a list: it runs only when its owner has chosen it.
BRANCH = CycleIR(
    (Set(((Value(),),), "", (Upstream("owner"),), sets_value=True), Tick()),
    TickForm.ALWAYS,
    0,
    True,
    True,
    False,
    frozenset(),
    (Value(), Upstream("owner")),
    False,
    {},
)


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
            case Emit(_, text, place):
                texts = (place, text)
            case Need(hole):
                texts = ((hole,),)
            case _:
                texts = ()
        for text in texts:
            yield from (part for part in text if isinstance(part, Hole))
        if isinstance(each, If | Loop):
            yield from holes_of(each.body)
            yield from holes_of(each.orelse)


def reads_time(body: Body) -> bool:
    """Return whether some statements read the engine time other than for an alarm."""
    for each in body:
        match each:
            case Wake():
                continue
            case If(test, inner, orelse) | Loop(test, inner, orelse):
                if RunState(Run.TIME) in test or reads_time(inner) or reads_time(orelse):
                    return True
            case _:
                if RunState(Run.TIME) in holes_of((each,)):
                    return True
    return False


def wakes_only_now(body: Body) -> bool:
    """Return whether every alarm among some statements is for the present time."""
    for each in body:
        match each:
            case Wake(at) if at != (RunState(Run.TIME),):
                return False
            case If(_, inner, orelse) | Loop(_, inner, orelse):
                if not (wakes_only_now(inner) and wakes_only_now(orelse)):
                    return False
    return True


# Objects around a node that the frontend captured


class Constant(Data):
    """An object that stays the same during a run; a guard compares it at the start of each run."""

    value: Any


class Contents(Data):
    """A closure's cell, read each time."""

    cell: Any


class Builtin(Data):
    """A builtin that the text calls by its own name."""


class Member(Data):
    """A global variable, read from its module each time."""

    module: Any


Capture = Constant | Contents | Builtin | Member


_NOTHING: Mapping[Any, Any] = MappingProxyType({})


def _nothing() -> Mapping[Any, Any]:
    """Return an empty mapping that all nodes share: a graph may have 100,000 of them."""
    return _NOTHING


@dataclass(eq=False, slots=True)
class NodeIR:
    """A node of the plan, and what the passes know about it.

    Attributes:
        index: its place in the order of R2.
        label: the beginning of its variables' names.
        number: the end of its locals' names.
        active: the indices of the upstreams that trigger it.
        passive: the indices of its other upstreams.
        woken: whether alarms or events run it.
        needs_all: whether it waits until every upstream has a value.
        is_source: whether it is a source, which delivers events (R15).
        is_recorded: whether it is a source whose events all exist before the run.
        keeps_alarms: whether its `start` may keep an alarm to cancel it later.
        asks_between_cycles: whether it may use its state outside a cycle.
        has_plain_alarms: whether it sets alarms by `schedule`, which keep the run alive.
        starts_quietly: whether its `start` sets no alarm.
        cycle: the code of its `cycle`; `None` if the function calls the node.
        why: the reason why the function calls it; otherwise empty.
        upstreams: the index of the upstream in each attribute, or at each place in an attribute's
            list or dict.
        captured: for each hole that stands for an object around the node, the object.
        mirrored: whether the function writes its value and ticks to the node at once.
        owner: of an output, the index of the node whose output it is; otherwise -1.
        case: of an output in a list of a fused node, its place there; otherwise -1.
        outputs: the index of the output in each attribute.
        begun: of a node from outside of a sub-graph, or an inlet, whether it has a value before the
            sub-graph's first cycle.
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
    has_plain_alarms: bool = True
    starts_quietly: bool = False
    cycle: CycleIR | None = None
    why: str = ""
    upstreams: Mapping[tuple[str, int | str | None], int] = field(default_factory=_nothing)
    captured: Mapping[Hole, Capture] = field(default_factory=_nothing)
    mirrored: bool = False
    owner: int = -1
    case: int = -1
    outputs: Mapping[str, int] = field(default_factory=_nothing)
    begun: bool = False

    @property
    def fixed(self) -> list[str]:
        """The attributes on which the text of its cycle depends."""
        kinds = {} if self.cycle is None else self.cycle.kinds
        return [
            name
            for name, kind in kinds.items()
            if kind.of not in VARIABLES and kind.of is not Is.LIVE
        ]

    @property
    def is_branch(self) -> bool:
        """Whether it is an output in a list, which its owner's code chooses."""
        return self.case >= 0 and self.cycle is not None

    @property
    def wakes_at_once(self) -> bool:
        """Whether all that it asks for are further cycles at the present time."""
        cycle = self.cycle
        if cycle is None or not self.starts_quietly or self.is_source or not self.has_plain_alarms:
            return False
        # A cycle that asks whether it is due may run without its alarm.
        return bool(self.active) and Due() not in cycle.holes and wakes_only_now(cycle.body)

    @property
    def tick_form(self) -> TickForm:
        """Where the node ticks; a called node may tick or not."""
        return TickForm.TAIL if self.cycle is None else self.cycle.tick_form

    def call(self, why: str) -> None:
        """Make the function call the node."""
        self.cycle, self.why = None, why
