"""`Families`: the metrics of one scrape, as prometheus_client takes them."""

from collections.abc import Iterable, Iterator, Sequence
from math import isinf

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)

from graphcore.errors import InvalidTypeError
from graphcore.seeing import Buckets, Measure, MeasureKind

Family = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily

_CLASSES: dict[MeasureKind, type[Family]] = {
    MeasureKind.COUNTER: CounterMetricFamily,
    MeasureKind.GAUGE: GaugeMetricFamily,
    MeasureKind.HISTOGRAM: HistogramMetricFamily,
}


class Families:
    """The metrics of one scrape, by name; one metric holds the samples of all graphs.

    Args:
        labels: the names of the labels of measures.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = labels
        self._families: dict[str, Family] = {}

    def declare(self, name: str, kind: MeasureKind, text: str, labels: Sequence[str]) -> Family:
        """Return a metric, made if it is not there yet."""
        family = self._families.get(name)
        if family is None:
            family = self._families[name] = _CLASSES[kind](name, text, labels=labels)
        return family

    def sample(self, name: str, values: Sequence[str], value: float) -> None:
        """Add a sample to a counter or gauge that was declared.

        Args:
            name: the name of the metric.
            values: the values of its labels.
            value: the value.
        """
        family = self._families[name]
        assert not isinstance(family, HistogramMetricFamily)
        family.add_metric(values, value)

    def add(self, measures: Iterable[Measure], values: Sequence[str]) -> None:
        """Add the measures of a node.

        Args:
            measures: the measures.
            values: the values of the labels.

        Raises:
            InvalidTypeError: for a histogram without `Buckets`, or for `Buckets` of anything else.
        """
        for each in measures:
            family = self.declare(each.name, each.kind, each.text, self._labels)
            value = each.value
            if isinstance(family, HistogramMetricFamily):
                if isinstance(value, Buckets):
                    family.add_metric(values, _cumulative(value), value.total)
                    continue
            elif not isinstance(value, Buckets):
                family.add_metric(values, value)
                continue
            raise InvalidTypeError(
                f"the measure {each.name!r} is a {each.kind}, which cannot have the value {value!r}"
            )

    def __iter__(self) -> Iterator[Family]:
        """Yield the metrics."""
        return iter(self._families.values())


def _cumulative(buckets: Buckets) -> list[tuple[str, float]]:
    return [("+Inf" if isinf(bound) else str(bound), count) for bound, count in buckets.counts]
