"""Compile a kernel to machine code for this processor, and load it.

Machine code is kept in memory, and as object files in the user's cache folder. An object file is
found by a hash of the kernel, the processor, the version of llvmlite and the text of this package;
so no file has to be thrown away for being old.

If the environment variable ``GRAPHCORE_NATIVE_GUARD`` is set and not empty, kernels are guarded.
"""

import ctypes
import hashlib
import os
import re
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import llvmlite

from graphcore.engine.native.backend import object_cache, objects
from graphcore.engine.native.backend.layout import LIBRARY_PREFIX, Words

if TYPE_CHECKING:
    from graphcore.engine.native.backend.varying import Varying
    from graphcore.engine.native.ir import Kernel

_MOST_KEPT = 256
_ARGUMENTS = ctypes.c_void_p, ctypes.c_int64
# In /proc/cpuinfo: the lines that do not differ from core to core, or from moment to moment.
_OF_PROCESSOR = ("vendor_id", "cpu family", "model", "stepping", "flags", "Features", "CPU ")
# In the text of a kernel: a ring, list or table; a variable, or a label.
_ARRAY = re.compile(r"\b(ring|list|table)='([^']*)'")
_NAME = re.compile(r"'[^'\s,()]*[:#$][^'\s,()]*'")
_kept: "OrderedDict[str, Code]" = OrderedDict()
_lock = threading.Lock()


class Code:
    """Machine code that is loaded.

    Args:
        data: the object file.
        arguments: the types of the function's arguments.

    Attributes:
        name: its name in the cache folder.
        asked: how often this process has asked for it.
    """

    name = ""
    asked = 0

    def __init__(self, data: bytes, arguments: Sequence[Any]) -> None:
        # It owns the code's memory, so it lives as long as this object.
        self._owner, address = _loaded(data)
        self.run = ctypes.CFUNCTYPE(ctypes.c_int64, *arguments)(address)


def _loaded(data: bytes) -> tuple[object, int]:
    try:
        return objects.loaded(data, _address_of)
    except objects.Unloadable:
        from graphcore.engine.native.backend import llvm  # what it costs, see there

        return llvm.loaded(data, _address_of)


def code_of(kernel: "Kernel", words: Words) -> Code:
    """Return the machine code of a kernel: kept, from the cache folder, or compiled."""

    def text() -> str:
        from graphcore.engine.native.backend.lowering import lower

        return lower(kernel, words, is_guarded())

    return _code(key_of(kernel), text, *_ARGUMENTS)


def found_code(key: str) -> Code | None:
    """Return the machine code of this name, `None` if it is neither kept nor in the folder."""
    try:
        return _code(key, _lacking, *_ARGUMENTS)
    except LookupError:
        return None


def _lacking() -> str:
    raise LookupError


def code_of_lanes(kernel: "Kernel", words: Words, varying: "Varying") -> Code:
    """Return the machine code of a kernel for sets side by side."""
    guarded = is_guarded()
    differing = tuple(name in varying.names for name in kernel.carried)
    key = key_of(kernel, differing)

    def text() -> str:
        from graphcore.engine.native.backend.lanes import lower_lanes

        return lower_lanes(kernel, words, guarded, varying)

    return _code(key, text, ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p)


def is_guarded() -> bool:
    """Return whether kernels check the places of items."""
    return bool(os.environ.get("GRAPHCORE_NATIVE_GUARD"))


def _code(key: str, text: Callable[[], str], *arguments: Any) -> Code:
    with _lock:
        code = _kept.get(key)
        if code is None:
            data = object_cache.read(key)
            if data is None:
                data = _compiled(text())
                object_cache.write(key, data)
            code = _kept[key] = Code(data, arguments)
            code.name = key
        code.asked += 1
        _kept.move_to_end(key)
        while len(_kept) > _MOST_KEPT:
            _kept.popitem(last=False)
    return code


def key_of(kernel: "Kernel", differing: tuple[bool, ...] = ()) -> str:
    """Return a hash of all that the code depends on; names count by where they first come.

    Names have the serial numbers of nodes, so graphs of one shape differ in them.
    """
    arrays = [[*part.values()] for part in (kernel.rings, kernel.lists)]
    names = (*kernel.rings, *kernel.lists, *kernel.tables)
    numbers = {name: f"={at}" for at, name in enumerate(names)}
    tables = [*kernel.tables.values()]
    of = kernel.start, kernel.carried, kernel.variables, arrays, tables, kernel.body
    text = repr((is_guarded(), differing, *of))

    def number(found: "re.Match[str]") -> str:
        return numbers.setdefault(found[0], f"{len(numbers)}")

    text = _ARRAY.sub(lambda found: f"{found[1]}{numbers[found[2]]}", text)
    text = f"{_about()}\n{_NAME.sub(number, text)}"
    return hashlib.sha256(text.encode()).hexdigest()


def _compiled(text: str) -> bytes:
    from graphcore.engine.native.backend import llvm

    return llvm.compiled(text, _address_of)


def _address_of(name: str) -> int:
    """Return the address of a function of the C library, by its name in object files."""
    if name == "memmove":
        function: Any = ctypes.memmove
    else:
        function = getattr(_c_library(), name.removeprefix(LIBRARY_PREFIX))
    address = ctypes.cast(function, ctypes.c_void_p).value
    assert address is not None
    return address


@cache
def _c_library() -> ctypes.CDLL:
    """Return the library whose functions Python's own `math` calls."""
    names = {"linux": "libm.so.6", "win32": "ucrtbase"}
    try:
        return ctypes.CDLL(names.get(sys.platform))
    except OSError:  # musl has all in one library
        return ctypes.CDLL(None)


@cache
def _about() -> str:
    """Return what machine code depends on besides the kernel."""
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(path.read_bytes())
    return f"{llvmlite.__version__} {sys.platform} {processor()} {digest.hexdigest()}"


@cache
def processor() -> str:
    """Return the processor and what it can do, from Linux without loading LLVM."""
    try:
        with open("/proc/cpuinfo") as file:
            told = file.read(16_384).partition("\n\n")[0]
    except OSError:
        told = ""
    lines = [line for line in told.splitlines() if line.startswith(_OF_PROCESSOR)]
    if not any(line.startswith(("flags", "Features")) for line in lines):
        from graphcore.engine.native.backend import llvm

        return llvm.processor()
    return "\n".join(lines)
