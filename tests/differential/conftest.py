"""Modules that tests import are not imported a second time, in search of doctests."""

from pathlib import Path

collect_ignore = [
    str(path) for path in Path(__file__).parent.rglob("*.py") if not path.name.startswith("test_")
]
