"""The code of a page as the cells of a notebook, run in a real Jupyter kernel."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.pages import OUTPUT_MARK, blocks

_PICTURE = re.compile(r"^!\[[^\]]*\]\(pictures/([^)]+)\)", re.M)


@dataclass
class Cell:
    """A block of code and what it gave.

    Attributes:
        code: the code.
        line: its line in the page.
        expected: what the page says that it prints; `None` if the page does not say.
        picture: the file of the picture that the page shows of it; `None` if there is none.
        printed: what it printed.
        shown: what it displayed, by type, the last last.
    """

    code: str
    line: int
    expected: str | None = None
    picture: str | None = None
    printed: str = ""
    shown: dict[str, Any] | None = None


def cells_of(page: Path) -> list[Cell]:
    """Return the cells of a page, not yet run."""
    found: list[Cell] = []
    every = blocks(page)
    lines = page.read_text(encoding="utf-8").splitlines()
    for place, block in enumerate(every):
        if block.language == "python":
            cell = Cell(block.text, block.line)
            after = every[place + 1] if place + 1 < len(every) else None
            if after is not None and after.before == OUTPUT_MARK:
                cell.expected = after.text
            end = block.line + block.text.count("\n")
            behind = "\n".join(lines[end : end + 2]).lstrip("\n")
            picture = _PICTURE.match(behind)
            cell.picture = None if picture is None else picture[1]
            found.append(cell)
    return found


def run_cells(page: Path, folder: Path) -> list[Cell]:
    """Run the cells of a page one after the other in a kernel, and return them.

    Args:
        page: the page.
        folder: the working directory of the kernel.
    """
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    cells = cells_of(page)
    made = [nbformat.v4.new_code_cell(cell.code) for cell in cells]
    notebook = nbformat.v4.new_notebook(cells=made)
    where = {"metadata": {"path": str(folder)}}
    nbclient.NotebookClient(notebook, timeout=60, kernel_name="python3", resources=where).execute()
    for cell, ran in zip(cells, notebook.cells, strict=True):
        for output in ran.outputs:
            if output.output_type == "stream":
                cell.printed += output.text if output.name == "stdout" else ""
            else:
                cell.shown = dict(output.data)
    return cells
