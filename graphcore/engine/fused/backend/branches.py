"""The variables of branches that share a text: attributes of an object for each branch.

The attributes have the names that the variables of the first branch's nodes would have. The text
of the branches reaches them as `branch.name`; all other text, and whoever looks at the variables,
by the place of the branch: `demux_26_branches[17].name`.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import repeat
from operator import attrgetter, getitem
from typing import Any

from graphcore.engine.fused.analysis.alike import Alike
from graphcore.subgraph import ABSENT

BRANCH = "branch"  # the variable of the branch whose text runs


class Branches:
    """The branches of one node that share a text.

    Args:
        variable: the function's variable that holds them.
        case: the function's variable that holds the place of the chosen one.
        size: how many places there are, with those of other branches.
        alike: the branches.
        values: for nodes of the first branch, the attribute of the value.
        flags: for nodes of the first branch, the attribute of the flag.
        state: for nodes of the first branch, the node's attributes that the text assigns, each with
            the branch's attribute.
        read: the same for those that the text only reads.

    Attributes:
        variable: the argument.
        alike: the argument.
        values: the argument.
        flags: the argument.
        cls: the class of a branch's variables.
    """

    def __init__(
        self,
        variable: str,
        case: str,
        size: int,
        alike: Alike,
        values: Mapping[int, str],
        flags: Mapping[int, str],
        state: Mapping[int, Sequence[tuple[str, str]]],
        read: Mapping[int, Sequence[tuple[str, str]]],
    ) -> None:
        self.variable = variable
        self.alike = alike
        self.values = values
        self.flags = flags
        self._case = case
        self._size = size
        first = alike.members[alike.first]
        self._positions = {index: position for position, index in enumerate(first)}
        # For each variable that holds an attribute of a node: the node's position, and both names.
        self._held_of: list[int] = []
        self._attributes: list[str] = []
        self._names: list[str] = []
        for index in first:
            for attribute, name in (*state[index], *read[index]):
                self._held_of.append(self._positions[index])
                self._attributes.append(attribute)
                self._names.append(name)
        # For each node its value, its attributes, and what reads them; with the place, because of a
        # lone name `attrgetter` gives no tuple.
        self._of_nodes = [
            (
                values.get(index, ""),
                [attribute for attribute, _ in state[index]],
                attrgetter(*(name for _, name in state[index]), "place", "place"),
            )
            for index in first
        ]
        slots = ("place", *values.values(), *self._names, *flags.values())
        self.cls = type("Branch", (), {"__slots__": slots})

    def open(self, attributes: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Return the branches by place, each with the state of its nodes.

        Args:
            attributes: the attributes of each node.
        """
        made: list[Any] = [None] * self._size
        for place, members in self.alike.members.items():
            branch: Any = self.cls()
            branch.place = place
            for name in self.flags.values():
                setattr(branch, name, 0)
            # By `map`, because there may be thousands of branches with twenty variables each.
            owners = map(attributes.__getitem__, map(members.__getitem__, self._held_of))
            values = map(getitem, owners, self._attributes)
            deque(map(setattr, repeat(branch), self._names, values), 0)
            made[place] = branch
        return made

    def nodes(
        self, variables: Mapping[str, Any], flags: Mapping[int, str]
    ) -> Iterator[tuple[int, Any, Iterable[tuple[str, Any]], int | None]]:
        """Yield each node with its value, its state, and the flag that tells its ticks.

        Args:
            variables: the function's variables.
            flags: for nodes of the first branch, the variable of that flag. The node of a flag
                that is no variable of the branch comes with `None`.
        """
        first = self.alike.members[self.alike.first]
        in_branch = [_attribute(flags.get(index, "")) for index in first]
        of_nodes = [(*each, flag) for each, flag in zip(self._of_nodes, in_branch, strict=True)]
        for branch in variables.get(self.variable, ()):
            if branch is None:
                continue
            members = self.alike.members[branch.place]
            for index, (value, names, state, flag) in zip(members, of_nodes, strict=True):
                yield (
                    index,
                    getattr(branch, value, ABSENT),
                    zip(names, state(branch), strict=False),
                    getattr(branch, flag) if flag else None,
                )

    def unset(self, error: BaseException) -> str:
        """Return which variable of a branch had no value, if an error is about one."""
        if not isinstance(error, AttributeError) or type(error.obj) is not self.cls:
            return ""
        branch: Any = error.obj
        return f"{self.variable}[{branch.place}].{error.name}"

    def owner(self, index: int, variables: Mapping[str, Any]) -> int:
        """Return the node whose cycle a line runs, given the node that the line names."""
        position = self._positions.get(index)
        if position is None:
            return index
        # Another thread may have read the line before the branch was chosen.
        members = self.alike.members.get(variables.get(self._case, -1))
        return index if members is None else members[position]

    def owners(self, index: int) -> list[int]:
        """Return the nodes whose cycles a line may run, given the node that the line names."""
        position = self._positions.get(index)
        if position is None:
            return [index]
        return [members[position] for members in self.alike.members.values()]


class Variables(Mapping[str, Any]):
    """The function's variables, with those of the branches."""

    def __init__(self, variables: Mapping[str, Any]) -> None:
        self._variables = variables

    def __getitem__(self, name: str) -> Any:
        """Return a variable.

        Raises:
            KeyError: if it has no value.
        """
        if not is_of_branch(name):
            return self._variables[name]
        branch, name = branch_of(name, self._variables)
        try:
            return getattr(branch, name)
        except AttributeError:
            raise KeyError(name) from None

    def __iter__(self) -> Iterator[str]:
        """Iterate over the function's own variables."""
        return iter(self._variables)

    def __len__(self) -> int:
        """Return how many variables the function has of its own."""
        return len(self._variables)


def _attribute(name: str) -> str:
    """Return the attribute of a branch that a variable is; empty if it is none."""
    return name.partition("].")[2]


def is_of_branch(name: str) -> bool:
    """Return whether a variable is one of a branch."""
    return "]." in name


def branch_of(name: str, variables: Mapping[str, Any]) -> tuple[Any, str]:
    """Return the branch that has a variable, and the name of the attribute.

    Raises:
        KeyError: if the function has not made its branches yet.
    """
    where, _, attribute = name.partition("].")
    variable, _, place = where.partition("[")
    return variables[variable][int(place)], attribute
