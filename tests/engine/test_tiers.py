"""The tests of the engine, its operators and sources run on each tier."""

import sys

import pytest

import graphcore as gc


# It must not ask for the fixture: it is to see what a test gets that does not.
def test_a_run_without_a_tier_uses_the_tier_of_the_test_run(request: pytest.FixtureRequest) -> None:
    tier = request.node.callspec.params["default_tier"]
    callers: list[str] = []

    def look(value: int) -> None:
        callers.append(sys._getframe(1).f_code.co_name)

    gc.constant(1).for_each(look).run()
    assert callers == [{"interpreted": "cycle", "fused": "run"}[tier]]
