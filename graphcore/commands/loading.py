"""Find the graph that a command is to look at, by a name such as ``package.module:graph``."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from graphcore.errors import InvalidTypeError, InvalidValueError, shorten
from graphcore.graph import Graph
from graphcore.handle import Handle
from graphcore.node import MutableNode


def load_graph(name: str) -> Graph:
    """Import a module and return the graph that it calls by a name.

    Args:
        name: ``module:name`` or ``file.py:name``. The name is that of a `Graph`, of a stream or
            another handle, of a list of them, or of a function without arguments that returns one
            of these.

    Raises:
        InvalidValueError: if there is no such module, file or name.
        InvalidTypeError: if the name is that of something else.
    """
    where, colon, attribute = name.rpartition(":")
    if not (where and colon and attribute):
        raise InvalidValueError(f"name a graph as module:graph or file.py:graph, not {name!r}")
    module = _module(where)
    found: object = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise InvalidValueError(f"{where} has no {attribute}; {_graphs_in(module)}")
        found = getattr(found, part)
    if callable(found) and not isinstance(found, Handle | MutableNode):
        found = found()
    if isinstance(found, Graph):
        return found
    roots = found if isinstance(found, list | tuple) else (found,)
    if not roots or not all(isinstance(root, Handle | MutableNode) for root in roots):
        raise InvalidTypeError(
            f"{name} must be a Graph, a stream, a list of streams, or a function that returns one "
            f"of these, not {shorten(found)} ({type(found).__name__})"
        )
    return Graph(*roots)


def _module(where: str) -> ModuleType:
    path = Path(where)
    if path.suffix == ".py":
        if not path.is_file():
            raise InvalidValueError(f"there is no file {where}")
        spec = importlib.util.spec_from_file_location(path.stem, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.path.insert(0, str(path.parent.resolve()))
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        return module
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(where)
    except ModuleNotFoundError as error:
        # The module may be there, and import another that is not.
        if error.name is None or not f"{where}.".startswith(f"{error.name}."):
            raise
        raise InvalidValueError(
            f"there is no module {where}; a file is named with its ending, as in file.py:graph"
        ) from error


def _graphs_in(module: ModuleType) -> str:
    names = [name for name, value in vars(module).items() if isinstance(value, Graph | Handle)]
    return f"it has {', '.join(names)}" if names else "it has no graph and no stream"
