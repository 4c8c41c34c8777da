"""A program: its text, the changes between its runs, and how the rounds are run."""

import copy
import functools
import itertools
import linecache
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import graphcore as gc
from tests.differential.draw import Picks, draw_pace
from tests.differential.judge import Judge
from tests.differential.observe import Outcome, record, run, run_by_judge
from tests.differential.programs.changes import write_change
from tests.differential.programs.classes import GLOBALS, draw_shape, write_class
from tests.differential.programs.wiring import Wiring
from tests.differential.recipe import graph_of
from tests.differential.tiers import NATIVE, Pace, at_pace

_OPTIONS: list[dict[str, Any]] = [
    {"cycles": 25},
    {"cycles": 25, "duration": 4},
    {"cycles": 3},
    {"cycles": 25, "until": 5},
    {"cycles": 25, "start": 2},
]
_TIERS = [
    ("fused",),
    (NATIVE,),
    (NATIVE, "fused"),
    ("interpreted", NATIVE),
    ("fused", "interpreted"),
    ("interpreted", "fused"),
    ("fused", "fused", "interpreted"),
]
JUDGE = ("judge",)
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Program:
    """A program, which shows itself as what can be run by hand.

    Attributes:
        text: its text, in which `wire` returns the graph's roots.
        changes: what runs in the program's names between two runs of the graph.
        options: the bounds of each run.
        tiers: the tiers of the runs, again and again.
        pace: how native runs are divided.
    """

    text: str
    changes: tuple[str, ...]
    options: dict[str, Any]
    tiers: tuple[str, ...]
    pace: Pace

    def __repr__(self) -> str:
        changes = "".join(f"# --- before run {i}\n{c}\n" for i, c in enumerate(self.changes, 2))
        head = "from tests.differential.programs.program import names\nglobals().update(names())\n"
        how = f"# --- run({self.options}), tiers {self.tiers}, {self.pace}"
        return f"\n{head}{self.text}{changes}{how}\n"


def make_program(
    classes: list[bytes], steps: list[tuple[str, bytes]], changes: list[bytes], ending: bytes
) -> Program:
    """Make a program of what hypothesis has drawn."""
    picks = [Picks(choices) for choices in classes]
    shapes = [draw_shape(each, number) for number, each in enumerate(picks)]
    texts = [write_class(each, shape) for each, shape in zip(picks, shapes, strict=True)]
    wiring = Wiring(shapes)
    wiring.source(Picks(b""))
    for kind, choices in steps:
        getattr(wiring, kind)(Picks(choices))
    if not wiring.of_class:
        wiring.node(Picks(b""))
    last = Picks(ending)
    wired = wiring.finish(last)
    written = [write_change(Picks(choices), wiring, shapes) for choices in changes]
    options = last.of(_OPTIONS) if last.number(2) else _OPTIONS[0]
    text = "\n".join([GLOBALS, *texts, wired])
    return Program(text, tuple(written), options, last.of(_TIERS), draw_pace(last))


def rounds(program: Program, tiers: tuple[str, ...]) -> Iterator[Outcome]:
    """Run a program from its beginning, once and again after each change."""
    space = names()
    exec(_compiled(program.text), space)
    try:
        roots = space["wire"]()
    except gc.GraphcoreError as error:
        yield {"raised": str(error), "error": ""}
        return
    graph = graph_of(*roots)
    judge = Judge(graph.nodes)
    for number, tier in enumerate(
        itertools.islice(itertools.cycle(tiers), len(program.changes) + 1)
    ):
        if number:
            exec(_compiled(program.changes[number - 1]), space)
        if tiers == JUDGE:
            yield run_by_judge(graph, judge, **program.options)
        else:
            with at_pace(program.pace):
                outcome = run(graph, tier=tier, **program.options)
            yield outcome


def names() -> dict[str, Any]:
    """Return what a program finds among its names before its first line."""
    functions = (peek, poke, ask, in_thread, inner_run, recode)
    modules = {"gc": gc, "copy": copy, "functools": functools, "weakref": weakref}
    named = {each.__name__: each for each in functions} | {"note": record}
    return {**modules, **named, "S": [], "W": [], "__name__": "program"}


def peek(node: Any) -> Any:
    """Return what a node's value reads as."""
    try:
        return node.value
    except gc.NoValueError:
        return "no value"


def poke(node: Any, value: Any) -> None:
    """Write to a node, as a method of another object would."""
    node.x = (getattr(node, "x", 0) + value) % 9
    node.value = value


def ask(node: Any, v: Any) -> None:
    """Use the state that a node has kept, from outside of its cycle."""
    kept = getattr(node, "kept", None)
    if kept is not None:
        record("kept", kept.time, kept.due, kept.ticked(node), kept.valid(node))
        if v % 3:
            kept.schedule(kept.time + v % 2)


def inner_run(v: Any, node: Any) -> Any:
    """Run another graph in the middle of a run; it looks at a node of the outer one."""
    out = gc.from_iterable([v, 1]).map(lambda w: (w, peek(node))).collect()
    out.run()
    return out.values


def recode(function: Any, by: Any = lambda v, *_: v + 100) -> None:
    """Replace a function's code in place, as autoreload does, if neither has a closure."""
    if getattr(function, "__closure__", 0) is by.__closure__ is None:
        function.__code__ = by.__code__


def in_thread(function: Callable[..., None], *given: Any) -> None:
    """Call a function in a thread, and wait for its end, so that it is certain when it ran."""
    thread = threading.Thread(target=function, args=given, name="writer")
    thread.start()
    thread.join()


@functools.lru_cache(maxsize=64)
def _compiled(text: str) -> Any:
    name = f"<program {next(_numbers) % 500}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    with warnings.catch_warnings(action="ignore"):  # of `is` beside what is a number here
        return compile(text, name, "exec")
