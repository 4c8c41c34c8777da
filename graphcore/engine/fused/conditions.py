"""The tests of whether a clock holds in this cycle, and of whether it has held in this run."""

from graphcore.engine.fused.clocks import Clock, Of
from graphcore.engine.fused.head import Head
from graphcore.engine.fused.names import Names


class Conditions:
    """Writes the tests, and knows which are needless where the text stands.

    Attributes:
        inside: the clock of the block that is being written.
        flagged: the clocks whose flags are set by then.
    """

    def __init__(self, head: Head, names: Names, every: Clock) -> None:
        self._head = head
        self._names = names
        self.inside = every
        self.flagged: set[Clock] = set()

    def holds(self, clock: Clock) -> str:
        """Return the test of whether a clock holds, empty where it does for certain."""
        if self.inside.implies(clock):
            return ""
        if clock in self.flagged:
            assert clock.flag is not None
            return f"{self._names.flag(clock.flag)} == cycle"
        match clock.of:
            case Of.DUE if self._head is Head.VARIABLES:
                return f"{self._names.due(clock.node)} == time"
            case Of.DUE:
                return f"{clock.node} in due"
            case Of.ANY:
                tests = [self.holds(member) for member in clock.members]
                return " or ".join(tests) if all(tests) else ""
            case Of.VALID if clock.above is not None:
                above, checks = self.holds(clock.above), self.checks(clock)
                if above and clock.above.members == clock.checked and len(checks) == 2:
                    # What holds now has held, so each side asks for the other alone.
                    first, second = (_operand(self.holds(side)) for side in clock.checked)
                    return f"{first} and {checks[1]} or {second} and {checks[0]}"
                return " and ".join([_operand(above), *checks] if above else checks)
        raise AssertionError(f"{clock} is asked for before it can hold")

    def checks(self, clock: Clock) -> list[str]:
        """Return the tests of whether all that a clock waits for has held."""
        return [self.has_held(checked) for checked in clock.checked]

    def has_held(self, clock: Clock) -> str:
        """Return the test of whether a clock has held in this run."""
        if self.inside.has_held(clock):
            return "True"
        if clock.of is Of.NEVER or clock.flag is None:
            return "False"
        return self._names.flag(clock.flag)


def _operand(test: str) -> str:
    """Return a test as an operand of `and`."""
    return f"({test})" if " or " in test else test
