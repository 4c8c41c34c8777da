"""Run all checks on a graph."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

from graphcore.checking.finding import CheckWarning, Finding
from graphcore.checking.functions import (
    functions_that_nobody_awaits,
    functions_that_share_a_loop_variable,
)
from graphcore.checking.look import Look
from graphcore.checking.never import nodes_that_never_tick
from graphcore.checking.pairs import pairs_that_never_tick_together
from graphcore.checking.queues import queues_that_grow
from graphcore.checking.unused import nodes_in_no_graph
from graphcore.engine.fused.ir import NodeIR
from graphcore.engine.plan import Plan
from graphcore.errors import WiringError

CheckName = Literal["off", "warn", "error"]
Check = Callable[[Look], Iterable[Finding]]

FactsOf = Callable[[Plan], Sequence[NodeIR]]

_checks: list[Check] = [
    nodes_that_never_tick,
    pairs_that_never_tick_together,
    queues_that_grow,
    functions_that_share_a_loop_variable,
    functions_that_nobody_awaits,
]


def register_check(function: Check) -> None:
    """Add a check, for an adapter that knows what can be wrong with its own nodes.

    Args:
        function: gets a `Look` and returns or yields findings.
    """
    _checks.append(function)


def check(plan: Plan, facts_of: FactsOf) -> list[Finding]:
    """Return what is probably wrong with a graph, in the order of the lines that wired it.

    Args:
        plan: the graph's plan, with those of the sub-graphs that its runs have made.
        facts_of: returns what the compiler knows of the nodes of a plan.
    """
    looks = [Look(each, facts_of(each)) for each in _plans(plan)]
    found = {finding: None for look in looks for each in _checks for finding in each(look)}
    # Not in sub-graphs: those of the other keys and of past runs are in no graph either.
    found |= dict.fromkeys(nodes_in_no_graph(looks[0]))
    return sorted(found, key=lambda finding: finding.wired_at)


def _plans(plan: Plan) -> Iterator[Plan]:
    yield plan
    for made in list(plan.subgraphs.values()):
        for inner in list(made.values()):
            yield from _plans(inner)


def tell(findings: Sequence[Finding], how: CheckName) -> None:
    """Warn of each finding, or raise an error with all of them.

    Raises:
        WiringError: if there are findings and `how` is ``"error"``.
    """
    if not findings:
        return
    if how == "error":
        raise WiringError("\n".join(["the graph has mistakes:", *map(str, findings)]))
    for finding in findings:
        # At the line that wired the node, where the mistake is.
        warnings.warn_explicit(
            f"{finding.problem}; {finding.advice}", CheckWarning, *finding.wired_at
        )
