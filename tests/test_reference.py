"""The reference on the site names all that users import, and shows examples as code."""

import importlib.util
import re
from pathlib import Path

import pytest

import graphcore as gc
import graphcore_zmq
from graphcore import testing

FOLDER = Path(__file__).parents[1] / "docs" / "reference"
SHOWN = {
    name.rpartition(".")[2]
    for page in FOLDER.glob("*.md")
    for name in re.findall(r"^::: (\S+)$", page.read_text(), re.MULTILINE)
}


def test_the_reference_has_each_public_name() -> None:
    assert set(gc.__all__) - SHOWN == {"__version__"}
    assert set(graphcore_zmq.__all__) - SHOWN == set()
    assert testing.__name__.rpartition(".")[2] in SHOWN  # whole, with all its names


def test_diagrams_and_doctests_of_docstrings_become_blocks_of_code() -> None:
    pytest.importorskip("griffe", reason="the extra docs has it")
    spec = importlib.util.spec_from_file_location("docstrings", FOLDER / "docstrings.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    text = "One.\n\n::\n\n    a  1\n      2\n\n    b  3\n\nTwo.\n\n>>> f(\n... 1)\n2\n>>> g()\n\n3."
    assert module.fenced(text) == (
        "One.\n\n```text\na  1\n  2\n\nb  3\n```\n\nTwo.\n\n"
        "```pycon\n>>> f(\n... 1)\n2\n>>> g()\n```\n\n\n3."
    )
