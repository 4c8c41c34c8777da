"""`Profiler`: a tier that runs another one, and notes where the time goes."""

import gc
from collections.abc import Iterable
from time import perf_counter_ns
from typing import Any, Literal

from graphcore.engine.fused import Fused
from graphcore.engine.fused.ir import TickForm
from graphcore.engine.plan import Plan
from graphcore.engine.run.seen import Seen
from graphcore.engine.run.session import Session
from graphcore.errors import place_text
from graphcore.profiling.counted import CountedInterpreted
from graphcore.profiling.profile import NodeProfile, Profile, SourceProfile
from graphcore.profiling.sampler import Sampler
from graphcore.state import RunMode

_LOOP = "(the loop)"


class Profiler:
    """Runs a plan on a tier, for one run.

    Args:
        plan: what is run.
        tier: the tier.
        fused: the fused tier of the plan; on the interpreted tier it says which nodes always tick.
    """

    def __init__(self, plan: Plan, tier: Literal["fused", "interpreted"], fused: Fused) -> None:
        self._plan = plan
        self._name = tier
        self._fused = fused
        self._counted: CountedInterpreted | None = None
        if tier == "interpreted":
            always = [fact.tick_form is TickForm.ALWAYS for fact in fused.facts()]
            self._counted = CountedInterpreted(plan, always)
        self._compiling = self._running = self._collecting = self._waiting = 0
        self._cycles = 0
        self._sampler: Sampler | None = None

    def prepare(self, mode: RunMode, watched: bool) -> None:
        """Prepare a run on the tier."""
        began = perf_counter_ns()
        (self._counted or self._fused).prepare(mode, watched)
        self._compiling = perf_counter_ns() - began

    def run(self, session: Session) -> None:
        """Run the plan on the tier until the session is over."""
        sampled = self._fused if self._counted is None else None
        self._sampler = Sampler(sampled, self._plan.nodes)
        collections = _Collections()
        gc.callbacks.append(collections)
        self._sampler.start()
        began = perf_counter_ns()
        try:
            (self._counted or self._fused).run(session)
        finally:
            self._running = perf_counter_ns() - began
            self._sampler.stop()
            gc.callbacks.remove(collections)
            self._collecting = collections.time
            self._waiting = session.waited
            self._cycles = session.last_cycle or session.cycle

    def look(self, session: Session, indices: Iterable[int]) -> Seen:
        """Look at the run between two cycles."""
        return (self._counted or self._fused).look(session, indices)

    def profile(self) -> Profile:
        """Return the profile of the run."""
        assert self._sampler is not None
        stacks = self._timed() if self._counted is not None else self._sampled(self._sampler)
        times = [0.0] * len(self._plan.nodes)
        for (index, _), time in stacks.items():
            if index >= 0:
                times[index] += time
        whole = sum(times) or 1.0
        names = self._plan.names()
        counts = self._counts()
        nodes = tuple(
            NodeProfile(
                name,
                type(node).__name__,
                place_text(node.wired_at),
                *counts[index],
                times[index],
                times[index] / whole,
            )
            for index, (name, node) in enumerate(zip(names, self._plan.nodes, strict=True))
        )
        sources = tuple(
            SourceProfile(names[index], queue.largest, queue.lag)
            for index, queue in self._sampler.queues.items()
        )
        return Profile(
            tier=self._name,
            nodes=nodes,
            sources=sources,
            cycles=self._cycles,
            compiling=self._compiling / 1e9,
            running=self._running / 1e9,
            waiting=self._waiting / 1e9,
            collecting=self._collecting / 1e9,
            samples=self._sampler.samples,
            stacks={
                (names[index] if index >= 0 else _LOOP, *called): time
                for (index, called), time in stacks.items()
                if time
            },
        )

    def _timed(self) -> dict[tuple[int, tuple[str, ...]], float]:
        assert self._counted is not None
        seconds = [self._counted.counts.seconds(index) for index in range(len(self._plan.nodes))]
        # The estimates may add up to more than there was.
        scale = min(1.0, (self._running - self._waiting) / 1e9 / (sum(seconds) or 1.0))
        return {(index, ()): scale * time for index, time in enumerate(seconds)}

    def _sampled(self, sampler: Sampler) -> dict[tuple[int, tuple[str, ...]], float]:
        shares = sampler.shares()
        looks = sum(shares.values())
        each = (self._running - self._waiting) / 1e9 / looks if looks else 0.0
        return {key: share * each for key, share in shares.items()}

    def _counts(self) -> list[tuple[int | None, int | None]]:
        """Return for each node in how many cycles it ran and ticked, where that is known."""
        if self._counted is not None:
            counts = self._counted.counts
            return [
                (ticks + misses, ticks)
                for ticks, misses in zip(counts.ticks, counts.misses, strict=True)
            ]
        found: list[tuple[int | None, int | None]] = []
        for node, always in zip(self._plan.nodes, self._fused.ticking_always(), strict=True):
            if always:
                found.append((self._cycles, self._cycles))
            else:
                found.append((None, None if node.ticked_in else 0))
        return found


class _Collections:
    """Adds up the time of the process's garbage collections."""

    def __init__(self) -> None:
        self.time = 0
        self._began = 0

    def __call__(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._began = perf_counter_ns()
        elif self._began:
            self.time += perf_counter_ns() - self._began
