"""The base of plain data: what a frozen dataclass would do, but for refusing assignments."""

import copy
import pickle

import pytest

from graphcore.engine.fused.data import Data


class Named(Data):
    name: str


class Placed(Named):
    place: int | None = None


class Other(Named):
    place: int | None = None


class Nothing(Data):
    pass


def test_fields_come_from_the_bases_first_and_may_have_defaults() -> None:
    assert repr(Placed("a")) == "Placed(name='a', place=None)"
    assert repr(Placed("a", place=2)) == "Placed(name='a', place=2)"
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'name'"):
        Placed()  # type: ignore[call-arg]
    match Placed("a", 3):
        case Placed(name, place):
            assert (name, place) == ("a", 3)


def test_objects_of_one_class_with_equal_fields_are_equal() -> None:
    assert Placed("a", 1) == Placed("a", 1) and hash(Placed("a", 1)) == hash(Placed("a", 1))
    assert Placed("a", 1) != Placed("a", 2) and Placed("a", 1) != Other("a", 1)
    assert Nothing() == Nothing() and Nothing() != Named("a")
    assert len({Placed("a"), Placed("a"), Other("a"), Nothing(), Nothing()}) == 3


@pytest.mark.parametrize("made", [Placed("a", 1), Nothing()])
def test_objects_are_copied_and_pickled(made: Data) -> None:
    assert pickle.loads(pickle.dumps(made)) == made == copy.deepcopy(made)
