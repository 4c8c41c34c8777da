"""`Schedule`: which nodes' alarms go off together."""

from itertools import takewhile

from hypothesis import given
from hypothesis import strategies as st

from graphcore.engine.clock import Schedule

# Each alarm: its time, whether it is one of `schedule_last`, whether it is weak, its node.
Alarm = tuple[int, bool, bool, int]

ALARMS = st.lists(
    st.tuples(
        st.integers(0, 4), st.sampled_from([False, False, True]), st.booleans(), st.integers(0, 3)
    ),
    max_size=6,
)


def taken(alarms: list[Alarm], now: int) -> list[int]:
    """Take from a list of alarms what goes off, by the words of `Schedule.take`."""
    alarms.sort()
    if not alarms or alarms[0][0] > now:
        return []
    at, last, *_ = alarms[0]
    due = list(
        takewhile(lambda alarm: alarm[1] == last and alarm[0] <= (at if last else now), alarms)
    )
    first: dict[int, int] = {}
    for alarm in due:
        time, _, _, node = alarm
        if first.setdefault(node, time) == time:  # the others wait for a further cycle
            alarms.remove(alarm)
    return list(first)


@given(ALARMS, st.lists(st.integers(0, 1), max_size=8))
def test_alarms_go_off_each_in_a_cycle_that_takes_one_of_each_node(
    alarms: list[Alarm], steps: list[int]
) -> None:
    schedule = Schedule(4)
    for time, last, weak, node in alarms:
        schedule.add(time, node, keeps_alive=not weak, last=last)
    left, now = list(alarms), 0
    for step in steps:
        now += step
        before = len(left)
        expected = taken(left, now)
        assert schedule.take(now) == expected
        assert len(schedule.heap) == len(left)
        assert schedule.weak == sum(weak for _, _, weak, _ in left)
        if expected:
            assert len(left) < before
