"""Withhold the values that a node sets without ticking (R5).

A `cycle` may set `value` and return False. The node itself reads that value in its next cycle;
everybody else reads what the node last ticked with. `Withholding` swaps the two around each call of
`cycle`. Most classes need no swap, because their code shows that they tick with whatever they set:
`sets_only_what_it_ticks_with` reads that from the bytecode, which every function has, while its
source may be gone.
"""

import dis
import inspect
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import chain, pairwise
from types import CodeType, FunctionType, GetSetDescriptorType, MemberDescriptorType
from typing import Any

from graphcore.node import EffectNode, MutableNode, Source
from graphcore.output import OutputNode
from graphcore.state import GraphState
from graphcore.subgraph import ABSENT

Node = MutableNode[Any]
Step = Callable[[GraphState], bool]

_GROUND = frozenset(chain(MutableNode.__mro__, Source.__mro__, EffectNode.__mro__))
_ASSIGN = ("STORE_ATTR", "DELETE_ATTR")
_JUMPS = frozenset(chain(dis.hasjrel, dis.hasjabs))
_NEVER_FALL_THROUGH = frozenset(
    ["JUMP_FORWARD", "JUMP_BACKWARD", "JUMP_BACKWARD_NO_INTERRUPT", "RAISE_VARARGS", "RERAISE"]
)
# The beginnings of names. Nodes have no setters, so that storing an attribute raises nothing.
_HARMLESS = ("COPY", "LOAD_CONST", "LOAD_FAST", "NOP", "POP_TOP", "RETURN", "STORE", "SWAP")
_RETURNS = ("RETURN_VALUE", "RETURN_CONST")
# Names of functions that may assign `value` though the code does not show it.
_WAYS_ROUND = frozenset(
    [
        "setattr",
        "delattr",
        "vars",
        "locals",
        "exec",
        "eval",
        "__dict__",
        "__setattr__",
        "__delattr__",
    ]
)
_HOOKS = frozenset(["__getattr__", "__getattribute__", "__setattr__", "__delattr__"])


class Withholding:
    """The `cycle` of a node, called so that only the node sees what it sets without ticking.

    Between two calls `node.value` is what the node last ticked with, or what somebody else assigned
    since. If it is not the object that the last call left there, other code has assigned it.

    Args:
        node: a node whose `value` is what all others read now.
        working: the value that the node itself reads in its next cycle, `ABSENT` if there is none.
        resumable: whether cycles may follow one in which the node raised. If it raises, the node
            otherwise stays as its cycle left it.
    """

    __slots__ = ("_cycle", "_node", "_resumable", "_shown", "_working")

    def __init__(self, node: Node, working: Any, resumable: bool = False) -> None:
        self._node = node
        self._resumable = resumable
        self._cycle: Step = node.cycle
        self._working = working
        self._shown: Any = vars(node).get("value", ABSENT)

    def __call__(self, state: GraphState) -> bool:
        """Run the node's cycle."""
        return self.call(self._cycle, state)

    def call(self, method: Step, state: GraphState) -> bool:
        """Run a method of the node that may set its value, and returns whether it ticked."""
        node = self._node
        attributes = vars(node)
        shown = attributes.get("value", ABSENT)
        if shown is self._shown and shown is not self._working:
            _put(attributes, self._working)
        ticked = False
        try:
            ticked = bool(method(state))
        except Exception:
            if self._resumable:
                self._take(shown, ticked)
            raise
        self._take(shown, ticked)
        return ticked

    def _take(self, shown: Any, ticked: bool) -> None:
        """Note the value that the node has set, and show to others what it has ticked with."""
        node = self._node
        attributes = vars(node)  # a node may replace its dict
        self._working = attributes.get("value", ABSENT)
        if ticked:
            self._shown = self._working
        else:
            self._shown = shown
            if shown is not self._working:
                _put(attributes, shown)


def _put(attributes: dict[str, Any], value: Any) -> None:
    if value is not ABSENT:
        attributes["value"] = value
    else:
        attributes.pop("value", None)


def steps_of(
    nodes: Iterable[tuple[int, Node]], withheld: dict[int, Withholding], resumable: bool = False
) -> dict[int, Step]:
    """Return what to call for each node's `cycle`: `cycle` itself if nothing is withheld.

    Args:
        nodes: nodes whose `start` has been called, with their indices.
        withheld: what is called already for some of them, by index; those that are made are added.
        resumable: whether cycles may follow one in which a node raised.
    """
    plain: dict[type, bool] = {}
    steps: dict[int, Step] = {}
    for index, node in nodes:
        if index in withheld:
            steps[index] = withheld[index]
            continue
        cls = type(node)
        if cls not in plain:
            plain[cls] = sets_only_what_it_ticks_with(cls, resumable)
        if plain[cls] and "cycle" not in vars(node):  # one of its own, so its class does not tell
            steps[index] = node.cycle
            continue
        working = vars(node).get("value", ABSENT)
        # `start` set it: only the node reads it before its first tick. A node that has ticked was
        # fused up to now: its class got a method since it was compiled.
        if not node.ticked_in:
            _put(vars(node), ABSENT)
        steps[index] = withheld[index] = Withholding(node, working, resumable)
    return steps


def sets_only_what_it_ticks_with(cls: type[Node], resumable: bool = False) -> bool:
    """Return whether the class's code shows that its nodes tick with every value that they set.

    It does so if `cycle` and `close` return the constant True, or raise, on each path on which they
    may have assigned `value`, and no other method of the class, or of the user's classes among its
    bases, assigns it. If the code does not prove it, the answer is False.

    Args:
        cls: the class.
        resumable: whether cycles may follow one in which a node raised. Then nothing may raise on a
            path once `value` may have been assigned.
    """
    if issubclass(cls, OutputNode):  # its owner sets its value, in a cycle in which it ticks
        return True
    ticking = [inspect.getattr_static(cls, name) for name in ("cycle", "close")]
    methods: list[_Method] = []
    for base in cls.__mro__:
        if base in _GROUND:
            continue
        for name, item in vars(base).items():
            if any(item is each for each in ticking):
                continue
            found = _functions(item)
            if found is None or name in _HOOKS:
                return False
            methods += [(name, function.__code__, bound) for function, bound in found]
    codes = [each.__code__ for each in ticking if isinstance(each, FunctionType)]
    if len(codes) < len(ticking):
        return False
    if ticking[1] is not MutableNode.close and any({"cycle", "close"} & _names(c) for c in codes):
        return False  # one may call the other, and not return what that says
    return all(_shows(code, tuple(methods), resumable) for code in codes)


# A method's name, its code, and whether its first argument is the node.
_Method = tuple[str, CodeType, bool]


def _functions(item: object) -> list[tuple[FunctionType, bool]] | None:
    """Return the functions that an attribute of a class calls, `None` if that is unknown."""
    if isinstance(item, staticmethod | classmethod):
        inner = _functions(item.__func__)
        return None if inner is None else [(function, False) for function, _ in inner]
    if isinstance(item, FunctionType):
        return [(item, True), *((each, True) for each in _inner(item))]
    if isinstance(item, property):
        accessors = [each for each in (item.fget, item.fset, item.fdel) if each is not None]
        if not all(isinstance(each, FunctionType) for each in accessors):
            return None
        return [found for each in accessors for found in _functions(each) or ()]
    if isinstance(item, type | GetSetDescriptorType | MemberDescriptorType):
        return []
    # An attribute that is not a descriptor never gets the node, unless a method passes it on.
    return None if hasattr(type(item), "__get__") else []


def _inner(function: FunctionType) -> Iterator[FunctionType]:
    """Yield the functions in a function's closure, such as the one that a decorator wraps."""
    waiting, met = [function], {id(function)}
    while waiting:
        for cell in waiting.pop().__closure__ or ():
            try:
                content = cell.cell_contents
            except ValueError:  # an empty cell
                continue
            if isinstance(content, FunctionType) and id(content) not in met:
                met.add(id(content))
                waiting.append(content)
                yield content


@lru_cache(maxsize=1024)
def _shows(cycle: CodeType, methods: tuple[_Method, ...], resumable: bool) -> bool:
    names = set(chain.from_iterable(_names(code) for _, code, _ in methods))
    for name, code, _ in methods:
        # The new method can call an overridden one only by passing the node to it, which
        # `_shows_in` sees.
        if _assigns(code) and (name not in ("cycle", "close") or name in names):
            return False
    # `super()` passes the node on, and `MutableNode.reset` deletes its value.
    leaks = {"super", "reset", *_WAYS_ROUND}
    reached = _reached(cycle, methods)
    leaks.update(
        name
        for name, code, bound in reached
        if bound and code.co_argcount and _lets_out(code, code.co_varnames[0])
    )
    found = True
    while found:
        found = False
        for name, code, _ in reached:
            if name not in leaks and leaks & _names(code):
                leaks.add(name)
                found = True
    return bool(cycle.co_argcount) and _shows_in(cycle, leaks, resumable)


def _reached(cycle: CodeType, methods: tuple[_Method, ...]) -> list[_Method]:
    """Return the methods that a `cycle` may call, as far as their names tell."""
    found: list[_Method] = []
    left, names = list(methods), _names(cycle)
    while further := [each for each in left if each[0] in names]:
        found += further
        left = [each for each in left if each[0] not in names]
        names = names.union(*(_names(code) for _, code, _ in further))
    return found


def _names(code: CodeType) -> set[str]:
    """Return the names of the globals and attributes in a function and the functions inside it."""
    return set(code.co_names).union(*map(_names, _inside(code)))


def _inside(code: CodeType) -> Iterator[CodeType]:
    return (each for each in code.co_consts if isinstance(each, CodeType))


@lru_cache(maxsize=1024)
def _assigns(code: CodeType) -> bool:
    """Return whether a function assigns or deletes an attribute `value` of any object."""
    if "value" in code.co_names and any(
        each.opname in _ASSIGN and each.argval == "value" for each in dis.get_instructions(code)
    ):
        return True
    return bool(_WAYS_ROUND & _names(code)) or any(map(_assigns, _inside(code)))


@lru_cache(maxsize=1024)
def _lets_out(code: CodeType, node: str) -> bool:
    """Return whether a function does more with a variable than use its attributes."""
    instructions = list(_instructions(code))
    return any(
        _hands_on(instruction, following, node, code)
        for instruction, following in pairwise(instructions)
    ) or any(_lets_out(inner, node) for inner in _inside(code) if node in inner.co_freevars)


def _instructions(code: CodeType) -> Iterator[dis.Instruction]:
    for each in dis.get_instructions(code):
        if each.opname != "EXTENDED_ARG" or each.is_jump_target:
            yield each


def _hands_on(
    instruction: dis.Instruction, following: dis.Instruction, node: str, code: CodeType
) -> bool:
    """Return whether an instruction loads a variable for more than one of its attributes."""
    name = instruction.opname
    if "LOAD" not in name or not ("FAST" in name or "DEREF" in name):
        return False
    if "FAST" in name and node in code.co_cellvars:
        return False  # the cell for an inner function, in Python 3.13
    loaded = instruction.argval
    if isinstance(loaded, tuple):  # two instructions in one, in Python 3.13
        if name == "LOAD_FAST_LOAD_FAST" and loaded[0] == node:
            return True
        loaded = loaded[1]
    if loaded != node:
        return False
    augmented = following.opname == "COPY" and following.arg == 1
    asks = following.opname in ("LOAD_ATTR", "LOAD_METHOD", *_ASSIGN)
    return not (asks or augmented)


def _shows_in(code: CodeType, leaks: set[str], resumable: bool) -> bool:
    """Follow the paths through a `cycle` or a `close`; see `sets_only_what_it_ticks_with`.

    Args:
        code: that of the method.
        leaks: names of globals and methods whose use may assign `value`.
        resumable: whether an instruction that may raise once `value` is assigned is refused.
    """
    instructions = list(_instructions(code))
    places = {each.offset: place for place, each in enumerate(instructions)}
    handlers = dis.Bytecode(code).exception_entries  # type: ignore[attr-defined]  # in no stub
    assigned: dict[int, bool] = {}  # for each place reached: whether `value` may be assigned there
    waiting: list[tuple[int, bool]] = [(0, False)]
    while waiting:
        place, before = waiting.pop()
        if assigned.get(place, -1) >= before:
            continue
        instruction = instructions[place]
        following = instructions[place + 1] if place + 1 < len(instructions) else instruction
        assigned[place] = before
        after = before or _may_assign(instruction, following, code, leaks)
        if resumable and before and not _is_harmless(instruction):
            return False
        if instruction.opname in _RETURNS:
            if after and not _returns_true(instruction, instructions[place - 1]):
                return False
            continue
        targets = [each.target for each in handlers if each.start <= instruction.offset < each.end]
        if instruction.opcode in _JUMPS:
            targets.append(instruction.argval)
        if not all(target in places for target in targets):
            return False
        waiting += [(places[target], after) for target in targets]
        if instruction.opname not in _NEVER_FALL_THROUGH:
            waiting.append((place + 1, after))
    return True


def _is_harmless(instruction: dis.Instruction) -> bool:
    """Return whether an instruction raises nothing: it moves values, jumps or returns."""
    return instruction.opcode in _JUMPS or instruction.opname.startswith(_HARMLESS)


def _may_assign(
    instruction: dis.Instruction, following: dis.Instruction, code: CodeType, leaks: set[str]
) -> bool:
    node = code.co_varnames[0]
    if instruction.opname in _ASSIGN:
        return bool(instruction.argval == "value")
    if instruction.opname.startswith("LOAD_") and isinstance(instruction.argval, str):
        by_name = "ATTR" in instruction.opname or "METHOD" in instruction.opname
        if instruction.argval in leaks and (by_name or "GLOBAL" in instruction.opname):
            return True
    inner = instruction.argval
    if isinstance(inner, CodeType):
        handed_on = node in inner.co_freevars and _lets_out(inner, node)
        return handed_on or _assigns(inner) or bool(leaks & _names(inner))
    return _hands_on(instruction, following, node, code)


def _returns_true(returning: dis.Instruction, before: dis.Instruction) -> bool:
    if returning.opname == "RETURN_CONST":  # in Python 3.12 and 3.13
        return returning.argval is True
    return before.opname == "LOAD_CONST" and before.argval is True and not returning.is_jump_target
