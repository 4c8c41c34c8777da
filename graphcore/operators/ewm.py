"""Exponentially weighted statistics, with the results of pandas' `ewm(adjust=True)`.

A value's weight is (1 - alpha)^k once k values have come after it, and the mean is the weighted sum
divided by the sum of the weights (pandas user guide, "Exponentially weighted window"). A value that
is not finite counts as missing: it ages the weights of the others and leaves the mean as it is.
"""

from graphcore.declare import node, state
from graphcore.node import Active, MutableNode
from graphcore.state import GraphState


@node
class EwmMean(MutableNode[float]):
    """The weighted mean of all values so far."""

    source: Active[float]
    alpha: float
    mean: float = state(0.0)
    weight: float = state(0.0)
    decay: float = state(0.0)
    begun: bool = state(False)

    def start(self, state: GraphState) -> None:
        self.decay = 1.0 - self.alpha

    def cycle(self, state: GraphState) -> bool:
        value = self.source.value
        decayed = self.weight * self.decay
        if value - value == 0.0:  # it is finite: inf - inf and nan - nan are nan
            self.weight = decayed + 1.0
            # While all values are equal, the mean is exactly that value, without rounding.
            if value != self.mean:
                self.mean = (decayed * self.mean + value) / self.weight
            self.begun = True
        elif self.begun:
            self.weight = decayed
        else:
            return False
        self.value = self.mean
        return True
