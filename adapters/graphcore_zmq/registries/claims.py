"""A publisher's claim on a name: one state machine for every registry that keeps names.

    state      | nobody holds the name | another publisher holds it
    -----------|-----------------------|----------------------------------------------------------
    CLAIMING   | HELD                  | "wait": CLAIMING until the deadline, then ENDED
               |                       | "error": ENDED, "standby": STANDBY
    STANDBY    | HELD                  | STANDBY
    HELD       | HELD, stored again    | "wait", "error": ENDED, "standby": STANDBY

The registry finds out who holds the name, and calls `take`, `meet`, `lose` or `fail`. The claim
decides what follows, logs it, and wakes the publisher that waits for it.
"""

import logging
import math
import threading
from abc import ABC, abstractmethod
from enum import Enum, auto
from time import monotonic
from typing import TypeVar

from graphcore_zmq.registries.forking import Owner
from graphcore_zmq.registry import Conflict, NameTakenError, Registration, RegistryError

_logger = logging.getLogger(__name__)

_GRACE = 2.0  # s beyond `ttl` that a claim waits: a registry may remove a dead holder's name late

_Claim = TypeVar("_Claim", bound="Claim")


class State(Enum):
    """Where a claim stands."""

    CLAIMING = auto()
    STANDBY = auto()
    HELD = auto()
    ENDED = auto()


class Claim(ABC):
    """A name that a publisher waits for, stands by for or holds.

    The publisher calls `wait` and `revoke`; the registry calls the rest. In a forked child `wait`
    raises and `revoke` does nothing.

    Args:
        registration: what the publisher registers.
        where: what the log and errors call the registry.
        ttl: after how many seconds the registry removes a name that nobody renews.
        conflict: what to do while another publisher holds the name.

    Attributes:
        state: where the claim stands.
        owner: the process that has made the claim.
        deadline: when `wait` gives up, by the monotonic clock (s).
    """

    def __init__(
        self, registration: Registration, where: str, ttl: float, conflict: Conflict
    ) -> None:
        self.registration = registration
        self.owner = Owner()
        self.state = State.CLAIMING
        patience = {Conflict.WAIT: ttl + _GRACE, Conflict.ERROR: 0.0, Conflict.STANDBY: math.inf}
        self.deadline = monotonic() + patience[conflict]
        self._where = where
        self._stands_by = conflict is Conflict.STANDBY
        self._holder: str | None = None  # whom the log last named
        self._has_been_held = False
        self._error: RegistryError | None = None
        self._settled = threading.Event()

    def wait(self, seconds: float) -> bool:
        """Wait until the name is held, or stood by for; return whether it is.

        Raises:
            NameTakenError: if another publisher holds the name, and `conflict` says to give up.
            RegistryError: if the registry cannot be reached, or refuses; also in a forked child.
        """
        self.owner.check(f"the claim on {self.registration.name!r}", "register the name anew here")
        settled = self._settled.wait(seconds)
        if self._error is not None:
            raise self._error
        return settled

    def revoke(self) -> None:
        """Give the name back; returns within a second, errors are logged."""
        if self.owner.is_here:
            self._give_back()

    @abstractmethod
    def _give_back(self) -> None:
        """Have the registry remove the name."""

    @property
    def settled(self) -> bool:
        """Whether `wait` returns at once."""
        return self._settled.is_set()

    def take(self) -> None:
        """The registry has stored the name for this publisher, or still has it."""
        if self.state is not State.HELD:
            again = " again" if self._has_been_held else ""
            # An operator who was told that the name is gone, or held by another, is told the end.
            told = self._has_been_held or self._holder is not None
            _logger.log(
                logging.WARNING if told else logging.INFO,
                "%r is registered%s in %s at %s",
                self.registration.name,
                again,
                self._where,
                self.registration.address,
            )
            self._holder = None
            self.state = State.HELD
            self._has_been_held = True
        self._settled.set()

    def lose(self) -> None:
        """The name that was held is gone from the registry, and nobody has it."""
        if self.state is State.HELD:
            self.state = State.CLAIMING

    def meet(self, holder: str) -> None:
        """Another publisher, whose address is `holder`, has the name."""
        name, address = self.registration.name, self.registration.address
        is_lost = self._has_been_held and self.state is not State.STANDBY
        if is_lost:
            _logger.error(
                "the name %r has gone to %s; %s is no longer found by it", name, holder, address
            )
        if self._stands_by:
            self.state = State.STANDBY
            self._settled.set()
        elif is_lost:
            self.state = State.ENDED
            return
        elif monotonic() >= self.deadline:
            self._end(NameTakenError(f"{holder} holds the name {name!r} in {self._where}"))
            return
        if holder != self._holder:
            self._holder = holder
            patience = self.deadline - monotonic()
            at_most = "" if self._stands_by else f" at most {patience:.0f} s"
            _logger.warning(
                "%s waits%s for the name %r: %s holds it", address, at_most, name, holder
            )

    def fail(self, error: RegistryError, is_final: bool = False) -> None:
        """The registry cannot tell who holds the name; a settled claim waits until it can."""
        if self.settled:
            return
        if is_final or monotonic() >= self.deadline:
            self._end(error)
        elif self._stands_by:
            self._settled.set()

    def _end(self, error: RegistryError) -> None:
        self._error = error
        self.state = State.ENDED
        self._settled.set()


def settled(claim: _Claim) -> _Claim:
    """Wait until a claim is settled and return it; revoke it if it fails or is interrupted."""
    try:
        _await(claim)
    except BaseException:
        claim.revoke()
        raise
    return claim


def _await(claim: Claim) -> None:
    # A function of its own: in CPython 3.13 a `try` around a loop may not see Ctrl-C at the loop's
    # jump back, if it is in the same function (cpython issue 130279).
    while not claim.wait(1.0):
        pass
