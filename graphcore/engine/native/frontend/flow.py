"""What is known of the variables at one place of the code: less than what holds everywhere.

A variable has one set of kinds for the whole function, but after an assignment it holds one of
them. Where paths meet, it may hold what it held on either. What is not in a `Flow` may hold any of
its kinds.
"""

from dataclasses import dataclass, field
from typing import Any

from graphcore.engine.native.ir import Kind

Facts = dict[str, frozenset[Kind]]


@dataclass
class Flow:
    """What is known here, and at the labels to which the code before has gone.

    Attributes:
        kinds: for a variable, the kinds that it may hold here.
        objects: for a variable, the object that it holds here: a `Known`, which the kernel cannot
            hold, or a bool.
        left: what was known where the code went to a label.
    """

    kinds: Facts = field(default_factory=dict)
    objects: dict[str, Any] = field(default_factory=dict)
    left: dict[str, "Flow"] = field(default_factory=dict)

    def copy(self) -> "Flow":
        """Return a copy that changes independently of this one."""
        return Flow(dict(self.kinds), dict(self.objects), self.left)

    def assigned(self, name: str, kind: Kind) -> None:
        """Note that a variable holds a value of this kind."""
        self.kinds[name] = frozenset((kind,))
        self.objects.pop(name, None)

    def forget(self, name: str) -> None:
        """Note that a variable may hold any of its kinds."""
        self.kinds.pop(name, None)
        self.objects.pop(name, None)

    def exclude(self, name: str, kind: Kind) -> None:
        """Note that a variable does not hold this kind, if more is known of it."""
        left = self.kinds.get(name, frozenset()) - {kind}
        if left:
            self.kinds[name] = left

    def forget_all(self, prefix: str) -> None:
        """Note that the variables whose names begin so may hold any of their kinds."""
        for name in [each for each in (*self.kinds, *self.objects) if each.startswith(prefix)]:
            self.forget(name)

    def leave(self, label: str) -> None:
        """Note that the code goes to a label."""
        self.left[label] = joined(self.left.get(label), self.copy())

    def is_as(self, other: "Flow") -> bool:
        """Return whether both know the same."""
        return self.kinds == other.kinds and self.objects == other.objects


def joined(one: Flow | None, other: Flow | None) -> Flow:
    """Return what is known where two paths meet; `None` for a path that leads elsewhere."""
    if one is None or other is None:
        known = one or other
        assert known is not None
        return known
    kinds = {
        name: held | other.kinds[name] for name, held in one.kinds.items() if name in other.kinds
    }
    objects = {
        name: held
        for name, held in one.objects.items()
        if name in other.objects and other.objects[name] == held
    }
    return Flow(kinds, objects, one.left)
