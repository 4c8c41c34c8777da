"""Pictures as Mermaid text, which Markdown pages, GitHub and JupyterLab draw."""

from collections.abc import Iterator

from graphcore.seeing.colours import colour_of
from graphcore.seeing.picture import Box, Line, Picture, Shape, Vertex

_BRACKETS = {Shape.SOURCE: ("([", "])"), Shape.NODE: ("[", "]"), Shape.SINK: ("[[", "]]")}
_ARROWS = {Line.ACTIVE: "-->", Line.PASSIVE: "-.->", Line.FEEDS: "-. next cycle .->"}


def mermaid_of(picture: Picture) -> str:
    """Return a picture as Mermaid text."""
    lines = ["flowchart TB", *_box(picture.top, 1)]
    lines += [f"    {each.start} {_ARROWS[each.line]} {each.end}" for each in picture.edges]
    for clock in range(picture.clocks):
        fill, stroke = colour_of(clock)
        lines.append(f"    classDef c{clock} fill:{fill},stroke:{stroke},color:#111111")
    return "\n".join(lines)


def _box(box: Box, depth: int) -> Iterator[str]:
    indent = "    " * depth
    for vertex in box.vertices:
        yield indent + _vertex(vertex)
    for inner in box.boxes:
        yield f'{indent}subgraph {inner.id}["{_text(inner.label)}"]'
        yield from _box(inner, depth + 1)
        yield f"{indent}end"


def _vertex(vertex: Vertex) -> str:
    before, after = _BRACKETS[vertex.shape]
    label = f"{_text(vertex.name)}<br/><small>{_text(vertex.kind)}</small>"
    return f'{vertex.id}{before}"{label}"{after}:::c{vertex.clock}'


def _text(text: str) -> str:
    """Return text in which nothing has a meaning to Mermaid; it takes numbers for characters."""
    # The underscore and the star begin Markdown in newer versions only between backticks.
    plain = (c if c.isalnum() or c in " _.:,-'()[]=+/" else f"#{ord(c)};" for c in text)
    return "".join(plain)
