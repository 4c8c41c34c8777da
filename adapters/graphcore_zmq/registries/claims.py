"""What registries have in common that keep a name for a publisher, once they have got it."""

from typing import TypeVar

from graphcore_zmq.registry import ZmqClaim

_Claim = TypeVar("_Claim", bound=ZmqClaim)


def settled(claim: _Claim) -> _Claim:
    """Wait until a claim is done and return it; if that fails or is broken off, it is revoked."""
    try:
        _await(claim)
    except BaseException:
        claim.revoke()
        raise
    return claim


def _await(claim: ZmqClaim) -> None:
    # A function of its own: in CPython 3.13 a `try` around a loop may not see Ctrl-C at the loop's
    # jump back, if it is in the same function (cpython issue 130279).
    while not claim.wait(1.0):
        pass


def waiting(address: str, name: str, holder: str, patience: float | None) -> str:
    """Say that a name is waited for, and for how many seconds at most; `None` is for ever."""
    at_most = "" if patience is None else f" at most {patience:.0f} s"
    return f"{address} waits{at_most} for the name {name!r}: {holder} holds it"
