"""The native tier's intermediate representation: typed, scalar, and free of Python.

A `Kernel` is the code of one cycle. Each of its variables has one kind. Where the kernel cannot do
exactly what Python does, it traps: it stops, and Python runs the cycle. `Trap` always traps,
`TrapIf` for a test, and some operations for some operands; `operations.py` names those.
"""

from dataclasses import dataclass, field
from enum import IntEnum

from graphcore.engine.fused.data import Data


class Kind(IntEnum):
    """What a variable holds; the number is its tag, where a variable may hold several kinds."""

    OTHER = 0  # no value yet, or an object that stays in Python
    NONE = 1
    BOOL = 2
    INT = 3  # 64 bits
    FLOAT = 4
    TUPLE = 5  # its items are variables of their own
    TEXT = 6  # a string, and below a member of an enum: the number of a category
    MEMBER = 7


NUMBERS = frozenset((Kind.BOOL, Kind.INT, Kind.FLOAT))
CATEGORIES = (Kind.TEXT, Kind.MEMBER)
SCALARS = (*NUMBERS, *CATEGORIES)


# Expressions


class Expr(Data):
    """A number; computing it changes nothing, so it may be left out but for its traps."""

    kind: Kind


class Const(Expr):
    """A number that is known."""

    value: bool | int | float


class Read(Expr):
    """A variable."""

    name: str


class Op(Expr):
    """An operation, by its name in `operations.py`."""

    name: str
    args: tuple[Expr, ...]


class Lazy(Expr):
    """``left and right`` or ``left or right`` of two bools; `right` is computed only if needed."""

    both: bool
    left: Expr
    right: Expr


class Input(Expr):
    """What starts the present cycle.

    Attributes:
        name: its `time`, the number of the `cycle`, the bits of what has `woken` nodes, or a
            `value`.
        source: of a value, the place of its source.
        part: of a tuple or record, the place of the item.
    """

    name: str
    source: int = 0
    part: int = 0


class Length(Expr):
    """The length of a ring or list."""

    ring: str


class Item(Expr):
    """A part of an item of a ring; it traps if there is no such item."""

    ring: str
    part: int
    index: Expr


class Search(Expr):
    """The place for a value in a sorted ring, from `low` on; it traps if `low` is negative.

    If `after` is true, the place is after the items that are equal to the value, else before them.
    """

    ring: str
    value: Expr
    low: Expr
    after: bool


class Row(Expr):
    """The row of a key in a table, by the words of the key; it traps if there is none."""

    table: str
    key: tuple[Expr, ...]


# Statements

Parts = tuple[tuple[int, Expr], ...]


class Assign(Data):
    """Set a variable."""

    name: str
    value: Expr


class If(Data):
    """A choice."""

    test: Expr
    body: "Body"
    orelse: "Body" = ()


class Loop(Data):
    """Run `body` again and again, until it leaves the label; it traps after very many rounds."""

    label: str
    again: str
    body: "Body"


class Block(Data):
    """Run `body` once; it may leave the label before its end."""

    label: str
    body: "Body"


class Leave(Data):
    """Go to the end of a block or loop."""

    label: str


class Again(Data):
    """Begin the next round of a loop, by its `again`."""

    label: str


class Trap(Data):
    """Leave the cycle to Python; `reason` is an index into `Kernel.reasons`."""

    reason: int


class TrapIf(Data):
    """Leave the cycle to Python if a test holds."""

    test: Expr
    reason: int


class At(Data):
    """From here on, operations that trap do so for this reason."""

    reason: int


class Push(Data):
    """Append an item to a ring, part by part.

    Attributes:
        ring: the ring.
        parts: for each part that the item has, its place and value.
    """

    ring: str
    parts: "Parts"


class Drop(Data):
    """Remove the first or the last item of a ring; it traps if there is none."""

    ring: str
    first: bool


class Insert(Data):
    """Insert an item into a list, part by part; the index is that of `list.insert`."""

    ring: str
    index: Expr
    parts: "Parts"


class Remove(Data):
    """Remove an item of a list; it traps if there is no such item."""

    ring: str
    index: Expr


class Swap(Data):
    """Remove an item of a list as `Remove` does, then insert another as `Insert` does.

    The items between the two places move once, where they would twice from there to the end.

    Attributes:
        ring: the list.
        index: the place of the item that is removed.
        to: the place for the other one, once the former is removed.
        parts: the parts of the other one.
    """

    ring: str
    index: Expr
    to: Expr
    parts: "Parts"


class Cut(Data):
    """Remove the first items of a list, as many as the slice ``[:count]`` has."""

    ring: str
    count: Expr


class Replace(Data):
    """Put another item in place of one of a ring, part by part; it traps if there is none."""

    ring: str
    index: Expr
    parts: "Parts"


class Clear(Data):
    """Remove all items of a ring."""

    ring: str


class Append(Data):
    """Append an item to a list that the kernel only appends to, part by part."""

    list: str
    parts: "Parts"


class Fetch(Data):
    """Set the variables of a table to what a row holds."""

    table: str
    row: Expr


class Keep(Data):
    """Have a row hold the variables of its table, as `Fetch` has set them and the code since."""

    table: str
    row: Expr


class Wake(Data):
    """Set an alarm.

    Attributes:
        at: engine time, ns.
        bit: the place of the node's bit in what starts a cycle.
        keeps_alive: whether the run goes on until then.
        last: whether it goes off once no other cycle is left at that time.
    """

    at: Expr
    bit: int
    keeps_alive: bool
    last: bool


Statement = (
    Assign
    | If
    | Loop
    | Block
    | Leave
    | Again
    | Trap
    | TrapIf
    | At
    | Push
    | Drop
    | Insert
    | Remove
    | Swap
    | Cut
    | Replace
    | Clear
    | Append
    | Fetch
    | Keep
    | Wake
)
Body = tuple[Statement, ...]


class Reason(Data):
    """Why a cycle is left for Python.

    Attributes:
        text: the reason.
        line: the line of the fused function, for the node to which it belongs; 0 for none.
    """

    text: str
    line: int


class Start(Data):
    """What starts the cycles.

    Attributes:
        sources: for each recorded source, the kinds of the parts of a value.
        lone: whether each event of the only source starts a cycle, and nothing else does.
        alarms: how many nodes may be woken by alarms; their bits follow those of the sources.
        crowded: the reason for which a cycle is left to Python that may follow too many others at
            one time (R15); an index into `Kernel.reasons`.
    """

    sources: tuple[tuple[Kind, ...], ...]
    lone: bool = True
    alarms: int = 0
    crowded: int = 0


class Table(Data):
    """State that there is once for each key, in a row of words each.

    Attributes:
        changed: the variables that the kernel changes.
        read: those that it only reads.
        words: how many words a key has.
    """

    changed: tuple[str, ...]
    read: tuple[str, ...]
    words: int

    @property
    def width(self) -> int:
        """How many words a row has; the first is the number of the call that changed it last."""
        return 1 + len(self.changed) + len(self.read)

    @property
    def slot(self) -> int:
        """How many words a slot has: the row of a key, below 0 if it is empty, and the key."""
        return 1 + self.words


@dataclass(frozen=True, slots=True)
class Kernel:
    """The code of one cycle.

    Attributes:
        start: what starts the cycles.
        body: its statements.
        variables: the kind of each variable.
        carried: the variables that keep their values from one cycle to the next.
        rings: for each ring, the kinds of an item's parts.
        lists: for each list, the same.
        reasons: why it may trap.
        tables: the state of keys.
    """

    start: Start
    body: Body
    variables: dict[str, Kind]
    carried: tuple[str, ...]
    rings: dict[str, tuple[Kind, ...]]
    lists: dict[str, tuple[Kind, ...]]
    reasons: tuple[Reason, ...] = field(compare=False)
    tables: dict[str, Table] = field(default_factory=dict)
