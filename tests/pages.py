"""The pages of the documentation, as blocks of code and what they show."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)```$", re.M | re.S
)
OUTPUT_MARK = "<!-- output -->"


@dataclass(frozen=True)
class Block:
    language: str
    text: str
    line: int
    before: str  # the text between the block before and this one


def blocks(page: Path) -> list[Block]:
    content = page.read_text(encoding="utf-8")
    found: list[Block] = []
    end = 0
    for match in FENCE.finditer(content):
        line = content.count("\n", 0, match.start()) + 2
        before = content[end : match.start()].strip()
        found.append(Block(match["language"], match["text"], line, before))
        end = match.end()
    return found
