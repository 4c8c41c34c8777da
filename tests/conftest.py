"""What all tests share: how many cases hypothesis thinks up."""

import os

from hypothesis import settings

# A graph takes the time it takes, on a machine that has other things to do. In CI the cases are
# the same each time, so that a failure is the change's own.
settings.register_profile("default", deadline=None, derandomize="CI" in os.environ)
settings.register_profile("thorough", parent=settings.get_profile("default"), max_examples=1000)
settings.load_profile("default")
