"""Pictures as text for Graphviz, and as SVG where its program `dot` is there."""

import shutil
import subprocess
from collections.abc import Iterator

from graphcore.errors import RunError
from graphcore.seeing.colours import colour_of
from graphcore.seeing.picture import Box, Line, Picture, Shape, Vertex

_SHAPES = {
    Shape.SOURCE: 'style="rounded,filled"',
    Shape.NODE: "style=filled",
    Shape.SINK: "style=filled, peripheries=2",
}
_LINES = {
    Line.ACTIVE: "",
    Line.PASSIVE: " [style=dashed]",
    Line.FEEDS: ' [style=dotted, label="next cycle", constraint=false]',
}
_SECONDS = 60


def dot_of(picture: Picture) -> str:
    """Return a picture as Graphviz text."""
    lines = [
        "digraph graphcore {",
        '    node [shape=box, fontname="sans-serif", fontsize=11, fontcolor="#111111"];',
        '    edge [fontname="sans-serif", fontsize=9, arrowsize=0.7];',
        *_box(picture.top, 1),
        *(f"    {each.start} -> {each.end}{_LINES[each.line]};" for each in picture.edges),
        "}",
    ]
    return "\n".join(lines)


def has_dot() -> bool:
    """Return whether the program `dot` is there."""
    return shutil.which("dot") is not None


def svg_of(picture: Picture) -> str:
    """Return a picture as SVG.

    Raises:
        RunError: if the program `dot` is not there, fails, or takes more than a minute.
    """
    program = shutil.which("dot")
    if program is None:
        raise RunError(
            "an SVG needs the program dot of Graphviz, which is not on the path: install the "
            "package graphviz of your system, or take draw().mermaid"
        )
    try:
        done = subprocess.run(
            [program, "-Tsvg"],
            input=dot_of(picture),
            capture_output=True,
            encoding="utf-8",
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise RunError(
            f"dot has not drawn {picture.size:,} nodes within {_SECONDS} s: draw a smaller graph"
        ) from None
    if done.returncode:
        raise RunError(f"dot failed: {done.stderr.strip()}")
    # What comes before it is a declaration of XML, which must not stand within a page.
    return done.stdout[done.stdout.index("<svg") :]


def _box(box: Box, depth: int) -> Iterator[str]:
    indent = "    " * depth
    for vertex in box.vertices:
        yield indent + _vertex(vertex)
    for inner in box.boxes:
        yield f"{indent}subgraph cluster_{inner.id} {{"
        yield f"{indent}    label={_quoted(inner.label)}; color=grey; fontname=sans;"
        yield from _box(inner, depth + 1)
        yield f"{indent}}}"


def _vertex(vertex: Vertex) -> str:
    fill, line = colour_of(vertex.clock)
    label = _quoted(vertex.name)[:-1] + "\\n" + _quoted(vertex.kind)[1:]
    return (
        f"{vertex.id} [label={label}, tooltip={_quoted(vertex.wired_at)}, "
        f'{_SHAPES[vertex.shape]}, fillcolor="{fill}", color="{line}"];'
    )


def _quoted(text: str) -> str:
    """Return text in quotation marks, in which nothing has a meaning to Graphviz."""
    # Graphviz takes `&amp;` and the like for characters.
    plain = text.replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")
    return '"' + " ".join(plain.split("\n")).replace("\0", "") + '"'
