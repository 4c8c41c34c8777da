"""Pass 4: loops and list comprehensions over a list of upstreams, unrolled."""

import ast
from textwrap import indent
from typing import Any

import pytest

import graphcore as gc
from graphcore.engine.fused.frontend.subset import Refused
from graphcore.engine.fused.frontend.unroll import unrolled
from graphcore.engine.fused.ir import Is, Kind
from tests.engine.fused.both import node_class, same, why

KINDS = {
    "some": Kind(Is.INPUTS, range(2)),
    "named": Kind(Is.INPUTS, ("a", "b")),
    "one": Kind(Is.INPUT),
    "none": Kind(Is.READ),
}


def after(text: str) -> str:
    [function] = ast.parse(f"def cycle(self, state):\n{indent(text, '    ')}").body
    assert isinstance(function, ast.FunctionDef)
    made = unrolled(function.body, "self", KINDS)
    return ast.unparse(ast.fix_missing_locations(ast.Module(made, [])))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "for each in self.some:\n    use(each.value)",
            "use(self.some[0].value)\nuse(self.some[1].value)",
        ),
        (
            "if a:\n    for each in self.some:\n        if state.ticked(each):\n            b()",
            "if a:\n    if state.ticked(self.some[0]):\n        b()\n"
            "    if state.ticked(self.some[1]):\n        b()",
        ),
        (
            "for each in self.some:\n    pass\nelse:\n    last()",
            "pass\npass\nlast()",
        ),
        (
            "use([each.value for each in self.some])",
            "use([self.some[0].value, self.some[1].value])",
        ),
        (
            "for a in self.some:\n    for b in self.some:\n        use(a.value, b.value)",
            "use(self.some[0].value, self.some[0].value)\n"
            "use(self.some[0].value, self.some[1].value)\n"
            "use(self.some[1].value, self.some[0].value)\n"
            "use(self.some[1].value, self.some[1].value)",
        ),
        (
            "for n, each in enumerate(self.some):\n    use(n, each.value)",
            "use(0, self.some[0].value)\nuse(1, self.some[1].value)",
        ),
        (
            "for name, each in self.named.items():\n    use(name, each.value)",
            "use('a', self.named['a'].value)\nuse('b', self.named['b'].value)",
        ),
        (
            "for name in self.named:\n    use(name, self.named[name].value)",
            "use('a', self.named['a'].value)\nuse('b', self.named['b'].value)",
        ),
        (
            "use([n for n in self.named.keys()], [each.value for each in self.named.values()])",
            "use(['a', 'b'], [self.named['a'].value, self.named['b'].value])",
        ),
        ("for n in self.none:\n    break", "for n in self.none:\n    break"),
        ("for n in self.none.items():\n    use(n)", "for n in self.none.items():\n    use(n)"),
        ("for n in (1, 2):\n    use(n)", "for n in (1, 2):\n    use(n)"),
    ],
)
def test_only_loops_over_upstreams_are_unrolled(text: str, expected: str) -> None:
    assert after(text) == expected


REFUSED = {
    "for each in self.some:\n    if each.value:\n        break": (
        "its cycle has break or continue in a loop over its upstreams"
    ),
    "for each in self.some:\n    if each.value:\n        continue": (
        "its cycle has break or continue in a loop over its upstreams"
    ),
    "for each in self.some:\n    each = 5": (
        "its cycle sets the variable of a loop over its upstreams"
    ),
    "for each in self.some:\n    use(each.value)\nuse(each)": (
        "its cycle uses each, a loop's variable, outside the loop"
    ),
    "for n, each in enumerate(self.some):\n    use(n is each.value)": (
        "its cycle has code that Python warns about if it is written out"
    ),
    "use([n for n in (1, 2)])": "its cycle has a list comprehension",
    "use([each.value for each in self.some if each.value])": "its cycle has a list comprehension",
    "use([n for each in self.some for n in each.value])": "its cycle has a list comprehension",
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_loop_that_cannot_be_unrolled_is_refused(text: str) -> None:
    with pytest.raises(Refused) as caught:
        after(text)
    assert str(caught.value) == REFUSED[text]
    made = node_class(
        f"{text}\nself.value = 1\nreturn True",
        "some: list[gc.Active[Any]]",
        use=lambda given: given,
    )

    def make() -> gc.Stream[Any]:
        return gc.Stream(made([gc.constant([1]), gc.constant([2])]))

    assert why(make()) == f"called: {REFUSED[text]}"
    same(make)


def test_upstreams_in_a_list_are_unrolled_up_to_fifty() -> None:
    made = node_class(
        "self.value = 0\nfor each in self.sources:\n    self.value += each.value\nreturn True",
        "sources: list[gc.Active[Any]]",
    )
    for count, told in (
        (1, "fused"),
        (50, "fused"),
        (51, "called: it has 51 upstreams in one list"),
    ):
        sources = [gc.constant(n) for n in range(count)]
        assert why(gc.Stream(made(sources))) == told
        assert same(lambda s=sources: gc.Stream(made(s))) == [(0, count * (count - 1) // 2)]
