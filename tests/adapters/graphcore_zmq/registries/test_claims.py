"""The states of a claim, step by step: what the registry finds, and what follows from it."""

import logging
import threading

import pytest

from graphcore_zmq import Conflict, NameTakenError, Registration, RegistryError
from graphcore_zmq.registries.claims import Claim, State, settled

OURS, THEIRS, OTHERS = "tcp://127.0.0.1:5001", "tcp://127.0.0.1:5002", "tcp://127.0.0.1:5003"
DOWN = RegistryError("the registry is down")


class Told(Claim):
    """A claim to which the test says by hand who holds the name."""

    revoked = False

    def _give_back(self) -> None:
        self.revoked = True


def claim(conflict: str, ttl: float = 3600) -> Told:
    return Told(Registration("quotes", OURS), "the registry", ttl, Conflict(conflict))


def expire(told: Told) -> None:
    told.deadline = 0.0


@pytest.mark.parametrize("conflict", list(Conflict))
def test_a_free_name_is_held_and_the_claim_is_settled(conflict, caplog):
    caplog.set_level(logging.INFO)
    told = claim(conflict)
    assert not told.wait(0)
    told.take()
    told.take()
    assert told.wait(0)
    assert told.state is State.HELD
    assert [(each.levelno, each.getMessage()) for each in caplog.records] == [
        (logging.INFO, f"'quotes' is registered in the registry at {OURS}")
    ]


def test_wait_waits_for_the_holder_until_the_deadline(caplog):
    told = claim("wait", ttl=30)
    told.meet(THEIRS)
    told.meet(THEIRS)
    told.meet(OTHERS)
    assert not told.wait(0)
    assert told.state is State.CLAIMING
    assert [each.getMessage() for each in caplog.records] == [
        f"{OURS} waits at most 32 s for the name 'quotes': {holder} holds it"
        for holder in (THEIRS, OTHERS)
    ]
    expire(told)
    told.meet(OTHERS)
    assert told.state is State.ENDED
    with pytest.raises(NameTakenError, match=f"{OTHERS} holds the name 'quotes' in the registry"):
        told.wait(0)


def test_wait_takes_a_name_that_becomes_free_and_logs_it_if_the_wait_was_logged(caplog):
    told = claim("wait")
    told.meet(THEIRS)
    told.take()
    assert told.wait(0)
    assert caplog.messages[-1] == f"'quotes' is registered in the registry at {OURS}"


def test_error_ends_at_once():
    told = claim("error")
    told.meet(THEIRS)
    assert told.state is State.ENDED
    with pytest.raises(NameTakenError, match=THEIRS):
        told.wait(0)


def test_standby_is_settled_at_once_and_takes_the_name_when_it_is_free(caplog):
    told = claim("standby")
    told.meet(THEIRS)
    told.meet(THEIRS)
    assert told.wait(0)
    assert told.state is State.STANDBY
    assert caplog.messages == [f"{OURS} waits for the name 'quotes': {THEIRS} holds it"]
    told.take()
    assert told.state is State.HELD


@pytest.mark.parametrize("conflict", list(Conflict))
def test_a_name_that_was_lost_and_is_free_is_stored_again(conflict, caplog):
    told = claim(conflict)
    told.take()
    told.lose()
    told.take()
    assert told.state is State.HELD
    assert caplog.messages == [f"'quotes' is registered again in the registry at {OURS}"]


@pytest.mark.parametrize("lost_first", [False, True])
@pytest.mark.parametrize("conflict", list(Conflict))
def test_a_name_that_another_takes_is_given_up_or_stood_by_for(conflict, lost_first, caplog):
    told = claim(conflict)
    told.take()
    if lost_first:
        told.lose()
    told.meet(THEIRS)
    gone, *waits = caplog.messages
    assert gone == f"the name 'quotes' has gone to {THEIRS}; {OURS} is no longer found by it"
    stands_by = conflict == "standby"
    assert told.state is (State.STANDBY if stands_by else State.ENDED)
    assert len(waits) == stands_by
    assert told.wait(0)  # nobody waits for it any more, so nothing is raised
    if stands_by:
        told.meet(THEIRS)
        told.take()
        assert told.state is State.HELD
        assert caplog.messages[-1] == f"'quotes' is registered again in the registry at {OURS}"


def test_a_registry_that_is_down_is_waited_for_like_a_holder():
    told = claim("wait")
    told.fail(DOWN)
    assert not told.wait(0)
    expire(told)
    told.fail(DOWN)
    assert told.state is State.ENDED
    with pytest.raises(RegistryError, match="is down"):
        told.wait(0)


def test_a_registry_that_is_down_ends_error_and_lets_standby_begin():
    told = claim("error")
    told.fail(DOWN)
    assert told.state is State.ENDED
    standby = claim("standby")
    standby.fail(DOWN)
    assert standby.wait(0)
    standby.take()
    assert standby.state is State.HELD


@pytest.mark.parametrize("conflict", list(Conflict))
def test_a_refusal_ends_a_new_claim_and_no_settled_one(conflict):
    told = claim(conflict)
    told.fail(DOWN, is_final=True)
    assert told.state is State.ENDED
    held = claim(conflict)
    held.take()
    expire(held)
    held.fail(DOWN, is_final=True)
    assert held.state is State.HELD and held.wait(0)


def test_settled_returns_a_claim_that_has_its_name_and_revokes_a_claim_that_fails():
    told = claim("wait")
    timer = threading.Timer(0.05, told.take)
    timer.start()
    assert settled(told) is told
    timer.join()
    assert not told.revoked
    failing = claim("error")
    failing.meet(THEIRS)
    with pytest.raises(NameTakenError):
        settled(failing)
    assert failing.revoked
