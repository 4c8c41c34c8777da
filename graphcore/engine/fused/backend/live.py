"""Fused nodes while the function runs: other code reads and writes their current state.

The function holds the state of its nodes in local variables. As long as it runs, each node has a
subclass of the user's class, whose attributes read and write the variables of the running frame;
`node.__class__` is still the user's class. So the compiler need not search for code that might look
at a node: through a closure, a global, a weak reference or from another thread, such code reaches
the object, and the object asks the frame. A node that nobody looks at costs nothing.

From Python 3.13 on, `frame.f_locals` writes through to the variables (PEP 667). Before 3.13 it is a
snapshot, made anew by each access, and C's `PyFrame_LocalsToFast` writes it back. No other thread
may run between the access and the write: its own writes would be lost. CPython switches threads
only at calls of Python functions, at backward jumps and at the end of calls, so `_write` calls
nothing before it has written.
"""

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import repeat
from types import FrameType
from typing import Any, SupportsIndex

from graphcore.engine.fused.backend.branches import Variables, branch_of, is_of_branch
from graphcore.engine.fused.backend.layout import Kept, Layout
from graphcore.engine.fused.ir import NodeIR
from graphcore.engine.plan import Node
from graphcore.errors import NoValueError, RunError
from graphcore.node import MutableNode, no_value
from graphcore.subgraph import ABSENT

attributes_of = vars(MutableNode)["__dict__"].__get__
_set_class = vars(object)["__class__"].__set__

# For each node's id, the run whose variables hold the node.
_running: dict[int, "Live"] = {}


def _forget_parents_runs() -> None:
    """In a forked child, give the nodes of the parent's runs their own classes back."""
    for live in set(_running.values()):
        live.end()


os.register_at_fork(after_in_child=_forget_parents_runs)


class Live:
    """The nodes of one program while its function runs.

    Args:
        objects: the nodes' objects.
        nodes: the nodes.
        layout: the function's variables.
        ticked_in: returns, from the variables, the number of the cycle in which a node last ticked.
        owner_at: returns the index of the node to which a line of the function belongs, or -1,
            given the variables.

    Attributes:
        mirrored: the indices of the nodes whose objects hold their value and last tick as well.
    """

    def __init__(
        self,
        objects: Sequence[Node],
        nodes: Sequence[NodeIR],
        layout: Layout,
        ticked_in: Callable[[int, Mapping[str, Any], int], int],
        owner_at: Callable[[int, Mapping[str, Any]], int],
    ) -> None:
        self._layout = layout
        self._ticked_in = ticked_in
        self._owner_at = owner_at
        self._frame: FrameType | None = None
        self.take(objects)
        self._own_classes = [type(node) for node in self._held]
        self._nodes = nodes
        self.mirrored = frozenset(node.index for node in nodes if node.mirrored)
        self.lock = threading.RLock()
        # What the nodes' classes gave them at the start of the run, by node and attribute.
        self.defaults: dict[tuple[int, str], Any] = {}

    @cached_property
    def _classes(self) -> list[type[Node]]:
        return _classes(self._nodes, self._layout, self._own_classes)

    # Called by the function and its program

    def prepare(self) -> None:
        """Make the classes that the nodes have during a run; otherwise the first run does."""
        _ = self._classes

    def take(self, objects: Sequence[Node]) -> None:
        """Take the nodes of another graph of this shape."""
        self._objects = objects
        self._held = [objects[kept.node] for kept in self._layout.kept]
        self._ids = [id(node) for node in self._held]
        self._kept: dict[int, Kept] = {}

    def begin(self, frame: FrameType) -> None:
        """Make the nodes read and write the variables of this frame."""
        self._frame = frame
        _running.update(zip(self._ids, repeat(self), strict=False))
        # One call in C, so that Ctrl-C leaves all of them or none.
        deque(map(_set_class, self._held, self._classes), 0)

    def end(self) -> None:
        """Give the nodes their own classes back; without effect if they have them."""
        if self._frame is not None:
            deque(map(_set_class, self._held, self._own_classes), 0)
            deque(map(_running.pop, self._ids, repeat(None)), 0)
            self._frame = None

    def variables(self) -> dict[str, Any] | None:
        """Return the function's current variables, `None` if it does not hold the nodes."""
        return None if self._frame is None else variables_of(self._frame)

    def now(self) -> tuple[dict[str, Any], int] | None:
        """Return the same with the line at which the function is, for the graph's thread."""
        frame = self._frame
        return None if frame is None else (variables_of(frame), frame.f_lineno)

    def readable(self, variables: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the function's variables together with those of its branches."""
        return Variables(variables) if self._layout.branches else variables

    def kept_at(self, index: int) -> Kept | None:
        """Return the variables of a node by its index, `None` if it has none."""
        return self._kept_of_all().get(id(self._objects[index]))

    def is_default(self, index: int, attribute: str, value: object) -> bool:
        """Return whether a node still has an attribute from its class alone."""
        return bool(self.defaults) and self.defaults.get((index, attribute), ABSENT) is value

    def take_value(self, index: int) -> Any:
        """Take from a node the value that `start` gave it: nobody else sees it yet (R5)."""
        return attributes_of(self._objects[index]).pop("value", ABSENT)

    # Called by the nodes

    @property
    def is_running(self) -> bool:
        """Whether the function holds the nodes."""
        return self._frame is not None

    def read(self, node: Node, name: str) -> Any:
        """Return an attribute of a node, whose value a variable holds."""
        frame = self._frame
        if frame is None:  # the run has ended in the meantime
            return getattr(node, name)
        kept, own = self._kept_of(node), attributes_of(node)
        variables = self.readable(frame.f_locals)
        if name == "ticked_in":
            return self._tick_of(kept.node, frame)
        if name == "value":
            variable = kept.value
            if kept.working != variable and self._owner_at(frame.f_lineno, variables) == kept.node:
                variable = kept.working
            value = variables.get(variable, ABSENT) if variable else own.get("value", ABSENT)
            if value is ABSENT:
                raise no_value(node)
            return value
        variable = dict(kept.state)[name]
        # Until the function has read the attribute, the object holds it.
        return variables[variable] if variable in variables else own_attribute(node, name)

    def _tick_of(self, index: int, frame: FrameType) -> int:
        """Return in which cycle a node last ticked.

        The line and the variables are read one after the other, and another thread may run the
        function in between: then they belong to different moments, and are read again.
        """
        while True:
            line, cycle = frame.f_lineno, frame.f_locals.get("cycle")
            variables = self.readable(frame.f_locals)
            found = self._ticked_in(index, variables, self._owner_at(line, variables))
            if (frame.f_lineno, frame.f_locals.get("cycle")) == (line, cycle):
                return found

    def write(self, node: Node, name: str, value: Any) -> bool:
        """Set an attribute of a node; return `False` if no variable holds it now.

        Raises:
            RunError: for an attribute on which the text of the function depends.
        """
        with self.lock:
            frame = self._frame
            if frame is None:
                return False
            kept = self._kept_of(node)
            own = attributes_of(node)
            if name == "value" and kept.working:
                if kept.working != kept.value:
                    self._write(frame, kept.working, value)
                    if self._owner_at(frame.f_lineno, frame.f_locals) == kept.node:
                        return True
                if kept.value:
                    self._write(frame, kept.value, value)
                if kept.node in self.mirrored or not kept.value:
                    own["value"] = value
                return True
            for attribute, variable in (*kept.state, *kept.read):
                if attribute == name:
                    self._write(frame, variable, value)
                    own[name] = value
                    return True
            if name in kept.fixed and own.get(name) is not value:
                raise RunError(
                    f"{name} of {node.name} cannot be assigned during a run, because the compiled "
                    'function has its value written in: run with tier="interpreted"'
                )
            return False

    def _write(self, frame: FrameType, variable: str, value: Any) -> None:
        if not is_of_branch(variable):
            _write(frame, variable, value)
            return
        # The function reads the node's attributes when it makes the branches.
        with suppress(KeyError):
            branch, name = branch_of(variable, frame.f_locals)
            setattr(branch, name, value)

    def _kept_of(self, node: Node) -> Kept:
        return self._kept_of_all()[id(node)]

    def _kept_of_all(self) -> dict[int, Kept]:
        if not self._kept:
            self._kept = dict(zip(self._ids, self._layout.kept, strict=True))
        return self._kept

    def attributes(self, node: Node) -> "LiveAttributes":
        """Return a node's attributes as they are now."""
        made = LiveAttributes(node)
        if self._frame is not None:
            kept = self._kept_of(node)
            held = ("value",) if kept.working else ()
            for name in ("ticked_in", *held, *(name for name, _ in kept.state)):
                try:
                    value = self.read(node, name)
                except (AttributeError, NoValueError):  # the node has none now
                    made.pop(name, None)
                    continue
                if not self.is_default(kept.node, name, value):
                    dict.__setitem__(made, name, value)
        return made


def variables_of(frame: FrameType) -> dict[str, Any]:
    """Return a frame's variables in a dict; from 3.13 on, asking the frame one by one is slow."""
    variables = frame.f_locals
    return variables if isinstance(variables, dict) else dict(variables.items())


if sys.version_info >= (3, 13):

    def _write(frame: FrameType, variable: str, value: Any) -> None:
        frame.f_locals[variable] = value

    def write_all(frame: FrameType, values: Mapping[str, Any]) -> None:
        """Set variables of the frame of a generator that is not running."""
        frame.f_locals.update(values)

else:
    import ctypes

    _to_fast = ctypes.pythonapi.PyFrame_LocalsToFast
    _to_fast.argtypes = [ctypes.py_object, ctypes.c_int]
    _to_fast.restype = None

    def _write(frame: FrameType, variable: str, value: Any) -> None:
        old = frame.f_locals.get(variable)  # keeps it alive: no finalizer may run below
        variables = frame.f_locals
        variables[variable] = value
        _to_fast(frame, 0)
        del old

    def write_all(frame: FrameType, values: Mapping[str, Any]) -> None:
        """Set variables of the frame of a generator that is not running."""
        variables = frame.f_locals
        old = list(variables.values())  # keeps them alive: no finalizer may run below
        variables |= values
        _to_fast(frame, 0)
        del old


class LiveAttributes(dict[str, Any]):
    """A fused node's `__dict__` during a run: a copy that writes through to the node."""

    def __init__(self, node: Node) -> None:
        super().__init__(attributes_of(node))
        self._node = node

    def __setitem__(self, name: str, value: Any) -> None:
        super().__setitem__(name, value)
        live = _running.get(id(self._node))
        if live is None or not live.write(self._node, name, value):
            attributes_of(self._node)[name] = value

    def __delitem__(self, name: str) -> None:
        _check_deletable(self._node, name)
        super().__delitem__(name)
        del attributes_of(self._node)[name]

    def __ior__(self, other: Any) -> "LiveAttributes":  # type: ignore[override,misc]  # as update
        self.update(other)
        return self

    def pop(self, name: str, *default: Any) -> Any:
        """Delete an attribute and return its value, or the default if there is none."""
        if default and name not in self:
            return default[0]
        value = self[name]
        del self[name]
        return value

    def update(self, *given: Any, **named: Any) -> None:
        """Set several attributes."""
        for name, value in dict(*given, **named).items():
            self[name] = value

    def setdefault(self, name: str, default: Any = None) -> Any:
        """Return an attribute; if there is none, set it to the default first."""
        if name not in self:
            self[name] = default
        return self[name]


class _LiveAttribute:
    """A descriptor in a fused node's class during a run, for an attribute that a variable holds."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __get__(self, node: Node | None, owner: type) -> Any:
        if node is None:
            return getattr(owner.__mro__[1], self._name)
        live = _running.get(id(node))
        return own_attribute(node, self._name) if live is None else live.read(node, self._name)

    def __set__(self, node: Node, value: Any) -> None:
        live = _running.get(id(node))
        if live is None or not live.write(node, self._name, value):
            attributes_of(node)[self._name] = value

    def __delete__(self, node: Node) -> None:
        _check_deletable(node, self._name)
        attributes_of(node).pop(self._name, None)


class _ReadAttribute(_LiveAttribute):
    """The same for an attribute that no cycle assigns: the object still holds it as well."""

    def __get__(self, node: Node | None, owner: type) -> Any:
        return super().__get__(None, owner) if node is None else own_attribute(node, self._name)


def _check_deletable(node: Node, name: str) -> None:
    """Refuse to delete an attribute that a variable holds: the function cannot do without it.

    Raises: RunError: while the function runs.
    """
    live = _running.get(id(node))
    if live is None or not live.is_running:
        return
    if isinstance(vars(type(node)).get(name), _LiveAttribute):
        raise RunError(
            f"{name} of {node.name} cannot be deleted during a run: assign another value, or run "
            'with tier="interpreted"'
        )


def own_attribute(node: Node, name: str) -> Any:
    """Return an attribute that the node's object itself holds.

    Raises: NoValueError, AttributeError: if the node has none.
    """
    try:
        return attributes_of(node)[name]
    except KeyError:
        if name == "value":
            raise no_value(node) from None
        cls = node.__class__.__name__
        text = f"{cls!r} object has no attribute {name!r}"
        raise AttributeError(text, name=name, obj=node) from None


def _set_attribute(node: Node, name: str, value: Any) -> None:
    live = _running.get(id(node))
    if live is None or not live.write(node, name, value):
        object.__setattr__(node, name, value)


def _live_attributes(node: Node) -> dict[str, Any]:
    live = _running.get(id(node))
    return attributes_of(node) if live is None else live.attributes(node)


def _reduce(node: Node, protocol: SupportsIndex) -> Any:
    """Make copied and unpickled nodes instances of the node's own class."""
    made: Any = object.__reduce_ex__(node, protocol)
    function, arguments, state, *rest = made
    if type(node).__getstate__ is object.__getstate__:
        state = dict(vars(node))  # `__dict__` alone is from before the run
    own = (node.__class__ if each is type(node) else each for each in arguments)
    return function, tuple(own), state, *rest


class _Seed(MutableNode[Any]):
    """An empty class with a node's memory layout; its base is then replaced by a user's class.

    A class made directly as a subclass of the user's would call the user's `__init_subclass__`.
    """

    def __init_subclass__(cls) -> None:
        """Check nothing: the user's class was checked when it was made."""


def _classes(
    nodes: Sequence[NodeIR], layout: Layout, own: Sequence[type[Node]]
) -> list[type[Node]]:
    """Return for each node that variables hold its class during a run."""
    made: dict[tuple[Any, ...], type[Node]] = {}
    classes = []
    for kept, cls in zip(layout.kept, own, strict=True):
        hidden: Iterable[str] = ()
        if not nodes[kept.node].mirrored:
            hidden = ("ticked_in", "value") if kept.working else ("ticked_in",)
        live = (*hidden, *(name for name, _ in kept.state))
        read = (*(name for name, _ in kept.read), *sorted(kept.fixed))
        key = cls, live, read
        if key not in made:
            made[key] = live_class(cls, live, read)
        classes.append(made[key])
    return classes


def live_class(cls: type[Node], live: Iterable[str], read: Iterable[str]) -> type[Node]:
    """Return the class that nodes of a user's class have during a run.

    Args:
        cls: the user's class.
        live: the attributes that variables hold.
        read: those of them that no cycle assigns, so that the object holds them as well.
    """
    names: dict[str, Any] = {
        "__slots__": (),
        "__module__": cls.__module__,
        "__qualname__": cls.__qualname__,
        "__doc__": cls.__doc__,
        "__setattr__": _set_attribute,
        "__class__": property(lambda node: cls),
        "__reduce_ex__": _reduce,
        "__dict__": property(_live_attributes),
        "operator": cls.operator,
        **{name: _ReadAttribute(name) for name in read},
        **{name: _LiveAttribute(name) for name in live},
    }
    made = type(cls.__name__, (_Seed,), names)
    made.__bases__ = (cls,)
    return made
