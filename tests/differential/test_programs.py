"""Random programs give the same on both tiers and with the judge, whatever changes between runs.

Each program runs three times from its beginning: by the judge, interpreted, and on tiers that may
alternate. All that can be seen of each of its runs is compared.
"""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.differential.both import THOROUGH
from tests.differential.observe import difference, difference_from_judge
from tests.differential.programs.program import JUDGE, Program, make_program, rounds

PROGRAMS = 30_000 if THOROUGH else 300


def programs() -> st.SearchStrategy[Program]:
    class_ = st.binary(min_size=100, max_size=100)
    kinds = st.sampled_from(["source", "node", "node", "node", "operator", "operator", "operator"])
    step = st.tuples(kinds, st.binary(min_size=12, max_size=12))
    change = st.binary(min_size=40, max_size=40)
    return st.builds(
        make_program,
        st.lists(class_, min_size=1, max_size=3),
        st.lists(step, min_size=2, max_size=9, unique=True),
        st.lists(change, max_size=2),
        st.binary(min_size=12, max_size=12),
    )


def assert_agreed(program: Program) -> None:
    judged = list(rounds(program, JUDGE))
    interpreted = list(rounds(program, ("interpreted",)))
    others = list(rounds(program, program.tiers))
    for number, (a, b, c) in enumerate(zip(judged, interpreted, others, strict=True), 1):
        found = difference_from_judge(a, b)
        assert found is None, f"judge and interpreted differ in run {number}, in {found}\n{program}"
        found = difference(b, c)
        assert found is None, f"interpreted and fused differ in run {number}, in {found}\n{program}"


@pytest.mark.timeout(7200)
@settings(max_examples=PROGRAMS, suppress_health_check=list(HealthCheck))
@given(programs())
def test_random_programs_give_the_same_on_both_tiers_and_with_the_judge(program: Program) -> None:
    assert_agreed(program)
