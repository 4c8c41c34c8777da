"""Each pass alone: the kinds of variables, the kernel of a loop, and its memory."""

import os
import subprocess
import sys
from collections import deque
from pathlib import Path
from typing import Any

import pytest

from graphcore.engine.native.backend.layout import Words
from graphcore.engine.native.backend.memory import Memory
from graphcore.engine.native.backend.places import Unfit
from graphcore.engine.native.frontend.records import Shape
from graphcore.engine.native.frontend.translation import Loop, Text, Translation, translate
from graphcore.engine.native.frontend.variables import Variables, kind_of
from graphcore.engine.native.ir import Assign, If, Kind, Push, Trap
from graphcore.engine.native.ir import Loop as Rounds

HEAD = "def run(events):\n    for time, value, cycle in events:\n"
END = "        if session.interrupted and session.answer():\n            break\n"


def translated(body: str, observed: dict[str, Any], kind: Kind = Kind.FLOAT) -> Translation:
    """Translate the body of a loop."""
    lines = "".join(f"        {line}\n" for line in body.splitlines())
    text = Text(HEAD + lines + END, {"limit": 3}, frozenset(observed), frozenset(), ("value",))
    return translate(Loop(text), Variables(), observed, [Shape((kind,))])


def traps(translation: Translation) -> list[str]:
    """Return why the statements that always trap do so."""
    reasons = translation.kernel.reasons

    def of(body: Any) -> list[str]:
        found = [reasons[each.reason].text for each in body if isinstance(each, Trap)]
        for each in body:
            for inner in (getattr(each, "body", ()), getattr(each, "orelse", ())):
                found += of(inner)
        return found

    return of(translation.kernel.body)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (None, Kind.NONE),
        (True, Kind.BOOL),
        (2**63 - 1, Kind.INT),
        (2**63, Kind.OTHER),
        (1.5, Kind.FLOAT),
        ((1, 2.0), Kind.TUPLE),
        ("1", Kind.TEXT),
        (b"1", Kind.OTHER),
    ],
)
def test_a_value_has_a_kind(value: object, kind: Kind) -> None:
    assert kind_of(value) is kind


def test_a_variable_gets_the_kind_that_is_assigned() -> None:
    kernel = translated("total = total + value", {"total": 0.0}).kernel
    assert kernel.variables["total:FLOAT"] is Kind.FLOAT
    assert kernel.carried == ("total:FLOAT",)


def test_a_variable_of_two_kinds_gets_a_tag() -> None:
    kernel = translated("last = value", {"last": None}).kernel
    assert kernel.carried == ("last#", "last:FLOAT")


def test_a_local_that_begins_as_an_integer_becomes_a_float() -> None:
    found = translated("total = 0\ntotal += value\nlast = total", {"last": 0.0})
    assert not traps(found)
    assert "last:FLOAT" in found.kernel.carried


def test_a_variable_is_of_the_kind_of_its_last_assignment() -> None:
    body = "given = count\nif type(given) is not float:\n    given = float(given)\nlast = given"
    found = translated(body, {"last": 0.0, "count": 3})
    assert found.kernel.carried == ("count:INT", "last:FLOAT")


def test_where_paths_meet_a_variable_is_of_either_kind() -> None:
    body = "given = 1\nif value > limit:\n    given = value\nlast = given"
    assert "last#" in translated(body, {"last": 0.0}).kernel.carried


def test_a_loop_may_change_the_kind_of_a_variable() -> None:
    body = "given = 1\nwhile given < 5:\n    given = given + value\nlast = given"
    kernel = translated(body, {"last": 0.0}).kernel
    assert {"given:INT", "given:FLOAT", "last#"} <= kernel.variables.keys()


def test_a_loop_of_one_round_is_none() -> None:
    kernel = translated("while True:\n    last = value\n    break", {"last": 0.0}).kernel
    assert not any(isinstance(each, Rounds) for each in kernel.body)


def test_a_flag_that_never_changes_rules_out_a_branch() -> None:
    found = translated(
        "if flag:\n    last = repr(value)\nlast = value", {"last": 1.0, "flag": False}
    )
    assert found.constants == {"flag": False}
    assert not traps(found) and not any(isinstance(each, If) for each in found.kernel.body)


def test_a_flag_that_changes_rules_out_none() -> None:
    body = "if flag:\n    last = repr(value)\nflag = value > limit"
    found = translated(body, {"last": 1.0, "flag": False})
    assert not found.constants
    assert traps(found) == ["a call of repr"]


def test_a_type_may_have_a_name() -> None:
    body = "kind = type(value)\nlast = 1 if kind is not float else value"
    assert translated(body, {"last": 0.0}).kernel.carried == ("last:FLOAT",)


def test_numbers_lack_the_attributes_of_arrays() -> None:
    body = "last = repr(value) if hasattr(value, 'item') else getattr(value, 'ndim', 0)"
    found = translated(body, {"last": 0})
    assert not traps(found)
    assert found.kernel.carried == ("last:INT",)


def test_what_has_no_translation_is_a_trap_where_it_stands() -> None:
    found = translated("if value > limit:\n    last = repr(value)\nlast = value", {"last": 1.0})
    assert traps(found) == ["a call of repr"]
    assert any(isinstance(each, If) for each in found.kernel.body)


def test_a_deque_becomes_a_ring_and_a_loop_over_it_rounds() -> None:
    body = "recent.append(value)\nbest = value\nfor each in recent:\n    best = max(best, each)"
    kernel = translated(body, {"recent": deque([1.0]), "best": 0.0}).kernel
    assert kernel.rings == {"recent": (Kind.FLOAT,)}
    assert any(isinstance(each, Push) for each in kernel.body)
    assert any(isinstance(each, Rounds) for each in kernel.body)


def test_an_item_of_several_kinds_has_a_part_for_each_and_a_tag() -> None:
    found = translated("recent.append(value)", {"recent": deque([1, (2.0, None)])})
    tag, whole, number, second = Kind.INT, Kind.INT, Kind.FLOAT, Kind.FLOAT
    assert found.kernel.rings == {"recent": (tag, whole, number, second)}


def test_a_deque_of_bytes_stays_in_python() -> None:
    found = translated("recent.append(value)", {"recent": deque([1.0, b"a"])})
    assert not found.kernel.rings
    assert traps(found) == ["recent, which holds items that are no numbers"]


def test_a_list_that_an_object_packs_is_otherwise_only_appended_to() -> None:
    observed = {"kept": [1.0], "packed": object()}
    body = "kept.append(value)\nif len(kept) == 100:\n    packed.take(kept)"
    translation = translated(body, observed)
    assert list(translation.kernel.lists) == ["kept"]
    assert traps(translation) == ["packed, which holds no number"]
    looked_at = translated(f"{body}\nif kept[0] > value:\n    kept.clear()", observed)
    assert list(looked_at.kernel.rings) == ["kept"]


def test_two_variables_with_one_deque_leave_it_in_python() -> None:
    one: deque[float] = deque([1.0])
    found = translated(
        "recent.append(value)\nlast = other", {"recent": one, "other": one, "last": 1}
    )
    assert not found.kernel.rings


def test_equal_loops_give_equal_kernels() -> None:
    body = "if value > 1:\n    last = (value, 1)\nelse:\n    last = (0.0, 2)"
    one, other = (translated(body, {"last": None}).kernel for _ in range(2))
    assert one == other
    assert any(isinstance(each, If) for each in one.body)
    assert not any(isinstance(each, Assign) and each.name == "last" for each in one.body)


@pytest.mark.parametrize(
    "observed",
    [
        {"last": 1.5, "seen": 7, "flag": True, "pair": (1, 2.5)},
        {"last": None, "seen": -(2**63), "flag": False, "pair": (0, float("inf"))},
    ],
)
def test_memory_gives_back_what_it_takes(observed: dict[str, Any]) -> None:
    body = "last = value\nseen = seen\nflag = flag\npair = pair\nrecent.append(value)"
    items = {"recent": deque([float(i) for i in range(100)], maxlen=200), "values": [1, "2"]}
    body += "\nvalues.append(value)"
    found = translated(body, observed | items)
    memory = Memory(found, Words(found.kernel))
    memory.load(observed | items, 5)
    given: dict[str, Any] = {**dict.fromkeys(observed), **items}
    memory.store(given)
    assert repr(given) == repr(observed | items)
    assert memory.done == 5 and memory.is_clean
    memory.store(given)  # as after Ctrl-C
    assert repr(given) == repr(observed | items)


def test_memory_refuses_what_the_kernel_was_not_made_for() -> None:
    found = translated("last = value", {"last": 1.0})
    memory = Memory(found, Words(found.kernel))
    with pytest.raises(Unfit):
        memory.load({"last": 1}, 0)


def test_a_tuple_with_another_object_stays_in_python() -> None:
    found = translated(
        "last = value\npair = pair\nsame = same", {"pair": (1, []), "same": (1, (2,))}
    )
    memory = Memory(found, Words(found.kernel))
    given = {"pair": (1, held := []), "same": (1, (2, 3))}
    with pytest.raises(Unfit):  # of another length
        memory.load(given, 0)
    given["same"] = (3, (4,))
    memory.load(given, 0)
    memory.store(given)
    assert given["pair"][1] is held and given["same"] == (3, (4,))


GUARD = """
import sys
from array import array
from graphcore.engine.native.backend.layout import Words
from graphcore.engine.native.backend.machine import code_of
from graphcore.engine.native.backend.memory import Memory
from tests.engine.native.test_passes import translated
found = translated("kept.append(value)", {"kept": []})
words = Words(found.kernel)
memory = Memory(found, words)
memory.load({"kept": []}, 0)
values = array("d", [1.5] * 5)
memory.begin(0, [(values.buffer_info()[0], (values.buffer_info()[0],), 5)])
place = words.lists["kept"]
memory.words[place + 4] = int(sys.argv[1])  # the true room; the kernel's own word says 64
print(code_of(found.kernel, words).run(memory.address, 5), flush=True)
"""

SIDE_BY_SIDE = """
import sys
from array import array
from collections import deque
from graphcore.engine.native.backend.layout import LANES, Words
from graphcore.engine.native.backend.machine import code_of_lanes
from graphcore.engine.native.backend.memory import Memory
from graphcore.engine.native.backend.varying import Varying
from tests.engine.native.test_passes import translated
state = {"kept": [], "recent": deque([1.0])}
found = translated("kept.append(value)\\nrecent.append(value)", state)
words = Words(found.kernel)
memories = [Memory(found, words)]
memories += [memories[0].another() for _ in range(LANES - 1)]
memories[0]._rings["recent"][0].extend([0.0] * 64)  # Ctrl-C came before the new mask
values = array("d", [1.5] * 5)
for each in memories:
    each.load(state, 0)
    each.begin(0, [(values.buffer_info()[0], (values.buffer_info()[0],), 5)])
memories[-1].words[words.lists["kept"] + 4] = int(sys.argv[1])
rows = memories[0].rows(LANES)
given = array("q", [each.address for each in memories] + [each.buffer_info()[0] for each in rows])
marks = array("q", [0])
code = code_of_lanes(found.kernel, words, Varying(found.kernel, {"recent"}))
print(code.run(given.buffer_info()[0], 5, marks.buffer_info()[0]), flush=True)
"""


@pytest.mark.parametrize("script", [GUARD, SIDE_BY_SIDE])
@pytest.mark.parametrize(
    ("guard", "room", "lives"), [("", 3, True), ("1", 5, True), ("1", 4, False)]
)
def test_a_guarded_kernel_ends_the_process_at_an_item_out_of_bounds(
    guard: str, room: int, lives: bool, script: str
) -> None:
    pytest.importorskip("llvmlite")
    environment = {**os.environ, "GRAPHCORE_NATIVE_GUARD": guard, "GRAPHCORE_CACHE": ""}
    done = subprocess.run(
        [sys.executable, "-c", script, str(room)],
        env=environment,
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
    )
    assert (done.stdout.strip(), done.returncode == 0) == (("5", True) if lives else ("", False))


def test_a_ring_grows_and_keeps_its_items() -> None:
    found = translated("recent.append(value)", {"recent": deque([1.0])})
    memory = Memory(found, Words(found.kernel))
    held = deque([float(i) for i in range(60)])
    memory.load({"recent": held}, 0)
    place = Words(found.kernel).rings["recent"]
    memory.words[place] = 10  # as if 10 had left, and the last 6 of 60 had wrapped around
    memory.store(before := {"recent": deque()})
    memory.grow(0)
    memory.store(after := {"recent": deque()})
    assert len(before["recent"]) == 60
    assert before == after
