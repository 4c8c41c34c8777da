"""What LLVM does: compile the text of a kernel to an object file, and load one.

It is imported where a kernel has to be compiled, or where `machine` cannot load an object file
itself: to load LLVM takes 40 MB, and longer than most runs.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

from llvmlite import binding

from graphcore.engine.native.backend.layout import LIBRARY_PREFIX, NAME
from graphcore.engine.native.frontend.operations import LIBRARY


def compiled(text: str, address_of: Callable[[str], int]) -> bytes:
    """Return the object file of a kernel.

    Args:
        text: the kernel, as LLVM's assembly.
        address_of: returns the address of a function of the C library.
    """
    machine = _machine(address_of)
    module = binding.parse_assembly(text)
    module.verify()
    options = binding.create_pipeline_tuning_options(speed_level=2)
    builder = binding.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    data: bytes = machine.emit_object(module)
    return data


def loaded(data: bytes, address_of: Callable[[str], int]) -> tuple[object, int]:
    """Return what owns the memory of a kernel's machine code, and the kernel's address."""
    module = binding.parse_assembly("")
    # It also owns its target machine, so each engine needs one of its own.
    engine: Any = binding.create_mcjit_compiler(module, _machine(address_of))
    engine.add_object_file(binding.ObjectFileRef.from_data(data))
    engine.finalize_object()
    return engine, engine.get_function_address(NAME)


def processor() -> str:
    """Return the processor and what it can do."""
    features = binding.get_host_cpu_features().flatten()
    return f"{binding.get_host_cpu_name()} {features}"


def _machine(address_of: Callable[[str], int]) -> Any:
    _prepare(address_of)
    return binding.Target.from_default_triple().create_target_machine(
        cpu=binding.get_host_cpu_name(),
        features=binding.get_host_cpu_features().flatten(),
        opt=2,
        jit=True,
    )


@cache
def _prepare(address_of: Callable[[str], int]) -> None:
    """Have LLVM know this processor, and the functions of the C library."""
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    names = (f"{LIBRARY_PREFIX}{name}" for name in (*LIBRARY, "pow"))
    for name in (*names, "memmove", "fmod"):
        binding.add_symbol(name, address_of(name))
