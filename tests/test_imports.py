"""Imports go one way: from the face of a package down to its ground, and never in a circle."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import networkx as nx
import pytest

ROOT = Path(__file__).parent.parent
FOLDERS = {
    "graphcore": ROOT / "graphcore",
    "graphcore_zmq": ROOT / "adapters" / "graphcore_zmq",
    "graphcore_pytest": ROOT / "adapters" / "graphcore_pytest",
}

# For each module or package, the ones that it may import besides itself.
GROUND = "errors time state node declare output"
FACE = {
    **{name: "" for name in ("errors", "version", "origin", "bytecode", "parsing", "polling")},
    "time": "errors",
    "calendars": "errors time",
    "state": "errors time polling",
    "node": "errors state origin bytecode",
    "output": "errors state node",
    "declare": "errors node output bytecode parsing",
    "subgraph": "errors node state",
    "operators": f"{GROUND} subgraph operators.statistics",
    "operators.statistics": GROUND,
    "sources": GROUND,
    "tables": GROUND,
    "tables.read": "errors time sources tables",
    "engine": "errors time state node output subgraph parsing bytecode polling",
    "engine.subgraphs": "errors node state polling subgraph engine",
    "engine.fused": (
        "errors state node subgraph engine engine.subgraphs engine.fused.frontend "
        "engine.fused.analysis engine.fused.backend"
    ),
    "engine.fused.frontend": "state node output parsing engine engine.fused",
    "engine.fused.analysis": "engine.fused",
    "engine.fused.backend": (
        "errors node state parsing subgraph engine engine.fused engine.fused.analysis"
    ),
    "engine.native": (
        "errors version state node subgraph engine engine.fused engine.fused.frontend "
        "engine.fused.analysis engine.fused.backend engine.native.frontend engine.native.backend"
    ),
    "engine.native.frontend": (
        "node subgraph parsing engine.fused engine.fused.frontend engine.fused.backend "
        "engine.native"
    ),
    "engine.native.backend": (
        "subgraph engine.fused engine.fused.backend engine.native engine.native.frontend"
    ),
    "embedding": "errors version time state engine",
    "progress": "errors time",
    "tiers": "errors",
    "seeing": "errors time state node subgraph engine",
    "view": "errors time state subgraph engine",
    "graph": (
        "errors time state node polling tiers embedding engine engine.subgraphs engine.fused "
        "engine.native progress seeing checking profiling view"
    ),
    "metrics": "errors node declare state subgraph operators sources engine seeing view graph",
    "profiling": "errors node state sources engine engine.fused engine.fused.backend",
    "checking": (
        "errors node output subgraph operators operators.statistics sources engine engine.fused "
        "engine.fused.analysis engine.fused.frontend"
    ),
    "handle": "errors node graph seeing",
    "collected": "errors graph handle node operators seeing tables",
    "stream": (
        f"{GROUND} origin calendars subgraph handle collected operators operators.statistics "
        "sources tables tables.read graph"
    ),
    "source_functions": "errors time node calendars stream operators sources tables",
    "sweeping": (
        "errors time tiers graph handle collected node operators stream tables seeing engine "
        "engine.run engine.fused engine.native view"
    ),
    "testing": (
        "errors time state node origin graph stream source_functions sources engine "
        "engine.subgraphs"
    ),
    "commands": "errors graph handle node view",
    "cli": "version",
    "__main__": "cli",
}
# The same for the adapter, whose modules may all import graphcore.
ADAPTER_GROUND = "registry config codec wire socket registries stats"
ADAPTER = {
    **{name: "" for name in ("registry", "codec", "stats")},
    "config": "registry",
    "wire": "codec",
    "socket": "config",
    "registries": "registry config socket",
    "registries.etcd": "registry registries",
    "read": ADAPTER_GROUND,
    "write": ADAPTER_GROUND,
    "measures": "read write stats",
    "metrics": "measures read write stats",
    "own_subscriber": "config read write",
    "figures": "read write",
    "testing": "registry",
    "commands": f"{ADAPTER_GROUND} registries.etcd read write",
}
ROOMS_OF_GRAPHCORE = {"graphcore", *(f"graphcore.{name}" for name in FACE)}
ARROWS = {
    "graphcore": ROOMS_OF_GRAPHCORE,
    **{f"graphcore.{a}": {f"graphcore.{b}" for b in of.split()} for a, of in FACE.items()},
    "graphcore_pytest": ROOMS_OF_GRAPHCORE,
    "graphcore_zmq": ROOMS_OF_GRAPHCORE | {f"graphcore_zmq.{name}" for name in ADAPTER},
    **{
        f"graphcore_zmq.{a}": ROOMS_OF_GRAPHCORE | {f"graphcore_zmq.{b}" for b in of.split()}
        for a, of in ADAPTER.items()
    },
}
# operators: a file for each family; frontend: a file for each pass, and what they share; backend:
# what lowers a kernel, what loads it with LLVM and without, and its memory
MOST_FILES = {
    "graphcore": 20,
    "graphcore.operators": 20,
    "graphcore.engine.fused.frontend": 13,
    "graphcore.engine.native.frontend": 13,
    "graphcore.sweeping": 13,
    "graphcore.engine.native.backend": 16,
}

MODULES: dict[str, Path] = {}
for package, folder in FOLDERS.items():
    for path in folder.rglob("*.py"):
        inner = path.relative_to(folder).with_suffix("").parts
        MODULES[".".join((package, *inner)).removesuffix(".__init__")] = path


class Import(NamedTuple):
    """One module of this repository imports another."""

    by: str
    of: str
    in_function: bool


def imports(by: str, node: ast.AST, in_function: bool = False) -> Iterator[Import]:
    """Yield the imports that part of a module runs, without those for type checkers only."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    names: list[str] = []
    if isinstance(node, ast.Import):
        names = [each.name for each in node.names]
    elif isinstance(node, ast.ImportFrom):
        whole = [f"{node.module}.{each.name}" for each in node.names]
        names = [each if each in MODULES else str(node.module) for each in whole]
    yield from (Import(by, of, in_function) for of in dict.fromkeys(names) if of in MODULES)
    in_function = in_function or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    for child in ast.iter_child_nodes(node):
        yield from imports(by, child, in_function)


IMPORTS = [one for by, path in MODULES.items() for one in imports(by, ast.parse(path.read_text()))]


def room_of(module: str) -> str:
    """Return the innermost listed package that contains a module."""
    while module not in ARROWS:
        module = module.rpartition(".")[0]
    return module


def test_each_folder_imports_only_from_the_ground_below_it() -> None:
    rooms = {module: room_of(module) for module in MODULES}
    assert [module for module, room in rooms.items() if room in FOLDERS and room != module] == []
    wrong = [
        f"{each.by} imports {each.of}"
        for each in IMPORTS
        if rooms[each.of] not in {rooms[each.by], *ARROWS[rooms[each.by]]}
    ]
    assert wrong == []


def test_there_are_no_import_cycles_and_no_imports_inside_functions() -> None:
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(MODULES)
    graph.add_edges_from((each.by, each.of) for each in IMPORTS if not each.in_function)
    assert list(nx.simple_cycles(graph)) == []
    hidden = [each for each in IMPORTS if each.in_function and nx.has_path(graph, each.of, each.by)]
    assert hidden == []


# pytest loads its plugin without graphcore, so the plugin is in no package of graphcore's.
ALONE = {"graphcore_pytest"}
PACKAGES = [name for name, path in MODULES.items() if path.name == "__init__.py"]


@pytest.mark.parametrize("package", sorted(set(PACKAGES) - ALONE))
def test_a_folder_holds_more_than_one_file_and_no_more_than_a_page_lists(package: str) -> None:
    files = [path for path in MODULES[package].parent.glob("*.py") if path.stem != "__init__"]
    assert 1 < len(files) <= MOST_FILES.get(package, 12)


def test_a_wheel_holds_each_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(PACKAGES) == set(project["tool"]["setuptools"]["packages"]) - {"graphcore_examples"}
