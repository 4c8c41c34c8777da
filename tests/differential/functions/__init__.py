"""Functions of every shape, for `map`, `filter`, `scan`, `join` and all others that take one.

Each is made anew for each graph, so that what a closure keeps belongs to one graph. The simplest
ones come first, because hypothesis shrinks towards them. Some record their calls, arguments and
order; the
    others have no effect but their result, as functions that are inlined must.
"""

# In the order of their simplicity.
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
