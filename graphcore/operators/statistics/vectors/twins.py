"""The twin of each node of numbers: the class that does the same for vectors."""

from typing import Any

from graphcore.errors import InvalidTypeError, shorten
from graphcore.operators.statistics import (
    ewm,
    ewm_joint,
    extremes,
    joint,
    moments,
    whole,
)
from graphcore.operators.statistics.twinned import Twinned
from graphcore.operators.statistics.vectors.elements import Elements, JointElements, Rows
from graphcore.operators.statistics.vectors.ewm import (
    VectorEwmCorr,
    VectorEwmCov,
    VectorEwmMean,
    VectorEwmStd,
    VectorEwmSum,
    VectorEwmVar,
    VectorEwmZScore,
)
from graphcore.operators.statistics.vectors.extremes import VectorMax, VectorMin
from graphcore.operators.statistics.vectors.matrix import (
    GrowingCorr,
    GrowingCov,
    SlidingCorr,
    SlidingCov,
    VectorEwmCorrMatrix,
    VectorEwmCovMatrix,
)
from graphcore.operators.statistics.vectors.moments import (
    VectorCount,
    VectorMean,
    VectorSem,
    VectorStd,
    VectorSum,
    VectorVar,
    VectorZScore,
)
from graphcore.operators.statistics.vectors.window import bare

_TWINS: dict[type[Twinned], type[Any]] = {
    whole.Count: VectorCount,
    whole.Values: Rows,
    moments.Sum: VectorSum,
    moments.Mean: VectorMean,
    moments.Var: VectorVar,
    moments.Std: VectorStd,
    moments.Sem: VectorSem,
    moments.ZScore: VectorZScore,
    extremes.Min: VectorMin,
    extremes.Max: VectorMax,
    ewm.EwmMean: VectorEwmMean,
    ewm.EwmSum: VectorEwmSum,
    ewm.EwmVar: VectorEwmVar,
    ewm.EwmStd: VectorEwmStd,
    ewm.EwmZScore: VectorEwmZScore,
    ewm_joint.EwmCov: VectorEwmCov,
    ewm_joint.EwmCorr: VectorEwmCorr,
    ewm_joint.EwmCovMatrix: VectorEwmCovMatrix,
    ewm_joint.EwmCorrMatrix: VectorEwmCorrMatrix,
    joint.CovMatrix: SlidingCov,
    joint.CorrMatrix: SlidingCorr,
}
# In their place, in a window that vectors do not leave.
_GROWING: dict[type[Any], type[Any]] = {SlidingCov: GrowingCov, SlidingCorr: GrowingCorr}


def twin_of(cls: type[Twinned], parameters: dict[str, Any], vector: Any, numbers: int) -> Any:
    """Return the twin of a node, for vectors as long as this one.

    Args:
        cls: the class of the node.
        parameters: those of the node, without its inputs.
        vector: the first vector.
        numbers: how many numbers came before it.

    Raises:
        InvalidTypeError: if numbers came before it.
    """
    if numbers:
        raise InvalidTypeError(
            f"a statistic is computed of numbers or of vectors, not of both: {shorten(vector)} "
            f"came after {numbers} numbers"
        )
    attributes = {**parameters, "size": vector.shape[-1], "timed": False}
    twin = _TWINS.get(cls)
    if twin in _GROWING and not parameters["keeps"]:
        twin = _GROWING[twin]
    if twin is None:
        twin = JointElements if issubclass(cls, joint.Joint | joint.WeightedSum) else Elements
        attributes["figure_class"] = cls
        attributes["attributes"] = parameters
        attributes["of_time"] = parameters["timed"]
    made = bare(twin, attributes)
    made.begin()
    return made
