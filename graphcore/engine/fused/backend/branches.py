"""The variables of branches that share a text: attributes of an object for each branch.

The attributes have the names that the variables of the first branch's nodes would have. The text
of the branches reaches them as `branch.name`; all other text, and whoever looks at the variables,
by the place of the branch: `demux_26_branches[17].name`.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
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
        self._held = [
            (self._positions[index], attribute, name)
            for index in first
            for attribute, name in (*state[index], *read[index])
        ]
        self._of_nodes = [(values.get(i, ""), state[i], flags.get(i, "")) for i in first]
        names = (name for _, _, name in self._held)
        slots = ("place", *values.values(), *names, *flags.values())
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
            for position, attribute, name in self._held:
                setattr(branch, name, attributes[members[position]][attribute])
            made[place] = branch
        return made

    def nodes(
        self, variables: Mapping[str, Any]
    ) -> Iterator[tuple[int, Any, Iterable[tuple[str, Any]], int | None]]:
        """Yield each node with its value, its state, and its flag if it has one.

        Args:
            variables: the function's variables.
        """
        for branch in variables.get(self.variable, ()):
            if branch is None:
                continue
            members = self.alike.members[branch.place]
            for index, (value, state, flag) in zip(members, self._of_nodes, strict=True):
                yield (
                    index,
                    getattr(branch, value, ABSENT),
                    [(attribute, getattr(branch, name)) for attribute, name in state],
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
