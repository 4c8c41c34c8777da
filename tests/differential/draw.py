"""Draws recipes: random ones of all parts, and one for each part alone.

Hypothesis draws the kind of each step and a few bytes; the bytes pick its inputs and arguments from
those that fit. So the other steps stay valid if hypothesis removes one, a smaller byte is a simpler
choice, and drawing a graph is cheap.
"""

import copy
import itertools
from collections.abc import Callable, Iterator, Sequence
from math import inf, nan
from random import Random
from typing import Any

import graphcore as gc
from tests.differential import functions, nodes
from tests.differential.operators import (
    FROM_THE_FUNCTION,
    KEYS,
    KINDS,
    SOURCES,
    Call,
    Operator,
    Parameter,
    Row,
    all_operators,
    kind_of,
)
from tests.differential.recipe import (
    Arguments,
    Giving,
    Iterating,
    Made,
    Recipe,
    Ref,
    Step,
    Written,
    refs_in,
)
from tests.differential.tiers import ORDERS, Pace
from tests.differential.written import written_function, written_node

_NUMBERS = [1, 2, 3, 0, -1, 2.5, 4, -0.0, 0.1, nan, inf, -inf, 1e300, 5e-324, True, -3, 1]
VALUES: dict[str, list[Any]] = {
    "number": _NUMBERS,
    "bool": [True, False],
    "text": ["a", "", "bc", "é"],
    "list": [[1], [], [1, 2], [3, "a"]],
    "tuple": [(1, 2), (), (0, 2.5), ("a", nan)],
    "row": [Row((1, 2)), Row((0.5, nan)), Row(())],
    "dict": [{"field": 1}, {"field": nan, "b": 2}, {"field": "a"}, {}],
    "anything": [1, None, "a", 2.5, (1,), [1], False],
}
_TIMES = [
    [1, 2, 3, 4],
    [1, 1, 2, 3, 3],
    [2, 2, 2],
    [1, 3, 5, 9, 11],
    [0, 1, 2, 3, 4, 6, 6, 12],
    [5],
]
_OF_ONE_TYPE: list[list[Any]] = [
    [1.0, 2.5, 0.0, -1.5, 3.0, -0.0, 0.1, nan, inf, -inf, 1e300, 5e-324],
    [1, 2, 3, 0, -1, 4, -7],
    [True, False],
]
_NAMES = ["mid", "x y", "class", "t", "state", "mid", "é", "1st", "cycle", "mid_17", "a\nb"]

CYCLES = 40  # at most, because a ticker or a feedback loop would go on for ever


class Picks:
    """Bytes that decide choices; when they are used up, the first option is chosen."""

    def __init__(self, choices: bytes) -> None:
        self._choices = iter(choices)

    def number(self, below: int) -> int:
        return next(self._choices, 0) % below

    def of(self, things: Sequence[Any]) -> Any:
        return things[self.number(len(things))]


class Wiring:
    """Makes steps from the drawn bytes, one after the other."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.kinds: list[str] = []
        self.parts: set[str] = set()
        self.feedbacks: list[Ref] = []
        self.laters: list[tuple[Ref, Ref]] = []
        self._depths: list[int] = []
        self.of_numbers = False

    def source(self, name: str, picks: Picks) -> None:
        self.parts.add(name)
        if name == "feedback":
            self.feedbacks.append(Ref(len(self.kinds)))
        if name == "later":
            if not self.kinds:
                self.replays(["number"])
            place = len(self.kinds)
            self.laters.append((Ref(place), Ref(picks.number(place))))
        arguments, kind = SOURCE_ARGUMENTS[name](picks)
        self._add(Step(None, ((name, arguments),), (kind,), name=_name(picks)), 0)

    def numbers(self, picks: Picks) -> None:
        """Add a source of numbers of one type; further functions look at no stream."""
        self.of_numbers = True
        arguments, kind = _numbers(picks)
        self._add(Step(None, (("replay", arguments),), (kind,)), 0)

    def operator(self, name: str, operator: Operator, picks: Picks) -> None:
        self.parts.add(name)
        calls, gives, kinds, depth, first = [], "number", (), 0, None
        growing = operator.growing
        if operator.of_module:
            kind = picks.of(list(operator.gives))
        else:
            first = self._stream(list(operator.gives), picks, growing)
            kind = self.kinds[first.number]
            depth = self._depths[first.number]
        for call in operator.calls:
            positional, keywords, gives = self._arguments(call, first, kind, picks, growing)
            refs = list(refs_in((*positional, *keywords.values())))
            depth = max([depth, *[self._depths[ref.number] for ref in refs]])
            calls.append((call.name, (positional, keywords)))
        kinds = operator.gives.get(kind) or next(iter(operator.gives.values()))
        kinds = tuple(gives if each == FROM_THE_FUNCTION else each for each in kinds)
        self._add(
            Step(first, tuple(calls), kinds, name=(kinds and _name(picks)) or None), depth + 1
        )

    def function(self, name: str, count: int) -> None:
        """Map the first stream with a function, or join so many with it."""
        self.parts.add(name)
        others = tuple(map(Ref, range(1, count)))
        made = self._made(name, Picks(b""))
        call = ("join", (others, {"function": made})) if others else ("map", ((made,), {}))
        self._add(Step(Ref(0), (call,), ("anything",)), 1)

    def replays(self, kinds: Sequence[str]) -> None:
        """Add sources of these kinds of values, some of which tick together."""
        for times, kind in zip(itertools.cycle(_TIMES), kinds):
            values = (VALUES[kind] * len(times))[: len(times)]
            self._add(Step(None, (("replay", ((times, values), {})),), (kind,)), 0)

    def node(self, name: str, shape: nodes.Shape, picks: Picks) -> None:
        self.parts.add(name)
        positional: list[Any] = []
        depth = 0
        for kind in shape.inputs:
            fitting = list(VALUES) if kind.startswith("anything") else [kind.rstrip("*")]
            count = 1 + picks.number(3) if kind.endswith("*") else 1
            refs = [self._stream(fitting, picks) for _ in range(count)]
            depth = max([depth, *[self._depths[ref.number] for ref in refs]])
            positional.append(refs if kind.endswith("*") else refs[0])
        call = (name, (tuple(positional), {}))
        kinds = (shape.gives, *["number"] * len(shape.outputs))
        step = Step(None, (call,), kinds, shape=True, name=_name(picks))
        self._add(step, depth + 1)

    def written(self, picks: Picks) -> None:
        """Add a node whose class is written at random."""
        refs = [self._stream(["number"], picks) for _ in range(2)]
        call = (written_node(picks), (tuple(refs), {}))
        depth = max(self._depths[ref.number] for ref in refs)
        self._add(Step(None, (call,), ("number",), shape=True, name=_name(picks)), depth + 1)

    def _add(self, step: Step, depth: int) -> None:
        self.steps.append(step)
        self.kinds += step.kinds
        self._depths += [depth] * len(step.kinds)

    def _stream(self, kinds: Sequence[str], picks: Picks, tame: bool = False) -> Ref:
        """Pick a stream, nearly always of a kind that fits; prefer recent streams."""
        known = range(len(self.kinds))
        least = min(self._depths)
        shallow = [i for i in known if self._depths[i] <= max(1, least)] if tame else known
        fitting = [i for i in shallow if self.kinds[i] in kinds]
        candidates = list(shallow) if not fitting or _seldom(picks) else fitting
        return Ref(candidates[-1 - picks.number(len(candidates))])

    def _arguments(
        self, call: Call, first: Ref | None, kind: str, picks: Picks, growing: bool
    ) -> tuple[tuple[Any, ...], dict[str, Any], str]:
        positional: list[Any] = []
        keywords: dict[str, Any] = dict(picks.of(call.settings))
        gives = kind
        functions_at: list[tuple[str | int, Parameter]] = []
        for parameter in call.parameters:
            if parameter.optional and picks.number(2):
                continue
            if parameter.role == "function":
                place = parameter.name if parameter.by_name else len(positional)
                functions_at.append((place, parameter))
                if not parameter.by_name:
                    positional.append(None)
            elif parameter.role == "streams":
                positional += [
                    self._stream([kind], picks, growing) for _ in range(1 + picks.number(3))
                ]
            else:
                if parameter.role == "value":
                    given = picks.of(VALUES[kind])
                elif parameter.role == "mapping":
                    given = {key: self._stream([kind], picks, growing) for key in KEYS}
                elif parameter.role == "keywords":
                    given = dict
                elif parameter.role == "either" and picks.number(2):
                    given = picks.of(VALUES[kind] if not picks.number(4) else _NUMBERS)
                else:
                    given = self._stream([kind], picks, growing)
                if parameter.by_name:
                    keywords[parameter.name] = given
                else:
                    positional.append(given)
        bounds = [p.name for p in call.parameters if p.optional and p.role == "value"]
        if bounds and not _takes(call.name, {name: keywords.get(name) for name in bounds}):
            for name in bounds:
                keywords.pop(name, None)
        for place, parameter in functions_at:
            refs = [ref for ref in (first, *positional) if isinstance(ref, Ref)]
            kinds = [self.kinds[ref.number] for ref in refs]
            kinds = (kinds * 2)[: parameter.arity or len(kinds)]
            if picks.number(6) == 5 and len(kinds) <= 5:
                made: object = Written(written_function(picks, len(kinds)))
            else:
                counted = parameter.name == "key"
                name, gives = _function(kinds, picks, self.of_numbers, counted)
                self.parts.add(name)
                made = self._made(name, picks)
            if isinstance(place, str):
                keywords[place] = made
            else:
                positional[place] = made
        return tuple(positional), keywords, gives

    def _made(self, name: str, picks: Picks) -> Made:
        looks = functions.SHAPES[name].looks
        return Made(name, self._stream(list(VALUES), picks) if looks else None)


def _takes(name: str, keywords: dict[str, Any]) -> bool:
    """Return whether an operator takes these values, which may have to fit each other."""
    try:
        getattr(gc.constant(0), name)(**keywords)
    except (gc.GraphcoreError, TypeError):
        return False
    return True


def _function(kinds: Sequence[str], picks: Picks, blind: bool, counted: bool) -> tuple[str, str]:
    """Pick a function, nearly always one that takes these kinds; return also the kind of its
    result. A blind one looks at no stream. Of a counted one the operator counts the arguments,
    and is not wired with a function that takes another number."""
    given = _functions_for(tuple(kinds))
    if counted:
        given = {name: gives for name, gives in given.items() if name != _MISCOUNTED}
    if blind:
        given = {name: gives for name, gives in given.items() if not functions.SHAPES[name].looks}
    failing = picks.number(12) == 11
    fitting = [name for name, gives in given.items() if (gives is None) == failing]
    name = picks.of(fitting or list(given))
    return name, given[name] or "anything"


_MISCOUNTED = functions.callables.wrong_number_of_arguments.__name__

_known_functions: dict[tuple[str, ...], dict[str, str | None]] = {}


def _functions_for(kinds: tuple[str, ...]) -> dict[str, str | None]:
    """Return the result kinds of the functions of this arity for these kinds, `None` where they
    fail."""
    known = _known_functions.get(kinds)
    if known is None:
        known = _known_functions[kinds] = {
            name: _given(shape, kinds)
            for name, shape in functions.SHAPES.items()
            if shape.arity in (len(kinds), None)
        }
    return known


def _given(shape: functions.Shape, kinds: tuple[str, ...]) -> str | None:
    if shape.looks:
        return "anything"
    try:
        function, found = shape.make(), set()
        for i in range(2):
            samples = [KINDS.get(kind, [1, "a"])[i] for kind in kinds]
            found.add(kind_of(function(*copy.deepcopy(samples))))
    except Exception:  # it fails for such values, though its annotation allows them
        return None
    return found.pop() if len(found) == 1 else "anything"


def _name(picks: Picks) -> str | None:
    return picks.of(_NAMES) if picks.number(8) == 7 else None


def _ticker(picks: Picks) -> tuple[Arguments, str]:
    keywords = picks.of([{}, {}, {}, {"first": 3}, {"count": 4}, {"align": True}])
    return ((picks.of([1, 2, "3ns", 5]),), keywords), "number"


def _session(picks: Picks) -> tuple[Arguments, str]:
    hours = ("00:00", "00:00:00.000001")
    return ((*picks.of([hours, hours[::-1]]), picks.of(["UTC", "Pacific/Kiritimati"])), {}), "bool"


def _constant(picks: Picks) -> tuple[Arguments, str]:
    kind = picks.of(list(VALUES))
    return ((picks.of(VALUES[kind]),), {}), kind


def _no_arguments(picks: Picks) -> tuple[Arguments, str]:
    return ((), {}), "number"


def _replay(picks: Picks) -> tuple[Arguments, str]:
    times = picks.of(_TIMES)
    values, keywords, kind = _events(picks, len(times))
    pairs = list(zip(times, values, strict=True))
    forms: list[tuple[Any, ...]] = [
        (times, values),
        (pairs,),
        (Giving(pairs),),
        (Iterating(pairs),),
        ([*times[:-1], 0], values),
        ([*pairs[:-1], 5],),
    ]
    return (forms[_rarely(picks, len(forms))], keywords), kind


def _from_iterable(picks: Picks) -> tuple[Arguments, str]:
    values, keywords, kind = _events(picks, 1 + picks.number(6))
    keywords |= picks.of([{}, {"period": 1}, {"period": "2ns"}])
    form = _rarely(picks, 3)
    return (([values, Giving(values), Iterating(values)][form],), keywords), kind


def _seldom(picks: Picks) -> bool:
    return picks.number(24) == 23


def _rarely(picks: Picks, forms: int) -> int:
    """Pick the first form of the duration three times out of four."""
    choice = picks.number(4 * (forms - 1))
    return choice if choice < forms else 0


def _numbers(picks: Picks) -> tuple[Arguments, str]:
    """Replay numbers of one type, as machine code takes them."""
    times = picks.of([[*range(1, 13)], [at // 3 for at in range(30)], [*range(35)], [5, 5]])
    values = picks.of(_OF_ONE_TYPE)
    return ((times, [picks.of(values) for _ in times]), {}), "number"


def _events(picks: Picks, count: int) -> tuple[list[Any], dict[str, Any], str]:
    kind = picks.of(["number", "number", "number", "number", *list(VALUES)[1:]])
    values = [picks.of(VALUES[kind]) for _ in range(count)]
    delivery = picks.of([None, None, None, "burst", "latest", "each"])
    keywords = {} if delivery is None else {"delivery": delivery}
    return values, keywords, "list" if delivery == "burst" else kind


SOURCE_ARGUMENTS: dict[str, Callable[[Picks], tuple[Arguments, str]]] = {
    "replay": _replay,
    "from_iterable": _from_iterable,
    "ticker": _ticker,
    "session": _session,
    "constant": _constant,
    "never": _no_arguments,
    "feedback": _no_arguments,
    "later": _no_arguments,
}
assert set(SOURCE_ARGUMENTS) == set(SOURCES)

_OPTIONS: list[dict[str, Any]] = [
    {"cycles": CYCLES},
    {"cycles": CYCLES, "duration": 5},
    {"cycles": 3},
    {"cycles": CYCLES, "start": 2},
    {"cycles": CYCLES, "until": 4},
    {"cycles": 1},
    {"cycles": CYCLES, "duration": 0},
    {"cycles": CYCLES, "start": 0},
]


WRITTEN = "written"


def make_recipe(
    steps: list[tuple[str, bytes]], ending: bytes, numbers: bytes | None = None
) -> Recipe:
    """Make a recipe of what hypothesis has drawn: names of steps, and bytes for their choices.

    Args:
        steps: the steps.
        ending: for the choices of how it runs.
        numbers: for those of a first source, of numbers; `None` for a source of anything.
    """
    wiring = Wiring()
    if numbers is not None:
        wiring.numbers(Picks(numbers))
    elif steps[0][0] not in SOURCE_ARGUMENTS:
        wiring.source("replay", Picks(b""))
    operators = all_operators()
    for name, choices in steps:
        if name in SOURCE_ARGUMENTS:
            wiring.source(name, Picks(choices))
        elif name in operators:
            wiring.operator(name, operators[name], Picks(choices))
        elif name == WRITTEN:
            wiring.written(Picks(choices))
        else:
            wiring.node(name, nodes.SHAPES[name], Picks(choices))
    picks = Picks(ending)
    options = picks.of(_OPTIONS) if picks.number(2) else _OPTIONS[0]
    tiers, pace = picks.of(ORDERS), draw_pace(picks)
    loops = tuple((loop, Ref(picks.number(len(wiring.kinds)))) for loop in wiring.feedbacks)
    loops += tuple(wiring.laters)
    return Recipe(tuple(wiring.steps), loops, options, tiers, pace, frozenset(wiring.parts))


def draw_pace(picks: Picks) -> Pace:
    """Return a pace by which short runs go back and forth between Python and machine code."""
    return Pace(1 + picks.number(20), picks.of([5, 7, 33, 1_000]))


def all_parts() -> list[str]:
    """Return the names of all parts that can be in a recipe."""
    return [*SOURCES, *all_operators(), *nodes.SHAPES, *functions.SHAPES]


_ONLOOKERS = ["ShowsItsUpstreams", "ChangesAllOfItsUpstream"]


def alone(part: str) -> Iterator[Recipe]:
    """Yield recipes with little more than this one part, for the kinds of values that it takes.

    Another node reads or changes the part's whole state.
    """
    operators = all_operators()
    for attempt, onlooker in enumerate([None, *_ONLOOKERS, None]):
        choices = Picks(Random(attempt).randbytes(16) if attempt else b"")
        wiring = Wiring()
        if part in SOURCE_ARGUMENTS:
            wiring.source(part, choices)
        elif part in operators:
            kinds = list(operators[part].gives)
            wiring.replays([kinds[attempt % len(kinds)]] * 3)
            wiring.operator(part, operators[part], choices)
        elif part in nodes.SHAPES:
            kinds = [kind.rstrip("*") for kind in nodes.SHAPES[part].inputs]
            wiring.replays(["number" if kind == "anything" else kind for kind in kinds] * 2)
            wiring.node(part, nodes.SHAPES[part], choices)
        else:
            count = functions.SHAPES[part].arity or 1 + attempt
            kinds = [kind for kind in KINDS if _functions_for((kind,) * count)[part]]
            kind = kinds[attempt % len(kinds)] if kinds else "number"
            wiring.replays([kind] * count)
            if functions.SHAPES[part].looks:  # at something that has a state
                looked_at = ["count", "limit", "rolling.mean", "Counts"][attempt]
                seen = operators.get(looked_at) or nodes.SHAPES[looked_at]
                add = wiring.operator if looked_at in operators else wiring.node
                add(looked_at, seen, Picks(b""))
            wiring.function(part, count)
        if onlooker is not None:
            wiring.node(onlooker, nodes.SHAPES[onlooker], Picks(b""))
        loops = (*((loop, loop) for loop in wiring.feedbacks), *wiring.laters)
        tiers, pace = ORDERS[attempt], Pace(1, 7)
        yield Recipe(tuple(wiring.steps), loops, _OPTIONS[0], tiers, pace, frozenset([part]))
