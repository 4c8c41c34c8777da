"""Pass 7: which nodes are mirrored, because other code reads them often."""

from graphcore.engine.fused.analysis.escape import mirror
from graphcore.engine.fused.ir import NodeIR, TickForm
from tests.engine.fused.made import always, called, cycle_of, node, nodes, source


def mirrored(*made: NodeIR, held: dict[int, tuple[int, ...]] | None = None) -> list[int]:
    graph = nodes(*made)
    mirror(graph, [(held or {}).get(each.index, ()) for each in graph])
    return [each.index for each in graph if each.mirrored]


def test_the_upstreams_of_a_node_that_is_called_are_mirrored() -> None:
    own = node((0,), (1,), None)
    assert mirrored(source(), source(), always(0), own) == [0, 1]


def test_the_nodes_that_a_function_holds_are_mirrored() -> None:
    assert mirrored(source(), always(0), always(1), always(2), held={3: (1,)}) == [1]
    assert mirrored(source(), always(0), always(1), always(2)) == []


def test_a_node_that_is_called_needs_no_mirror() -> None:
    assert mirrored(source(), called(0), called(1)) == [0]


def test_a_value_that_may_be_withheld_is_not_mirrored() -> None:
    withheld = node((0,), (), cycle_of(form=TickForm.TAIL, withheld=True))
    assert mirrored(source(), withheld, called(1)) == []
