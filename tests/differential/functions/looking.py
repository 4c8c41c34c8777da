"""Functions that look at a stream which their node does not read, as it is at that moment."""

import functools
from typing import Any

import graphcore as gc
from tests.differential.functions.shape import Function, takes
from tests.differential.observe import record


def value_of(seen: Any) -> Any:
    try:
        return seen.value
    except gc.NoValueError as error:
        return str(error)


def all_of(seen: Any) -> None:
    # Not what a source keeps for itself: its events may all have been read before the run.
    shown = {name: known for name, known in vars(seen.node).items() if name[0] != "_"}
    record("all_of", shown, value_of(seen))


class Holder:
    """Holds a stream, and looks at it when called."""

    def __init__(self, held: Any) -> None:
        self.held = held

    def __call__(self, x: Any) -> Any:
        return (x, value_of(self.held), self.held.node.ticked_in)

    def look(self, x: Any) -> Any:
        return (x, value_of(self.held))


class SlottedHolder:
    """Holds a stream where `vars` does not show it."""

    __slots__ = ("held",)

    def __init__(self, held: Any) -> None:
        self.held = held

    def look(self, x: Any) -> Any:
        return (x, value_of(self.held))


@takes(1)
def looks_from_a_closure(seen: Any) -> Function:
    return lambda x: (x, value_of(seen))


@takes(1)
def looks_at_the_node(seen: Any) -> Function:
    node = seen.node
    return lambda x: (x, node.ticked_in, value_of(node))


@takes(1)
def looks_at_a_state(seen: Any) -> Function:
    def look(x: Any) -> Any:
        all_of(seen)
        return x

    return look


@takes(1)
def looks_where_it_may_be_written_out(seen: Any) -> Function:
    return lambda x: (x, seen.node.ticked_in)


@takes(1)
def looks_by_a_default(seen: Any) -> Function:
    return lambda x, seen=seen: (x, value_of(seen))


@takes(1)
def looks_from_an_object(seen: Any) -> Function:
    return Holder(seen)


@takes(1)
def looks_from_a_method(seen: Any) -> Function:
    return Holder(seen).look


@takes(1)
def looks_from_slots(seen: Any) -> Function:
    return SlottedHolder(seen).look


@takes(1)
def looks_by_a_partial(seen: Any) -> Function:
    return functools.partial(lambda seen, x: (x, value_of(seen)), seen)


@takes(1)
def looks_into_a_list(seen: Any) -> Function:
    boxes = [[seen]]
    return lambda x: (x, [value_of(each) for each in boxes[0]])


@takes(1)
def looks_through_functions(seen: Any) -> Function:
    def inner() -> Any:
        return value_of(seen)

    middle = lambda: inner()
    return lambda x: (x, middle())


def defined_beside(seen: Any, text: str) -> Function:
    """Run text in which `held` is a global, of this graph alone."""
    scope = {"held": seen, "value_of": value_of, "__name__": __name__}
    exec(text, scope)
    function: Any = scope["look"]
    return function


@takes(1)
def looks_at_a_global(seen: Any) -> Function:
    return defined_beside(seen, "def look(x): return (x, value_of(held))")


@takes(1)
def looks_by_a_global_function(seen: Any) -> Function:
    text = "def look(x): return (x, inner())\ndef inner(): return value_of(held)"
    return defined_beside(seen, text)


@takes(1)
def changes_what_it_sees(seen: Any) -> Function:
    def change(x: Any) -> Any:
        # The fused tier may have read a source's parameters before the run: it refuses to set them.
        attributes = {} if isinstance(seen.node, gc.Source) else dict(vars(seen.node))
        for name, known in attributes.items():
            if type(known) in (int, float) and name not in ("serial", "ticked_in"):
                setattr(seen.node, name, known + 1)
        return x

    return change
