"""Samplers: objects that are asked for parameters and told what came of them.

A sampler is asked for a batch of sets and told their results in the order in which it was asked. So
what it asks next depends on the results alone, and not on the order in which workers finish.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from graphcore.errors import InvalidTypeError, InvalidValueError, shorten
from graphcore.sweeping.grid import Parameters
from graphcore.sweeping.job import Outcome


class Sampler(Protocol):
    """What is asked and told, as optuna's `Study`."""

    def ask(self) -> Any:
        """Return a trial."""

    def tell(self, trial: Any, value: Any = None, /, **more: Any) -> Any:
        """Take the result of a trial; `None` if it failed."""


Suggest = Callable[[Any], Mapping[str, Any]]


@dataclass(frozen=True)
class Search:
    """How a sampler is asked.

    Attributes:
        sampler: the sampler.
        suggest: returns the parameters of a trial; by default the trial itself or its `params`.
        objective: the sink whose value the sampler is told, or a function of a set's row.
        trials: how many sets it is asked for.
        batch: how many sets it is asked for before it is told their results.
    """

    sampler: Sampler
    suggest: Suggest | None
    objective: str | Callable[[dict[str, Any]], Any]
    trials: int
    batch: int

    def batches(self) -> Iterator[tuple[list[Any], list[Parameters]]]:
        """Yield the trials and the parameters of each batch; each is told before the next."""
        for first in range(0, self.trials, self.batch):
            count = min(self.batch, self.trials - first)
            trials = [self.sampler.ask() for _ in range(count)]
            yield trials, list(map(self._parameters, trials))

    def tell(self, trial: Any, parameters: Parameters, outcome: Outcome) -> Outcome:
        """Tell the result of a trial; a set of which the objective cannot be had has failed."""
        value = None
        if outcome.error is None:
            try:
                value = self._value(parameters | outcome.cells)
            except Exception as error:
                error.add_note("while the objective of the sweep was computed")
                outcome = Outcome(error=error)
        if outcome.error is not None and type(self.sampler).__module__.startswith("optuna."):
            # Told `None`, it warns.
            self.sampler.tell(trial, state=import_module("optuna.trial").TrialState.FAIL)
        else:
            self.sampler.tell(trial, value)
        return outcome

    def _value(self, row: dict[str, Any]) -> Any:
        if callable(self.objective):
            return self.objective(row)
        if self.objective not in row:
            raise InvalidValueError(
                f"the objective is {self.objective!r}, and the row has {', '.join(row)}"
            )
        return row[self.objective]

    def _parameters(self, trial: Any) -> Parameters:
        given = trial if self.suggest is None else self.suggest(trial)
        if self.suggest is None and not isinstance(trial, Mapping):
            given = getattr(trial, "params", None)
        if not isinstance(given, Mapping) or not given:
            raise InvalidTypeError(
                f"the sampler asks for {shorten(trial)}, which names no parameters: give suggest=, "
                "a function that returns the dict of parameters of a trial"
            )
        return dict(given)
