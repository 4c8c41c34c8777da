"""A name means the same in the fused function as in Python."""

import builtins
import gettext
from typing import Any

import pytest

import graphcore as gc
from tests.differential.attacks.texts import fed, node_class, run_text
from tests.differential.both import agree

# Names that the engine uses itself


_ENGINES_NAMES = [
    "events", "session", "nodes", "states", "state", "cycles", "cycle", "end", "start", "time",
    "heap", "bits", "mask", "entry", "due", "following", "heappush", "heappop", "run", "n_2",
    "n_2_state", "from_iterable_1", "value", "value_1", "locals", "globals", "self", "numbers",
    "at", "t", "values", "times", "ticked", "moment", "index", "pending", "node", "graph", "frame",
]  # fmt: skip


@pytest.mark.parametrize("name", _ENGINES_NAMES)
def test_a_global_may_have_any_name(name: str) -> None:
    given = name in ("state", "self")
    before = "" if given else f"def {name}(x): return ['called', x]"
    call = f"{name}(self.src.value)" if not given else "self.src.value"
    cls = node_class(f"self.value = {call}", before=before)
    seen = fed(cls, 1, 2)
    assert seen == ([1, 2] if given else [["called", 1], ["called", 2]])


@pytest.mark.parametrize("name", _ENGINES_NAMES)
def test_a_local_variable_may_have_any_name(name: str) -> None:
    if name in ("state", "self"):
        cls = node_class("me = self", f"{name} = 5", f"me.value = ({name}, me.src.value)")
    else:
        cls = node_class(f"{name} = 5", f"self.value = ({name}, self.src.value)")
    assert fed(cls, 1, 2) == [(5, 1), (5, 2)]


@pytest.mark.parametrize("name", _ENGINES_NAMES)
def test_a_variable_of_a_closure_and_an_argument_may_have_any_name(name: str) -> None:
    text = f"""
def make():
    {name} = 5
    def function(v):
        return ({name}, v)
    return function, lambda {name}: ({name}, "argument")
"""
    one, two = run_text(text)["make"]()
    wire = lambda: gc.from_iterable([1, 2]).map(one).map(two).collect()  # noqa: E731
    assert agree(wire) == [[((5, 1), "argument"), ((5, 2), "argument")]]


@pytest.mark.parametrize("name", [n for n in _ENGINES_NAMES if n not in ("state", "self", "value")])
def test_an_attribute_may_have_any_name(name: str) -> None:
    if hasattr(gc.MutableNode, name):
        return
    cls = node_class(
        f"if not hasattr(self, {name!r}): self.{name} = 0",
        f"self.{name} += self.src.value",
        f"self.value = self.{name}",
    )
    assert fed(cls, 1, 2) == [1, 3]


# Builtins are those of the function


def test_a_builtin_that_was_put_there_after_graphcore_was_imported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(builtins, "_", None, raising=False)
    gettext.NullTranslations().install()
    assert fed(node_class("self.value = _(self.src.value)"), "a", "b") == ["a", "b"]


@pytest.mark.parametrize("name", ["len", "abs", "bool", "sum", "range", "isinstance", "max"])
def test_a_module_with_builtins_of_its_own(name: str) -> None:
    own = {**vars(builtins), name: lambda *given: f"own {name}"}
    cls = node_class(f"self.value = {name}(self.src.value)", __builtins__=own)
    assert fed(cls, "a") == [f"own {name}"]


def test_a_function_whose_module_has_builtins_of_its_own() -> None:
    own = {**vars(builtins), "len": lambda given: "own len"}
    function = run_text("def function(v): return len(v)", __builtins__=own)["function"]
    assert agree(lambda: gc.from_iterable(["a"]).map(function).collect()) == [["own len"]]


def test_a_module_whose_builtins_lack_a_name() -> None:
    own = {name: each for name, each in vars(builtins).items() if name != "len"}
    cls = node_class("self.value = len(self.src.value)", __builtins__=own)
    assert fed(cls, "a") == ["NameError: name 'len' is not defined"]


def test_a_builtin_that_is_replaced_between_two_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builtins, "made_for_a_test", lambda v: v, raising=False)
    cls = node_class("self.value = made_for_a_test(self.src.value)")

    def wire() -> Any:
        monkeypatch.setattr(builtins, "made_for_a_test", lambda v: v, raising=False)
        return gc.Stream(cls(gc.from_iterable([1, 2]))).collect()

    def replace(_: Any) -> None:
        monkeypatch.setattr(builtins, "made_for_a_test", lambda v: v + 100)

    assert agree(wire, replace) == [[1, 2], [101, 102]]


def test_a_global_that_hides_a_builtin_from_the_second_run_on() -> None:
    def wire() -> Any:
        space = run_text("def function(v): return abs(v)")
        return gc.from_iterable([-1, 2]).map(space["function"]).collect(), space

    def hide(space: dict[str, Any]) -> None:
        space["abs"] = lambda v: "hidden"

    def show(space: dict[str, Any]) -> None:
        del space["abs"]

    assert agree(wire, hide, show) == [[1, 2], ["hidden", "hidden"], [1, 2]]


# Names with two underscores in a class


_MANGLED = {
    "both exist": ("def __help(x): return 'plain'\ndef _N__help(x): return 'mangled'", "mangled"),
    "only the mangled": ("def _N__help(x): return 'mangled'", "mangled"),
    "only the plain": (
        "def __help(x): return 'plain'",
        "NameError: name '_N__help' is not defined",
    ),
}


@pytest.mark.parametrize("which", _MANGLED)
def test_a_global_with_two_underscores(which: str) -> None:
    before, expected = _MANGLED[which]
    assert fed(node_class("self.value = __help(self.src.value)", before=before), 1) == [expected]


def test_an_attribute_with_two_underscores() -> None:
    cls = node_class(
        "self.__n = getattr(self, '_N__n', 0) + self.src.value",
        "self.value = (self.__n, '__n' in vars(self))",
    )
    assert fed(cls, 1, 2) == [(1, False), (3, False)]


def test_a_local_and_an_argument_with_two_underscores() -> None:
    cls = node_class(
        "__x = self.src.value",
        "f = lambda __y, __k=1: (__y, __k, sorted(locals()))",
        "self.value = (__x, f(2), '__x' in locals(), '_N__x' in locals())",
    )
    assert fed(cls, 1) == [(1, (2, 1, ["_N__k", "_N__y"]), False, True)]


def test_a_keyword_with_two_underscores() -> None:
    before = "def f(**given): return sorted(given)"
    cls = node_class("self.value = f(__a=1, b=2)", before=before)
    assert fed(cls, 1) == [["__a", "b"]]
