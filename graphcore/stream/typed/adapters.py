"""The methods that adapters add to `Stream`: type checkers read them in the stub of this module.

An adapter adds its methods at its import, by `stream_operator`, which no type checker follows. The
stub declares those of the adapters that come with graphcore. So checkers know them in any program,
also in one that has not imported the adapter; there the method is missing when the program runs,
and the error says what to import.
"""

from typing import Generic, TypeVar

T = TypeVar("T")


class AdapterOperators(Generic[T]):
    """Declares nothing when a program runs."""

    __slots__ = ()
