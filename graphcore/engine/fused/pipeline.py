"""The pipeline: the passes that turn a plan into a function, in order; their only caller.

1 locate the source of `cycle` · 2 check that it is in the subset · 3 classify its attributes ·
4 unroll lists of upstreams · 5 inline functions · 6 lower to `CycleIR` · 7 escape analysis ·
8 clocks and blocks · 9 choose the driver · 10 lay out variables · 11 emit · 12 compile
"""

from collections.abc import Container, Sequence

from graphcore.engine.collector import without_collections
from graphcore.engine.fused.analysis.alike import alike
from graphcore.engine.fused.analysis.clocks import Placement
from graphcore.engine.fused.analysis.drivers import DriverName, choose
from graphcore.engine.fused.analysis.escape import mirror
from graphcore.engine.fused.analysis.tests import place
from graphcore.engine.fused.backend.drivers import DRIVERS
from graphcore.engine.fused.backend.emit import emit
from graphcore.engine.fused.backend.instances import Compiled, ResumeDriver
from graphcore.engine.fused.backend.layout import lay_out
from graphcore.engine.fused.backend.program import Program
from graphcore.engine.fused.backend.sharing import share
from graphcore.engine.fused.frontend.capture import Frontend, read_plan
from graphcore.engine.plan import Plan


def read(plan: Plan, to_call: dict[int, str], resumable: bool = False) -> Frontend:
    """Passes 1 to 7: the nodes as data, each fused, mirrored or called.

    Args:
        plan: the plan.
        to_call: nodes that have to be called, with the reason.
        resumable: whether cycles may follow one in which a node raised.
    """
    with without_collections():
        frontend = read_plan(plan, to_call, resumable)
        mirror(frontend.nodes, frontend.held)
        return frontend


def compile_subgraph(
    plan: Plan,
    frontend: Frontend,
    inlets: Sequence[int],
    root: int,
    resumable: bool,
    keeps_nodes: bool,
) -> Compiled:
    """Passes 8, 10, 11 and 12: make the function of a sub-graph whose nodes are all fused.

    Args:
        plan: the sub-graph.
        frontend: its nodes as data.
        inlets: the indices of its inlets.
        root: the index of its root.
        resumable: whether cycles may follow one in which a node raised.
        keeps_nodes: whether each sub-graph keeps its nodes after its birth.
    """
    with without_collections():
        nodes = frontend.nodes
        placed = place(nodes, Placement(nodes, resumable))
        layout = lay_out(nodes, plan.nodes, placed, inlets, plan.outside, is_subgraph=True)
        driver = ResumeDriver(nodes, layout, inlets, root, resumable, keeps_nodes)
        return Compiled(plan, nodes, placed, layout, driver)


def compile_for(
    driver: DriverName | None,
    plan: Plan,
    frontend: Frontend,
    shared: Container[int] | None = None,
) -> Program:
    """Passes 8 to 12: make the program for a driver, by default the one for history.

    Args:
        driver: the driver.
        plan: the plan.
        frontend: its nodes as data.
        shared: as `lay_out` takes it.
    """
    with without_collections():
        nodes = frontend.nodes
        placed = place(nodes, Placement(nodes))
        made = DRIVERS[driver or choose(nodes)]
        groups = alike(nodes, placed, shared is not None)
        layout = lay_out(nodes, plan.nodes, placed, made.replaces(nodes), shared, groups=groups)
        layout = share(layout, nodes, plan.nodes, groups)
        chosen = made(nodes, layout)
        text = emit(nodes, placed, layout, chosen)
        program = Program(plan, nodes, placed, layout, chosen, text)
        program.compile()
        return program
