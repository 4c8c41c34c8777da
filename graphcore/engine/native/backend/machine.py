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
from typing import Any

import llvmlite
from llvmlite import binding

from graphcore.engine.native.backend import object_cache
from graphcore.engine.native.backend.arithmetic import LIBRARY_PREFIX
from graphcore.engine.native.backend.lanes import lower_lanes
from graphcore.engine.native.backend.layout import Words
from graphcore.engine.native.backend.lowering import NAME, lower
from graphcore.engine.native.backend.varying import Varying
from graphcore.engine.native.frontend.operations import LIBRARY
from graphcore.engine.native.ir import Kernel

_MOST_KEPT = 256
# In the text of a kernel: a ring or list; a variable, or a label.
_ARRAY = re.compile(r"\b(ring|list)='([^']*)'")
_NAME = re.compile(r"'[^'\s,()]*[:#$][^'\s,()]*'")
_kept: "OrderedDict[str, Code]" = OrderedDict()
_lock = threading.Lock()


class Code:
    """Machine code that is loaded.

    Args:
        data: the object file.
        arguments: the types of the function's arguments.
    """

    def __init__(self, data: bytes, arguments: Sequence[Any]) -> None:
        module = binding.parse_assembly("")
        # It owns the code's memory, so it lives as long as this object. It also owns its target
        # machine, so each engine needs one of its own.
        self._engine: Any = binding.create_mcjit_compiler(module, _machine())
        self._engine.add_object_file(binding.ObjectFileRef.from_data(data))
        self._engine.finalize_object()
        of = ctypes.CFUNCTYPE(ctypes.c_int64, *arguments)
        self.run = of(self._engine.get_function_address(NAME))


def code_of(kernel: Kernel, words: Words) -> Code:
    """Return the machine code of a kernel: kept, from the cache folder, or compiled."""
    guarded = _is_guarded()
    key = _key(kernel, guarded)
    return _code(key, lambda: lower(kernel, words, guarded), ctypes.c_void_p, ctypes.c_int64)


def code_of_lanes(kernel: Kernel, words: Words, varying: Varying) -> Code:
    """Return the machine code of a kernel for sets side by side."""
    guarded = _is_guarded()
    differing = tuple(name in varying.names for name in kernel.carried)
    key = _key(kernel, guarded, differing)
    arguments = ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p
    return _code(key, lambda: lower_lanes(kernel, words, guarded, varying), *arguments)


def _is_guarded() -> bool:
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
        _kept.move_to_end(key)
        while len(_kept) > _MOST_KEPT:
            _kept.popitem(last=False)
    return code


def _key(kernel: Kernel, guarded: bool, differing: tuple[bool, ...] = ()) -> str:
    """Return a hash of all that the code depends on; names count by where they first come.

    Names have the serial numbers of nodes, so graphs of one shape differ in them.
    """
    arrays = [[*part.values()] for part in (kernel.rings, kernel.lists)]
    numbers = {name: f"={at}" for at, name in enumerate((*kernel.rings, *kernel.lists))}
    text = repr(
        (guarded, differing, kernel.start, kernel.carried, kernel.variables, arrays, kernel.body)
    )

    def number(found: "re.Match[str]") -> str:
        return numbers.setdefault(found[0], f"{len(numbers)}")

    text = _ARRAY.sub(lambda found: f"{found[1]}{numbers[found[2]]}", text)
    text = f"{_about()}\n{_NAME.sub(number, text)}"
    return hashlib.sha256(text.encode()).hexdigest()


def _compiled(text: str) -> bytes:
    machine = _machine()
    module = binding.parse_assembly(text)
    module.verify()
    options = binding.create_pipeline_tuning_options(speed_level=2)
    builder = binding.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    data: bytes = machine.emit_object(module)
    return data


def _machine() -> Any:
    _prepare()
    return binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(),
        features=binding.get_host_cpu_features().flatten(),
        opt=2,
        jit=True,
    )


@cache
def _prepare() -> None:
    """Have LLVM know this processor, and the functions of the C library."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    library = _c_library()
    for name in (*LIBRARY, "pow"):
        address = ctypes.cast(getattr(library, name), ctypes.c_void_p).value
        binding.add_symbol(f"{LIBRARY_PREFIX}{name}", address)
    binding.add_symbol("memmove", ctypes.cast(ctypes.memmove, ctypes.c_void_p).value)
    binding.add_symbol("fmod", ctypes.cast(library.fmod, ctypes.c_void_p).value)


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
    features = binding.get_host_cpu_features().flatten()
    about = (llvmlite.__version__, sys.platform, binding.get_host_cpu_name(), features)
    return f"{about} {digest.hexdigest()}"
