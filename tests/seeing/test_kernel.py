"""The pages with pictures of what their code shows, run cell by cell in a real Jupyter kernel."""

import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty

import pytest

from graphcore.seeing.graphviz import has_dot
from tests.notebook import run_cells
from tests.pages import ROOT

DRAWING = "image/svg+xml" if has_dot() else "text/vnd.mermaid"


@pytest.mark.parametrize("page", ["notebooks", "gallery", "sweeps"])
def test_the_cells_of_a_page_print_and_show_what_it_says(page: str, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    cells = run_cells(ROOT / "docs" / f"{page}.md", tmp_path)
    assert any(cell.picture is not None for cell in cells)
    for cell in cells:
        assert cell.expected is None or cell.printed == cell.expected, cell.code
        if cell.picture is not None:
            assert cell.shown is not None, cell.code
            drawn = cell.picture.endswith(".svg")
            assert (DRAWING in cell.shown) == drawn, cell.code
            assert drawn or {"text/html", "image/png"} & set(cell.shown), cell.code


def test_interrupting_the_kernel_ends_a_live_run_in_order() -> None:
    pytest.importorskip("ipykernel")
    manager = pytest.importorskip("jupyter_client").KernelManager()
    manager.start_kernel()
    client = manager.client()
    client.start_channels()

    def printed_by(code: str, on_text: Callable[[], None]) -> str:
        client.execute(code)
        text, deadline = "", time.monotonic() + 60
        while "ended" not in text and time.monotonic() < deadline:
            try:
                message = client.get_iopub_msg(timeout=1)
            except Empty:
                continue
            assert message["msg_type"] != "error", message["content"]
            if message["msg_type"] == "stream":
                if not text:
                    on_text()
                text += message["content"]["text"]
        return text

    try:
        client.wait_for_ready(timeout=60)
        code = """
import graphcore as gc
beats = gc.ticker("10ms").count().filter(lambda n: n == 3).print("beat")
print("ended by", gc.Graph(beats).run(realtime=True).ended_by)
"""
        assert printed_by(code, manager.interrupt_kernel).endswith("ended by signal\n")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
