"""Docstrings for the site: diagrams and doctests become blocks of code.

`mkdocs.yml` names this file as an extension of griffe, which reads the docstrings of the reference.
"""

import re

import griffe

_DIAGRAM = re.compile(r"^( *)::\n\n((?:\1    .*\n|\n)+)", re.MULTILINE)
_LINES = r">>> .*\n(?:\1\S.*\n|\1 .*\n)*"  # a prompt, and what follows up to an empty line
_DOCTEST = re.compile(rf"^( *){_LINES}(?:\n?\1{_LINES})*", re.MULTILINE)


class Blocks(griffe.Extension):
    """Puts fences around what a docstring shows as code."""

    def on_instance(self, *, obj: griffe.Object, **_: object) -> None:
        """Change the docstring of an object that has been read."""
        if obj.docstring is not None:
            obj.docstring.value = fenced(obj.docstring.value)


def fenced(text: str) -> str:
    """Return a docstring with fences around its diagrams and doctests.

    A block ends at the next line that is indented less, or, for a doctest, at an empty line.
    """
    text = _DIAGRAM.sub(lambda found: _block(_dedented(found[2]), "text", found[1]), text + "\n")
    return _DOCTEST.sub(lambda found: _block(found[0], "pycon", found[1]), text).rstrip("\n")


def _dedented(text: str) -> str:
    return re.sub("^    ", "", text, flags=re.MULTILINE)


def _block(text: str, language: str, indent: str) -> str:
    return f"{indent}```{language}\n{text.rstrip()}\n{indent}```\n\n"
