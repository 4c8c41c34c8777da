"""Functions of every shape, for `map`, `filter`, `scan`, `join` and what else takes one.

Each is made anew for each graph, so that what a closure keeps belongs to one graph. The plainest
stand first: hypothesis shrinks towards them. Some note that they were called, with what, and in
which order; the others leave nothing behind but their result, as a function that is fused must.
"""

# In the order of their plainness.
from tests.differential.functions import expressions  # isort: skip
from tests.differential.functions import names  # isort: skip
from tests.differential.functions import callables, elsewhere, looking, several
from tests.differential.functions.shape import SHAPES, Shape

__all__ = [
    "SHAPES",
    "Shape",
    "callables",
    "elsewhere",
    "expressions",
    "looking",
    "names",
    "several",
]
