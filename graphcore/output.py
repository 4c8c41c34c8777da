"""Further outputs of a node: nodes that tick when their owner's `cycle` says so."""

from typing import Any, ClassVar, TypeVar

from graphcore.errors import RunError
from graphcore.node import MutableNode, Upstreams
from graphcore.state import GraphState

T = TypeVar("T")


class IsOutput:
    """Marks the class of the streams that `@node` makes for the outputs that a class declares."""

    __slots__ = ()


class Turn:
    """What a node's outputs know of the present call of its `cycle`.

    Attributes:
        cycle: the number of the cycle, 0 between two calls.
        ticked: the outputs that ticked in the call, each with the cycle of its tick before.
        waiting: the outputs that ticked in the call and have not run since.
        given: the value for the output in a list that was chosen.
    """

    __slots__ = ("cycle", "given", "ticked", "waiting")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget everything, at the start of a run."""
        self.cycle = 0
        self.ticked: list[tuple[OutputNode[Any], int]] = []
        self.waiting: list[OutputNode[Any]] = []
        self.given: Any = None


class OutputNode(MutableNode[T], IsOutput):
    """A further output of a node: it ticks in the cycles in which its owner says so.

    Attributes:
        owner: the node whose output it is.
        attribute: its name there.
        turn: the present call of the owner's `cycle`.
        is_chosen: whether it is one of a list from which the owner chooses in each cycle.
    """

    is_chosen: ClassVar[bool] = False

    def __init__(self, owner: MutableNode[Any], attribute: str) -> None:
        super().__init__()
        self.owner = owner
        self.attribute = attribute
        self.turn: Turn = vars(owner).setdefault("_turn", Turn())

    @property
    def name(self) -> str:
        """The name that `named` gave, else the owner's name and the attribute."""
        return self._name or f"{self.owner.name}.{self.attribute}"

    @name.setter
    def name(self, name: str) -> None:
        MutableNode.name.fset(self, name)  # type: ignore[attr-defined]  # mypy takes it for text

    def upstreams(self) -> Upstreams:
        """Return the owner, after which this node runs."""
        return Upstreams(passive=(self.owner,))

    def tick(self, value: T) -> None:
        """Tick with a value, in the present cycle.

        Raises:
            RunError: outside the owner's `cycle`, or if it has ticked in this cycle.
        """
        cycle = self.turn.cycle
        if not cycle:
            raise RunError(f"{self.name} can tick only in the cycle of {self.owner.name}")
        if self.ticked_in == cycle:
            raise RunError(f"{self.name} has ticked in this cycle: tick a list of the values")
        self.turn.ticked.append((self, self.ticked_in))
        if self.is_chosen:
            self.turn.given = value
        else:
            self.value = value
            self.ticked_in = cycle

    def cycle(self, state: GraphState) -> bool:
        """Tick if the owner said so in this cycle."""
        waiting = self.turn.waiting
        for place, output in enumerate(waiting):
            if output is self:
                del waiting[place]
                if self.is_chosen:
                    self.value = self.turn.given
                return True
        return False

    def reset(self) -> None:
        """Forget the value, and what an owner that failed had given."""
        super().reset()
        self.turn.clear()


class Branch(OutputNode[T]):
    """One of a list of outputs from which its owner chooses in each cycle.

    Its place is its index in the owner's list, and is kept nowhere else.
    """

    is_chosen = True
