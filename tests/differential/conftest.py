"""pytest must not import modules of tests a second time to look for doctests."""

from pathlib import Path

collect_ignore = [
    str(path) for path in Path(__file__).parent.rglob("*.py") if not path.name.startswith("test_")
]
