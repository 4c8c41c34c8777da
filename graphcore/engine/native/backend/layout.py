"""Where everything is in the words of memory that a kernel and Python share.

A word has 64 bits. The kernel reads the words when it is called, and writes them when it has run
all of its cycles; if it traps, it writes the reason alone.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphcore.engine.native.ir import Kernel

NAME = "kernel"  # of the function in an object file
# Of the names of the C library's functions: LLVM must not know what they compute.
LIBRARY_PREFIX = "graphcore.c."
# A reason below 0: the ring or list of this number, from -1 down, has no room.
# A reason from `ROUNDS` down: the call has run as many rounds of loops as one call may; the
# difference is the reason that names the line.
ROUNDS = -(1 << 62)
STATUS, REASON, CYCLE, DONE = range(4)
# Where a run is: engine time, the first cycle at it (R6), the number of the cycle after which R15
# looks again, the time before which cycles may run, and whether all alarms before it go off.
TIME, FIRST, LOOK, UNTIL, ALIVE = range(4, 9)
# The alarms: how many there are, how many of them keep no run alive, for how many there is room,
# and the addresses of their stamps and keys.
ALARMS, WEAK, ROOM, STAMPS, KEYS = range(9, 14)
WEAK_KEY = 64  # in the key of an alarm that keeps no run alive
_FIRST_SOURCE = 14
# The words of a table: the address of its slots, which say at which row a key is, and how many
# words they have; the addresses of the rows, of the rows as they were when the call began, and of
# the numbers of the rows that it has changed; how many words the rows have, for how many rows there
# is room, and the number of the call.
SLOTS, SLOT_ROOM, ROWS, SAVED, CHANGED, ROW_ROOM, COUNT, CALL = range(8)
OF_TABLE = 8
MIX = 0x9E3779B97F4A7C15  # spreads keys over the slots: 2^64 over the golden ratio, odd
LANES = 8  # sets side by side: a vector register of 512 bits holds as many numbers; two of 256 do
_ALL = (1 << 64) - 1
CLEAN, DIRTY = 0, 1  # the status: whether the last call has run all of its cycles


def mixed(key: Iterable[int]) -> int:
    """Return a number whose lowest bits say in which slot the search for a key begins.

    A kernel computes it as `tables.Rows.find` writes it.
    """
    found = 0
    for word in key:
        found = (found ^ word & _ALL) * MIX & _ALL
        found ^= found >> 32
    return found


class Words:
    """The places of a kernel's words.

    Attributes:
        variables: for each carried variable, its word.
        rings: for each ring, the word of its head; its length and its mask follow, then the address
            of the memory of each part, then for how many items each has room.
        lists: for each list, the word of the number of new items; their room and the number of
            older items follow, then the addresses and rooms.
        tables: for each table, the first of its words, see `SLOTS`.
        sources: for each source, the word of the address of its times; the number of events that
            have been given out, the number of all, and the addresses of the parts of its values
            follow.
        due: the words of the last cycle that an alarm started, for each node that has alarms.
        count: how many words there are.
    """

    def __init__(self, kernel: "Kernel") -> None:
        self.count = _FIRST_SOURCE
        self.sources = [self._take(3 + len(parts)) for parts in kernel.start.sources]
        self.due = [self._take(1) for _ in range(kernel.start.alarms)]
        self.rings: dict[str, int] = {}
        self.lists: dict[str, int] = {}
        for name, parts in kernel.rings.items():
            self.rings[name] = self._take(3 + 2 * len(parts))
        for name, parts in kernel.lists.items():
            self.lists[name] = self._take(3 + 2 * len(parts))
        self.tables = {name: self._take(OF_TABLE) for name in kernel.tables}
        self.variables = {name: self._take(1) for name in kernel.carried}

    def _take(self, words: int) -> int:
        place = self.count
        self.count += words
        return place
