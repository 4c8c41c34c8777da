"""What stands in the slots of a template: for each node its own names, constants and tests."""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from graphcore.engine.fused.clocks import Of, Placement
from graphcore.engine.fused.conditions import Conditions
from graphcore.engine.fused.functions import free_cell, free_value
from graphcore.engine.fused.head import Head
from graphcore.engine.fused.lines import Alias, Pieces, Slot
from graphcore.engine.fused.names import BUILTINS, Names
from graphcore.engine.fused.parts import Part
from graphcore.engine.fused.reading import Is
from graphcore.engine.fused.syntax import file_of
from graphcore.engine.fused.text import ABSENT, Text


class Slots:
    """Fills the slots, and notes in the text what it supposes of the program around it."""

    def __init__(
        self,
        parts: Sequence[Part],
        placement: Placement,
        head: Head,
        text: Text,
        names: Names,
        conditions: Conditions,
    ) -> None:
        self._parts = parts
        self._placement = placement
        self._head = head
        self._text = text
        self._names = names
        self._conditions = conditions
        self._indices = {part.node: part.index for part in parts}
        self._aliases: dict[tuple[int, str], str] = {}
        self._supposed: set[tuple[int, str]] = set()

    def line(self, part: Part, pieces: Pieces) -> str:
        """Return a line of a node's template with its slots filled."""
        texts = [each if isinstance(each, str) else self.fill(part, each) for each in pieces]
        return "".join(texts)

    def fill(self, part: Part, slot: Slot) -> str:
        """Return what stands in a slot of a node's template."""
        match slot.what:
            case "value":
                return self._names.value(part)
            case "attribute":
                return self.attribute(part, slot.name, slot.by_name)
            case "local":
                alias = self._aliases.get((part.index, slot.name))
                name = f"{slot.name}_{part.index}"
                return alias or self._names.of(("local", part.index, slot.name), name)
            case "input":
                return self._input(self._upstream(part, slot))
            case "ticked":
                ticks = self._placement.ticks[self._upstream(part, slot).index]
                if ticks.of is Of.NEVER:
                    return "False"
                test = self._conditions.holds(ticks)
                return f"({test})" if test else "True"
            case "valid":
                ticks = self._placement.ticks[self._upstream(part, slot).index]
                held = self._conditions.has_held(ticks)
                return held if held in ("True", "False") else f"({held} > 0)"
            case "state":
                self._text.asks_session = True
                return self._names.state(part)
            case "due":
                return self._is_due(part)
            case "global":
                return self._global(part, slot.name, slot.by_name)
            case "cell":
                assert part.template is not None
                cell = free_cell(part.template.reading.function, slot.name)
                return f"{self._names.constant(part, slot.name, cell)}.cell_contents"
            case "free":
                value = free_value(getattr(part.node, slot.name), slot.detail)
                literal = None if slot.by_name else _literal(value)
                return literal or self._names.constant(part, slot.detail, value)
            case "free_cell":
                cell = free_cell(getattr(part.node, slot.name), slot.detail)
                return f"{self._names.constant(part, slot.detail, cell)}.cell_contents"
        raise AssertionError(f"there is no slot {slot.what}")

    def attribute(self, part: Part, name: str, by_name: bool = False) -> str:
        """Return the variable of a node's attribute, or what it always is."""
        assert part.template is not None
        kind = part.template.kinds[name]
        match kind.of:
            case Is.OWN | Is.KEPT:
                return self._names.of(
                    ("attribute", part.index, name), f"{part.label}_{name.lstrip('_')}"
                )
            case Is.LIVE:
                return f"{self._names.node(part)}.{name}"
        value = getattr(part.node, name)
        if kind.of is Is.LITERAL and not by_name:
            return _literal(value) or self._names.constant(part, name, value)
        return self._names.constant(part, name, value)

    def may_lack(self, part: Part, slot: Slot) -> bool:
        """Return whether there may be no value where a node reads one."""
        if slot.what == "value" or part.node.valid != "all":
            return True
        template = self._upstream(part, slot).template
        return template is None or not (template.sets_value and template.value_with_tick)

    def alias(self, part: Part, line: Alias) -> None:
        """Have a local name stand for an upstream's value, which is there for certain."""
        upstream = self._upstream(part, line.given)
        self._aliases[part.index, line.local.name] = self._names.value(upstream)

    def _upstream(self, part: Part, slot: Slot) -> Part:
        return self._parts[self._indices[part.upstream(slot.name, slot.detail)]]

    def _input(self, upstream: Part) -> str:
        if upstream.template is None:
            return f"{self._names.node(upstream)}.value"
        return self._names.value(upstream)

    def _is_due(self, part: Part) -> str:
        if not part.woken:
            return "False"
        if self._head is Head.VARIABLES:
            return "True"
        if self._head is Head.HEAP:
            return f"({part.index} in woken)"
        return f"({self._names.state(part)}.due_in == cycle)"

    def _global(self, part: Part, name: str, by_name: bool) -> str:
        assert part.template is not None
        function = part.template.reading.function
        where = function.__globals__
        file = file_of(function)
        rebound = file is None or file.rebinds_global(name)
        builtin = name in BUILTINS
        if builtin and not rebound and name not in where:
            self._suppose(where, name, ABSENT)
            return name
        value = where.get(name)
        if rebound or not (callable(value) or isinstance(value, ModuleType)):
            module = self._names.bind(("module", id(where)), f"globals_of_{_tail(where)}", where)
            key = self._names.bind(("key", name), name, name) if by_name else repr(name)
            live = f"{module}[{key}]"
            return f"({live} if {key} in {module} else {name})" if builtin else live
        self._suppose(where, name, value)
        return self._names.bind(("global", id(where), name), name, value)

    def _suppose(self, where: Mapping[str, Any], name: str, value: Any) -> None:
        if (id(where), name) not in self._supposed:
            self._supposed.add((id(where), name))
            self._text.facts.add(where, name, value)


def _literal(value: Any) -> str | None:
    """Return how a value is written, `None` if it is none that can be."""
    if value is None or value is True or value is False:
        return repr(value)
    if type(value) not in (int, float, str, bytes) or (type(value) is float and value - value != 0):
        return None
    text = repr(value)
    if len(text) > 40:
        return None
    return f"({text})" if text.startswith("-") else text


def _tail(where: Mapping[str, Any]) -> str:
    return str(where.get("__name__", "somewhere")).rpartition(".")[2].strip("_") or "somewhere"
