"""Pass 3: classify the attributes that a node's `cycle` uses, as upstreams, state or parameters."""

from collections.abc import Container
from types import FunctionType, MemberDescriptorType
from typing import Any

from graphcore.engine.fused.frontend.functions import expression_of, operator_of
from graphcore.engine.fused.frontend.subset import Cycle, Node, Refused, found_in
from graphcore.engine.fused.ir import Is, Kind
from graphcore.node import MutableNode
from graphcore.output import Branch, OutputNode

_INPUT = Kind(Is.INPUT)


def kinds_of(node: Node, cycle: Cycle, upstreams: Container[int]) -> dict[str, Kind]:
    """Return the kind of each attribute that a node's `cycle` uses.

    Args:
        node: the node.
        cycle: its class's `cycle`.
        upstreams: the ids of the nodes that it was wired with.

    Raises:
        Refused: if the cycle assigns an upstream, or an upstream was replaced after the wiring.
    """
    if "cycle" in vars(node):
        raise Refused("its object has a cycle attribute, which hides its class's")
    kinds: dict[str, Kind] = {}
    for name in cycle.attributes:
        kind = _kind(name, node, cycle, upstreams)
        if name in cycle.written and kind.of in (Is.INPUT, Is.INPUTS):
            raise Refused(f"its cycle assigns {name}, an upstream")
        if name in cycle.written and kind.of is Is.OUTPUT:
            raise Refused(f"its cycle assigns {name}, an output")
        kinds[name] = kind
    return kinds


def _kind(name: str, node: Node, cycle: Cycle, upstreams: Container[int]) -> Kind:
    own = vars(node)
    declared = node._inputs.get(name)
    if declared is not None:
        given = own.get(name)
        if declared.holds is None and id(given) in upstreams:
            return _INPUT
        if type(given) is declared.holds and isinstance(given, list | dict):
            places = _places(given)
            if places is not None and _are_all(given, upstreams):
                return Kind(Is.INPUTS, places)
        raise Refused(f"its upstream {name} was replaced after the wiring")
    if name in node._outputs:
        if not isinstance(node_behind(own.get(name)), OutputNode):
            raise Refused(f"its output {name} was replaced")
        return Kind(Is.OUTPUT)
    if name in cycle.written:
        return Kind(Is.STATE)
    if name in node._fixed_states or name in node._made_states:
        return Kind(Is.READ)
    if name in own:
        given = own[name]
        if type(given) is FunctionType and name in node._parameters:
            return _parameter(name, given, cycle)
        if cycle.is_ours and _are_branches(given, node):
            return Kind(Is.OUTPUTS)
        places = _places(given)
        if places and _are_all(given, upstreams):
            return Kind(Is.INPUTS, places)
        if _are_all([given], upstreams):
            return _INPUT
        if name in node._parameters:
            return _parameter(name, given, cycle)
    return Kind(Is.READ) if found_in(type(node), name) is None else Kind(Is.LIVE)


def _are_branches(given: object, node: Node) -> bool:
    """Return whether an object is a list of outputs from which a node chooses."""
    return (
        isinstance(given, list)
        and bool(given)
        and all(isinstance(each, Branch) and each.owner is node for each in given)
    )


def _places(given: object) -> range | tuple[str, ...] | None:
    """Return the places of the items of a list, tuple or dict of text, `None` for other objects."""
    if isinstance(given, list | tuple):
        return range(len(given))
    if isinstance(given, dict) and all(type(key) is str for key in given):
        return tuple(given)
    return None


def _are_all(
    given: list[Any] | tuple[Any, ...] | dict[str, Any], upstreams: Container[int]
) -> bool:
    nodes = [node_behind(each) for each in (given.values() if isinstance(given, dict) else given)]
    return all(node is not None and id(node) in upstreams for node in nodes)


def node_behind(given: object) -> Node | None:
    """Return the object itself if it is a node, its node if it is a stream, otherwise `None`.

    It asks the object's type alone: looking up `node` on a user's object might run the user's code.
    """
    kind = type(given)
    if issubclass(kind, MutableNode):
        return given  # type: ignore[return-value]  # mypy does not narrow by a variable's type
    slot = getattr(kind, "node", None)
    if isinstance(slot, MemberDescriptorType) and hasattr(kind, "named"):
        found = slot.__get__(given)
        return found if isinstance(found, MutableNode) else None
    return None


def _parameter(name: str, given: Any, cycle: Cycle) -> Kind:
    # Only for graphcore's own classes: users may assign a parameter of their own class during a
    # run.
    if cycle.is_ours and (given is None or given is True or given is False):
        return Kind(Is.FOLDED, given)
    arguments = cycle.called.get(name)
    if arguments is not None:
        expression = expression_of(given)
        if expression is not None:
            return Kind(Is.INLINED, expression)
        if operator_of(given, arguments) is not None:
            return Kind(Is.OPERATOR, given)
    return Kind(Is.READ, type(given) is int)
