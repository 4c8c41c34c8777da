"""The pytest plugin: one tier for a whole test run, and a stepper that ends with its test.

pytest loads it by its entry point in every environment that has graphcore, so it imports graphcore
only for a test that asks for the fixture.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from graphcore.testing import Stepper

# Those of `graphcore.tiers`, which would import graphcore; a test compares them.
TIERS = ("fused", "interpreted", "native", "auto")
VARIABLE = "GRAPHCORE_TIER"

_before = pytest.StashKey[str | None]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option."""
    parser.getgroup("graphcore").addoption(
        "--graphcore-tier",
        choices=TIERS,
        help="run all graphs of the tests on this tier, also in the processes that they start",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Choose the tier for this process and those that it starts."""
    tier = config.getoption("--graphcore-tier")
    if tier is not None:
        config.stash[_before] = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = tier


def pytest_unconfigure(config: pytest.Config) -> None:
    """Leave the environment as it was."""
    if _before not in config.stash:
        return
    before = config.stash[_before]
    if before is None:
        os.environ.pop(VARIABLE, None)
    else:
        os.environ[VARIABLE] = before


@pytest.fixture
def stepper() -> "Iterator[Callable[..., Stepper]]":
    """Return a function that begins a `graphcore.testing.Stepper`, which ends with the test.

    It takes the arguments of `Stepper`::

        def test_silence_is_noticed(stepper):
            beats = gc.never()
            silent = beats.silent_for("5s")
            step = stepper(silent)
            step.advance("5s")
            assert step.ticked(silent)
    """
    # The plugin is loaded without graphcore; see above.
    from graphcore.testing import Stepper

    with ExitStack() as steppers:
        yield lambda *roots, **options: steppers.enter_context(Stepper(*roots, **options))
