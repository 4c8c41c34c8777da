"""Node classes and functions made from text, as a module or a notebook's cell makes them."""

import linecache
from typing import Any

import graphcore as gc
from tests.differential.both import agree

_count = iter(range(10**9))


def run_text(text: str, **names: Any) -> dict[str, Any]:
    """Run a text as a module, and return its names."""
    name = f"<text {next(_count)} of an attack>"
    linecache.cache[name] = (len(text), None, text.splitlines(True), name)
    space = {"gc": gc, "__name__": "made_for_this_test"} | names
    exec(compile(text, name, "exec"), space)
    return space


def node_class(*cycle: str, before: str = "", **names: Any) -> Any:
    """Return a node class of one input, whose `cycle` has these lines."""
    lines = [before, "@gc.node", "class N(gc.MutableNode):", "    src: gc.Active[object]"]
    lines += ["    def cycle(self, state):", *[f"        {line}" for line in cycle]]
    return run_text("\n".join([*lines, "        return True", ""]), **names)["N"]


def fed(cls: Any, *values: Any) -> list[Any]:
    """Return what a node of this class ticks with, on which both tiers and the judge agree."""
    return agree(lambda: gc.Stream(cls(gc.from_iterable(list(values)))).collect())[0]
