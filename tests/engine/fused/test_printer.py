"""The printer of expressions: Python reads its text as the same tree, and each hole's place."""

import ast
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphcore.engine.fused.frontend.printer import HoleExpr, operator_text, printed
from graphcore.engine.fused.frontend.subset import Refused
from graphcore.engine.fused.ir import Captured, Cell, Hole, Local, Place, State, Text


def tree_of(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def text_of(tree: ast.expr, *, bare_tuple: bool = False) -> str:
    parts = printed(tree, bare_tuple=bare_tuple)
    assert all(isinstance(part, str) for part in parts)
    return "".join(map(str, parts))


def same_tree(one: ast.expr, other: ast.expr) -> bool:
    return ast.dump(one) == ast.dump(other)


# Each text is printed as it stands.
AS_IT_STANDS = [
    "a + b * c",
    "(a + b) * c",
    "a - (b - c)",
    "a - b - c",
    "a ** b ** c",
    "(a ** b) ** c",
    "-a ** 2",
    "(-a) ** 2",
    "2 ** -a",
    "2 ** (not a)",
    "(await_ or b) and c",
    "not (a or b)",
    "not a == b",
    "(not a) == b",
    "a < b <= c != d",
    "(a < b) < c",
    "a is not b",
    "a not in b",
    "a if b else c if d else e",
    "(a if b else c) if d else e",
    "a if (b if c else d) else e",
    "(a, b)",
    "(a,)",
    "()",
    "[a, *b]",
    "a[b, (c,)]",
    "a[(b, c),]",
    "a[(b, c), d:e, ()]",
    "{a, b}",
    "{a: b, **c}",
    "{}",
    "a.b.c",
    "(a + b).c",
    "(5).real",
    "'text'.upper()",
    "(1.5).hex()",
    "a[0]",
    "a[1:2]",
    "a[:]",
    "a[::2]",
    "a[1:]",
    "a[1:, ::2]",
    "a[b, c]",
    "a[b,]",
    "a[()]",
    "f(a, *b, c=d, **e)",
    "f(a)(b)[c].d",
    "~a | b & c ^ d << e",
    "--a",
    "a @ b // c % d",
    "1e309",
    "1j",
    "...",
    "b'\\x00'",
    "'\\n'",
]


@pytest.mark.parametrize("text", AS_IT_STANDS)
def test_the_text_reads_as_the_same_tree(text: str) -> None:
    tree = tree_of(text)
    assert text_of(tree) == text
    assert same_tree(tree_of(text_of(tree)), tree)


FORMATTED = [
    "f'{a}'",
    'f"it\'s {a}"',
    "f'{a!r:>5}|{b:{width}}|{c!s}'",
    "f'{{a}} {b}'",
    "f'{ {a: b}[c] }'",
    "f'{ {a, b}.c }'",
    "f'{ {a}!r}'",
    "f'{a if b else c:>5}'",
    "f'{a != b}'",
    "f\"{a['key']}\"",
    "f'{f(a, b=c)}'",
    "f'\\n{a}\\t\\\\'",
    "f'é{a}'",
    "f'{a}' f'{b}'",
    "f'{a:%H:%M}'",
    "f'''{a['b']} \"quoted\"'''",
    "f''",
    "(f'{a}').upper()",
]


@pytest.mark.parametrize("text", FORMATTED)
def test_an_f_string_reads_as_the_same_tree(text: str) -> None:
    tree = tree_of(text)
    assert same_tree(tree_of(text_of(tree)), tree)


def test_an_f_string_that_older_pythons_cannot_write_is_refused() -> None:
    inside = ast.FormattedValue(ast.Constant("\n"), -1, None)
    with pytest.raises(Refused, match="backslash"):
        printed(ast.JoinedStr([inside]))
    quotes = [ast.FormattedValue(ast.Constant(text), -1, None) for text in ("it's", 'a "b"')]
    with pytest.raises(Refused, match="every kind of quote"):
        printed(ast.JoinedStr([*quotes, ast.Constant("'''" + '"""')]))


@pytest.mark.parametrize("text", ["lambda: a", "[a for a in b]", "(a := b)", "(yield)"])
def test_an_expression_of_another_kind_is_refused(text: str) -> None:
    with pytest.raises(Refused, match=f"of the kind {type(tree_of(text)).__name__}"):
        printed(tree_of(text))


def test_an_expression_that_is_nested_too_deeply_is_refused() -> None:
    tree: ast.expr = ast.Name("a")
    for _ in range(20_000):
        tree = ast.UnaryOp(ast.USub(), tree)
    with pytest.raises(Refused, match="nested too deeply"):
        printed(tree)


def test_a_tuple_that_is_assigned_to_needs_no_parentheses() -> None:
    assert text_of(tree_of("a, b"), bare_tuple=True) == "a, b"
    assert text_of(tree_of("a,"), bare_tuple=True) == "a,"


def test_the_sign_of_an_operator() -> None:
    assert [operator_text(each()) for each in (ast.Add, ast.Pow, ast.MatMult)] == ["+", "**", "@"]


# Any expression

names = st.sampled_from("abc").map(ast.Name)
texts = st.text(st.sampled_from("ab '\"{}\\\n\té\0:!#"), max_size=4)
constants = st.one_of(
    st.sampled_from([None, True, False, ..., 1e400, 1j]),
    st.integers(0, 10**20),
    st.floats(0, 1e300),
    texts,
    st.binary(max_size=3),
).map(ast.Constant)
BINARY = [
    *(ast.Add, ast.Sub, ast.Mult, ast.MatMult, ast.Div, ast.Mod, ast.FloorDiv, ast.LShift),
    *(ast.RShift, ast.BitOr, ast.BitXor, ast.BitAnd, ast.Pow),
]
COMPARE = [
    *(ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Is, ast.IsNot, ast.In, ast.NotIn),
]


def few(inner: st.SearchStrategy[Any], least: int = 0) -> st.SearchStrategy[list[Any]]:
    return st.lists(inner, min_size=least, max_size=3)


@st.composite
def compared(draw: st.DrawFn, inner: st.SearchStrategy[ast.expr]) -> ast.expr:
    others = draw(few(inner, 1))
    return ast.Compare(draw(inner), [draw(st.sampled_from(COMPARE))() for _ in others], others)


@st.composite
def called(draw: st.DrawFn, inner: st.SearchStrategy[ast.expr]) -> ast.expr:
    keywords = [
        ast.keyword(draw(st.sampled_from(["x", "y", None])), each) for each in draw(few(inner))
    ]
    # Python refuses the same keyword twice.
    unique = {each.arg: each for each in keywords}
    return ast.Call(draw(inner), draw(few(starred(inner))), list(unique.values()))


@st.composite
def mapped(draw: st.DrawFn, inner: st.SearchStrategy[ast.expr]) -> ast.expr:
    values = draw(few(inner))
    return ast.Dict([draw(inner | st.none()) for _ in values], values)


def starred(inner: st.SearchStrategy[ast.expr]) -> st.SearchStrategy[ast.expr]:
    return inner | inner.map(lambda each: ast.Starred(each, ast.Load()))


def formatted(inner: st.SearchStrategy[ast.expr]) -> st.SearchStrategy[ast.expr]:
    plain = texts.filter(bool).map(ast.Constant)
    field = st.builds(ast.FormattedValue, inner, st.sampled_from([-1, 114, 115, 97]), st.none())
    wide = st.builds(
        lambda value, width: ast.FormattedValue(
            value, -1, ast.JoinedStr([ast.Constant(">"), ast.FormattedValue(width, -1, None)])
        ),
        inner,
        names,
    )
    return few(plain | field | wide).map(ast.JoinedStr)


def deeper(inner: st.SearchStrategy[ast.expr]) -> st.SearchStrategy[ast.expr]:
    part = inner | st.none()
    slices = st.builds(ast.Slice, part, part, part)
    several = st.lists(inner | slices, min_size=1, max_size=3).map(ast.Tuple)
    return st.one_of(
        st.builds(lambda a, op, b: ast.BinOp(a, op(), b), inner, st.sampled_from(BINARY), inner),
        st.builds(
            lambda op, a: ast.UnaryOp(op(), a),
            st.sampled_from([ast.Not, ast.USub, ast.UAdd, ast.Invert]),
            inner,
        ),
        st.builds(
            lambda op, values: ast.BoolOp(op(), values),
            st.sampled_from([ast.And, ast.Or]),
            few(inner, 2),
        ),
        compared(inner),
        st.builds(ast.IfExp, inner, inner, inner),
        st.builds(ast.Attribute, inner, st.sampled_from(["x", "real"])),
        st.builds(ast.Subscript, inner, inner | slices | several),
        called(inner),
        few(starred(inner)).map(ast.Tuple),
        few(starred(inner)).map(ast.List),
        few(starred(inner), 1).map(ast.Set),
        mapped(inner),
        formatted(inner),
    )


@given(st.recursive(names | constants, deeper, max_leaves=12))
def test_any_expression_reads_as_the_same_tree(made: ast.expr) -> None:
    try:
        tree = tree_of(ast.unparse(made))
    except (ValueError, SyntaxError):  # this Python cannot write such an f-string
        return
    try:
        text = text_of(tree)
    except Refused:
        assert any(isinstance(node, ast.JoinedStr) for node in ast.walk(tree))
        return
    assert same_tree(tree_of(text), tree), text


# Holes

NUMBER = Cell("k")


class _Holes(ast.NodeTransformer):
    def __init__(self, hole: Hole) -> None:
        self._hole = hole

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return HoleExpr(self._hole) if node.id == "k" else node


def with_hole(text: str, hole: Hole = NUMBER) -> Text:
    made = _Holes(hole).visit(tree_of(text))
    assert isinstance(made, ast.expr)
    return printed(made)


PLACES = {
    Place.OPERAND: ["k + 1", "1 * k", "-k", "not k", "k ** 2", "2 ** k", "a < k <= b", "a in k"],
    Place.OBJECT: [
        *("k", "[k]", "(k, a)", "{k: a}", "f(k)", "f(x=k)", "k if a else b", "a if k else b"),
        *("a and k", "a[k]", "a[k:]", "[*k]"),
    ],
    Place.NAME: [
        *("k.real", "k[0]", "k(1)", "a is k", "k is not a", "a < k is b", "k is a < b"),
        *("f'{k}'", "f'{k + 1}'", "f'{a:{k}}'", "f'{[k]!r}'"),
    ],
}
CASES = [(place, text) for place, given in PLACES.items() for text in given]


@pytest.mark.parametrize("hole", [Cell("k"), Captured("function", "k")])
@pytest.mark.parametrize(("place", "text"), CASES)
def test_a_hole_tells_what_may_be_written_into_it(place: Place, text: str, hole: Any) -> None:
    holes = [part for part in with_hole(text, hole) if isinstance(part, Hole)]
    assert [each.where for each in holes if isinstance(each, Cell | Captured)] == [place]


def test_a_text_is_strings_and_holes() -> None:
    assert with_hole("(k + a) * k", State("k")) == (*("(", State("k"), " + a) * ", State("k")),)
    assert with_hole("k", Local("k")) == (Local("k"),)


# The meaning of a literal in the hole, by the place that was found.
LITERALS = [5, -5, 2.5, -0.0, "a'b", b"a"]


@pytest.mark.parametrize(("place", "text"), [case for case in CASES if case[0] is Place.OPERAND])
@pytest.mark.parametrize("value", LITERALS)
def test_a_literal_where_an_operator_computes_means_its_value(
    place: Place, text: str, value: Any
) -> None:
    literal = repr(value)
    literal = f"({literal})" if literal.startswith("-") else literal
    filled = "".join(part if isinstance(part, str) else literal for part in with_hole(text))
    expected = tree_of(text)

    class Filled(ast.NodeTransformer):
        def visit_Name(self, node: ast.Name) -> ast.expr:
            return tree_of(literal) if node.id == "k" else node

    assert same_tree(tree_of(filled), Filled().visit(expected))
