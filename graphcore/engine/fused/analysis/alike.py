"""Pass 8c: find the branches that may share one text, such as the streams of `demux` for each key.

In a cycle, at most one output of a list ticks, and what hangs on it alone is a block of its own.
Blocks are alike if they differ in nothing but the variables of their nodes: nodes of the same code
stand at the same places, and read the same places of their block or the same node around it. Then
one text with the variables of the chosen branch does for all. A text for each of 2,000 branches is
never in the processor's cache when its turn comes.
"""

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import BuiltinFunctionType, FunctionType

from graphcore.engine.fused.analysis.tests import (
    AllOf,
    AnyOf,
    Case,
    IsDue,
    Now,
    Placed,
    PlacedBlock,
    PlacedNode,
    Test,
    nodes_in,
)
from graphcore.engine.fused.analysis.tests import Held as HasTicked
from graphcore.engine.fused.ir import (
    Attribute,
    Builtin,
    Capture,
    Captured,
    Constant,
    Contents,
    CycleIR,
    Due,
    Function,
    Is,
    Member,
    NodeIR,
    Run,
    Value,
)

# With fewer branches each has a text of its own, whose variables are faster than attributes.
FEWEST = 16


@dataclass(frozen=True, eq=False, slots=True)
class Alike:
    """Branches of one node that share a text.

    Attributes:
        owner: the index of the node that chooses the branch.
        blocks: the block of each branch, by the place of its output.
        members: the indices of each branch's nodes, in the same order, by the place of its output.
    """

    owner: int
    blocks: Mapping[int, PlacedBlock]
    members: Mapping[int, tuple[int, ...]]

    @property
    def first(self) -> int:
        """The place of the branch whose nodes the text names."""
        return next(iter(self.members))


def alike(nodes: Sequence[NodeIR], placed: Placed, is_shared: bool) -> list[Alike]:
    """Return the branches that may share a text, as far as there are enough of them.

    Args:
        nodes: all nodes.
        placed: the nodes and blocks with their tests.
        is_shared: whether other graphs of this shape use the function as well.
    """
    return [] if placed.sparse else list(_alike_in(nodes, placed.top, is_shared))


def _alike_in(nodes: Sequence[NodeIR], block: PlacedBlock, is_shared: bool) -> Iterator[Alike]:
    run: list[PlacedBlock] = []
    for item in (*block.items, None):
        if isinstance(item, PlacedBlock) and isinstance(item.test, Case):
            if not (run and goes_on(run[-1].test, item)):
                yield from _alike_among(nodes, run, is_shared)
                run = []
            run.append(item)
            continue
        yield from _alike_among(nodes, run, is_shared)
        run = []
        inside = item.dependants if isinstance(item, PlacedNode) else item
        if inside is not None:
            yield from _alike_in(nodes, inside, is_shared)


def goes_on(test: Test, following: PlacedNode | PlacedBlock | None) -> bool:
    """Return whether the item after a block for a case is one for another case of the same node."""
    if not (isinstance(test, Case) and isinstance(following, PlacedBlock)):
        return False
    other = following.test
    return isinstance(other, Case) and (other.index, other.inside) == (test.index, test.inside)


def _alike_among(
    nodes: Sequence[NodeIR], blocks: Sequence[PlacedBlock], is_shared: bool
) -> Iterator[Alike]:
    found: dict[Hashable, list[tuple[PlacedBlock, tuple[int, ...]]]] = {}
    for block in blocks:
        members = tuple(nodes_in(block))
        of = [nodes[index] for index in members]
        if is_shared and any(_may_differ(node) for node in of):
            continue
        if all(_is_plain(node, nodes) for node in of):
            signature = _Signature(nodes, members).of_block(block, top=True)
            found.setdefault(signature, []).append((block, members))
    for group in found.values():
        by_case = {each.test.case: each for each, _ in group if isinstance(each.test, Case)}
        if len(by_case) == len(group) >= FEWEST:
            first = group[0][0].test
            assert isinstance(first, Case)
            yield Alike(
                first.index,
                by_case,
                dict(zip(by_case, (members for _, members in group), strict=True)),
            )


def _is_plain(node: NodeIR, nodes: Sequence[NodeIR]) -> bool:
    """Return whether a node needs nothing but variables: no alarms, outputs or objects."""
    cycle = node.cycle
    if cycle is None or node.woken or node.mirrored or node.outputs or cycle.withheld:
        return False
    if node.owner >= 0 and not node.is_branch:
        return False
    if any(kind.of is Is.OUTPUTS for kind in cycle.kinds.values()):
        return False
    if {Run.STATE, Run.CLOSING} & cycle.requires or Due() in cycle.holes:
        return False
    if any(isinstance(hole, Attribute) for hole in cycle.holes):
        return False
    if Value() in cycle.holes and not cycle.assigns_value:
        return False
    # A node that assigns no value has none in a variable for others to read.
    reads = [] if node.is_branch else node.upstreams.values()
    return all(_assigns_value(nodes[index].cycle) for index in reads)


def _may_differ(node: NodeIR) -> bool:
    """Return whether other graphs of this shape may have an object here for each branch.

    If a closure holds the branch's key times a parameter, and the parameter is 0 in this graph, all
    branches hold the same value here, and different ones in another graph.
    """
    return any(
        isinstance(hole, Captured)
        or (isinstance(hole, Function) and not _is_the_same_in_all(given))
        for hole, given in node.captured.items()
    )


def _is_the_same_in_all(given: Capture) -> bool:
    if not isinstance(given, Constant):
        return False
    value = given.value
    if type(value) is FunctionType:
        return not _has_own_values(value)
    return value is None or isinstance(value, bool | type | BuiltinFunctionType)


def _assigns_value(cycle: CycleIR | None) -> bool:
    return cycle is None or cycle.assigns_value


class _Signature:
    """What is the same for blocks that are alike.

    Args:
        nodes: all nodes.
        members: the indices of the block's nodes.
    """

    def __init__(self, nodes: Sequence[NodeIR], members: Sequence[int]) -> None:
        self._nodes = nodes
        self._places = {index: place for place, index in enumerate(members)}

    def _of(self, index: int | None) -> Hashable:
        """Return a node's place in the block, or for one around it which one it is."""
        if index is None:
            return None
        place = self._places.get(index)
        return ("around", index) if place is None else place

    def of_block(self, block: PlacedBlock, top: bool = False) -> Hashable:
        """Return what is the same for a block; the test that enters the outermost one is not."""
        return (
            None if top else self._of_test(block.test),
            self._of(block.counter),
            block.starts,
            tuple(map(self._of, block.flag_of)),
            *(
                self.of_block(item) if isinstance(item, PlacedBlock) else self._of_node(item)
                for item in block.items
            ),
        )

    def _of_node(self, placed: PlacedNode) -> Hashable:
        node = self._nodes[placed.index]
        upstreams = () if node.is_branch else node.upstreams.items()
        return (
            self._of(placed.index),
            id(node.cycle),
            node.needs_all,
            node.is_branch,
            tuple((key, self._of(index)) for key, index in upstreams),
            tuple((hole, _of_capture(given)) for hole, given in node.captured.items()),
            tuple((hole, self._of_test(test)) for hole, test in placed.tests.items()),
            placed.sets_flag,
            placed.starts,
            None if placed.dependants is None else self.of_block(placed.dependants),
        )

    def _of_test(self, test: Test) -> Hashable:
        match test:
            case Now(index) | HasTicked(index) | IsDue(index):
                return type(test), self._of(index)
            case AnyOf(tests) | AllOf(tests):
                return (type(test), *map(self._of_test, tests))
        return test


def _of_capture(given: Capture) -> Hashable:
    match given:
        case Constant(value) if type(value) is FunctionType and not _has_own_values(value):
            return "function", id(value.__code__), id(value.__globals__)
        case Constant(value):
            return "constant", id(value)
        case Contents(cell):
            return "cell", id(cell)
        case Member(module):
            return "module", id(module)
        case Builtin():
            return "builtin"


def _has_own_values(function: FunctionType) -> bool:
    """Return whether functions with the same code and globals may give other results."""
    return bool(function.__closure__ or function.__defaults__ or function.__kwdefaults__)
