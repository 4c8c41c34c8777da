"""`Drawing`, which `graph.draw()` returns: text in several formats, and a cell of a notebook."""

import os
from pathlib import Path

from graphcore.errors import InvalidTypeError, InvalidValueError
from graphcore.seeing.graphviz import dot_of, has_dot, svg_of
from graphcore.seeing.mermaid import mermaid_of
from graphcore.seeing.picture import Picture

_MOST_IN_A_NOTEBOOK = 300


class Drawing:
    """A drawing of a graph; as text it is Mermaid, and in a notebook it draws itself.

    Nodes of one colour tick in the same cycles. A solid edge triggers its reader, a dashed one is
    only read, and a dotted one delivers in a later cycle. Rounded nodes are sources; nodes with a
    double line are sinks. A box holds a sub-graph.

    Args:
        picture: what it shows.
    """

    def __init__(self, picture: Picture) -> None:
        self._picture = picture

    @property
    def mermaid(self) -> str:
        """The drawing as Mermaid text, which GitHub, JupyterLab and many sites draw."""
        return mermaid_of(self._picture)

    @property
    def dot(self) -> str:
        """The drawing as text for Graphviz."""
        return dot_of(self._picture)

    @property
    def svg(self) -> str:
        """The drawing as SVG, made by the program `dot` of Graphviz.

        Raises:
            RunError: if that program is not there, fails, or takes more than a minute.
        """
        return svg_of(self._picture)

    def save(self, file: "str | os.PathLike[str]") -> None:
        """Write the drawing to a file, in the format that the file's ending names.

        Args:
            file: a path that ends with ``.svg``, ``.dot``, ``.gv``, ``.mmd`` or ``.mermaid``.

        Raises:
            InvalidTypeError: for anything but a path.
            InvalidValueError: for another ending.
            RunError: for an SVG, if the program `dot` of Graphviz is not there.
        """
        if not isinstance(file, str | os.PathLike):
            raise InvalidTypeError(f"file must be a path, not {file!r}")
        path = Path(file)
        formats = {".svg": "svg", ".dot": "dot", ".gv": "dot", ".mmd": "mermaid"}
        formats[".mermaid"] = "mermaid"
        name = formats.get(path.suffix)
        if name is None:
            raise InvalidValueError(
                f"a drawing is saved as {', '.join(formats)}, and {str(path)!r} ends with none of "
                "them"
            )
        path.write_text(getattr(self, name) + "\n", encoding="utf-8")

    def __str__(self) -> str:
        """Return the Mermaid text."""
        return self.mermaid

    def __repr__(self) -> str:
        """Show how many nodes are drawn."""
        return f"<Drawing of {self._picture.size:,} nodes>"

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """Return what a notebook shows: an SVG if Graphviz is there, else Mermaid.

        A drawing of more than 300 nodes shows their number only, since it may take minutes: it can
        be saved.
        """
        bundle = {"text/plain": repr(self)}
        if self._picture.size > _MOST_IN_A_NOTEBOOK:
            bundle["text/plain"] += ": too many for a cell; save(...) writes them to a file"
        elif has_dot():
            bundle["image/svg+xml"] = self.svg
        else:
            bundle["text/vnd.mermaid"] = self.mermaid
        return bundle
