"""Python imports this at the start of each process of an example: graphs with findings fail."""

from typing import Any

import graphcore as gc
from graphcore.checking import tell

execute = gc.Graph._execute


def check_and_execute(graph: gc.Graph, *given: Any, **options: Any) -> gc.RunReport:
    tell(graph.check(), "error")
    report = execute(graph, *given, **options)
    tell(graph.check(), "error")  # with the sub-graphs that the run made
    return report


gc.Graph._execute = check_and_execute  # type: ignore[method-assign]  # for this process
