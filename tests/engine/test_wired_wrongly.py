"""User-written nodes that could not run as declared or wired are refused with the reason."""

from collections.abc import Callable
from typing import Any, ClassVar

import pytest

import graphcore as gc
from graphcore.node import Source
from graphcore.testing import ticks
from tests.engine.fused.both import node_class

TAKEN = ["cycle", "name", "operator", "reset", "serial", "start", "stop", "ticked_in", "value"]
FORMS = ["{}: gc.Active[float]", "{}: float", "{}: float = 1.0", "{}: float = gc.state(0.0)"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", [*TAKEN, "upstreams", "valid", "wired_at"])
def test_a_name_that_every_node_has_is_refused(name: str, form: str) -> None:
    with pytest.raises(
        gc.InvalidTypeError, match=f"^{name} of Tried would hide what every node has"
    ):
        node_class("return True", f"{form.format(name)}\nk: int")


@pytest.mark.parametrize("name", ["recorded", "skipped", "chunks", "endless", "first_event"])
def test_a_name_that_every_source_has_is_refused_in_a_source(name: str) -> None:
    with pytest.raises(gc.InvalidTypeError, match=f"{name} of Mine would hide"):
        gc.node(type("Mine", (Source,), {"__annotations__": {name: int}}))


@pytest.mark.parametrize("name", ["node", "state", "time", "due", "session", "recorded", "end"])
def test_a_name_that_only_the_engine_has_is_free(name: str) -> None:
    cls: Any = node_class(
        f"self.value = self.source.value + self.{name}\nreturn True",
        f"source: gc.Active[int]\n{name}: int",
    )
    assert ticks(gc.Stream(cls(gc.constant(1), 2))) == [(0, 3)]


def test_a_class_variable_of_a_name_that_every_node_has_may_be_annotated() -> None:
    @gc.node
    class Mine(gc.MutableNode[int]):
        operator: ClassVar[str] = "mine"
        source: gc.Active[int]

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = self.source.value
            return True

    assert Mine(gc.constant(1)).name.startswith("mine_")


@pytest.mark.parametrize(
    ("annotation", "given"),
    [
        ("gc.Stream[int]", lambda: gc.constant(1)),
        ("gc.Active[int] | None", lambda: gc.constant(1)),
        ("tuple[gc.Active[int], ...]", lambda: (gc.constant(1), gc.constant(2))),
        ("list[gc.Stream[int]]", lambda: [gc.feedback()]),
    ],
)
def test_a_stream_given_for_a_parameter_is_refused(
    annotation: str, given: Callable[[], Any]
) -> None:
    cls: Any = node_class("return True", f"source: {annotation}\nk: int = 1")
    with pytest.raises(gc.InvalidTypeError, match="source of Tried is declared as a parameter"):
        cls(given())


@pytest.mark.parametrize("given", [None, (), {}, [1], gc.never().node, gc.never().collect()])
def test_other_arguments_are_parameters(given: Any) -> None:
    cls: Any = node_class("return True", "source: gc.Active[int]\ngiven: object")
    assert cls(gc.constant(1), given).given is given


def test_a_stream_may_be_a_parameter_of_a_node_that_overrides_upstreams() -> None:
    @gc.node
    class Either(gc.MutableNode[int]):
        source: gc.Active[int]
        other: gc.Stream[int] | None = None

        def upstreams(self) -> gc.Upstreams:
            return gc.Upstreams((self.source, *([] if self.other is None else [self.other])))

        def cycle(self, state: gc.GraphState) -> bool:
            self.value = self.source.value if self.other is None else self.other.value
            return True

    assert ticks(gc.Stream(Either(gc.constant(1)))) == [(0, 1)]
    assert ticks(gc.Stream(Either(gc.constant(1), gc.constant(2)))) == [(0, 2)]


class Forgetful(gc.MutableNode[int]):
    """It keeps a stream but does not name it in `upstreams`."""

    def __init__(self, source: gc.Stream[int]) -> None:
        super().__init__()
        self.source = source.node

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.source.value
        return True


@gc.node
class Parameters(gc.MutableNode[int]):
    number: int

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = self.number
        return True


@pytest.mark.parametrize("make", [lambda: Forgetful(gc.constant(1)), lambda: Parameters(1)])
@pytest.mark.parametrize("read", [False, True])
def test_a_node_that_nothing_can_ever_run_is_refused(make: Callable[[], Any], read: bool) -> None:
    node = make()
    kind = type(node).__name__
    expected = (
        f"^{node.name} never runs: {kind} names no upstreams and sets no alarm in start; "
        r"override upstreams\(\) to return gc.Upstreams\(active=\(\.\.\.\)\)$"
    )
    with pytest.raises(gc.WiringError, match=expected):
        gc.Graph(gc.Stream(node).map(abs).merge(gc.constant(1)) if read else node)


@gc.node
class Several(gc.MutableNode[int]):
    sources: list[gc.Active[int]]

    def cycle(self, state: gc.GraphState) -> bool:
        return True


class Alarmed(gc.MutableNode[int]):
    def start(self, state: gc.GraphState) -> None:
        state.schedule(state.time)

    def cycle(self, state: gc.GraphState) -> bool:
        self.value = 1
        return True


class Closes(gc.MutableNode[int]):
    def stop(self, state: gc.GraphState) -> None:
        pass


@pytest.mark.parametrize(
    ("node", "cycles"),
    [
        (lambda: Several([]), 0),  # a list of streams may be empty
        (Alarmed, 1),
        (Closes, 0),  # a node without a cycle may exist for its stop
        (lambda: gc.never().node, 0),
    ],
)
def test_a_node_without_upstreams_is_accepted_if_it_may_run_or_has_no_cycle(
    node: Callable[[], Any], cycles: int
) -> None:
    assert gc.Graph(node()).run().cycles == cycles


def test_a_post_init_without_super_is_refused_with_the_missing_call() -> None:
    @gc.node
    class Forgot(gc.MutableNode[int]):
        source: gc.Active[int]

        def __post_init__(self) -> None:
            self.k = 1

        def cycle(self, state: gc.GraphState) -> bool:
            return True

    with pytest.raises(gc.InvalidTypeError, match=r"Forgot.__post_init__ must call super\(\).__po"):
        gc.Stream(Forgot(gc.constant(1)))
