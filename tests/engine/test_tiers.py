"""The tests of the engine, its operators and sources run on each tier."""

import sys

import graphcore as gc


def test_a_run_without_a_tier_uses_the_tier_of_the_test_run(default_tier: str) -> None:
    callers: list[str] = []

    def look(value: int) -> None:
        callers.append(sys._getframe(1).f_code.co_name)

    gc.constant(1).for_each(look).run()
    assert callers == [{"interpreted": "cycle", "fused": "run"}[default_tier]]
