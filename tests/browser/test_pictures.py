"""The pictures of the gallery and of the pages about notebooks and sweeps: what their cells show.

`make docs` runs these tests with SCREENSHOTS=docs/pictures, so that the pages show what the code on
them gives today.
"""

import base64
import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from graphcore.seeing.graphviz import has_dot
from tests.notebook import run_cells
from tests.pages import ROOT

# How JupyterLab shows tables, roughly.
_STYLE = """
body { margin: 0; background: white; font: 13px sans-serif; }
#shown { display: inline-block; padding: 8px; }
table { border-collapse: collapse; margin: 4px 0; }
th { text-align: right; } td, th { padding: 3px 8px; text-align: right; }
tr:nth-child(even) { background: #f5f5f5; }
"""


@pytest.mark.pictures
@pytest.mark.parametrize("name", ["gallery", "notebooks", "sweeps"])
def test_each_picture_of_a_page_is_what_its_cell_shows(
    name: str, browser: Browser, pictures: Path, tmp_path: Path
) -> None:
    assert has_dot(), "the drawings need Graphviz: apt-get install graphviz"
    for cell in run_cells(ROOT / "docs" / f"{name}.md", tmp_path):
        if cell.picture is None:
            continue
        shown, file = cell.shown or {}, pictures / cell.picture
        if file.suffix == ".svg":
            # Where a node was wired is shown without the folders of this machine.
            svg = re.sub(r'(xlink:title=")[^"]*/', r"\1", shown["image/svg+xml"])
            file.write_text(svg + "\n", encoding="utf-8")
        elif "image/png" in shown:
            file.write_bytes(base64.b64decode(shown["image/png"]))
        else:
            page = browser.new_page(device_scale_factor=2)
            page.set_content(f"<style>{_STYLE}</style><div id=shown>{shown['text/html']}</div>")
            page.locator("#shown").screenshot(path=file)
            page.close()
        assert file.stat().st_size > 1_000, cell.code
