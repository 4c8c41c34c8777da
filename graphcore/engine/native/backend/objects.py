"""Load the object file of a kernel without LLVM, where it is one for Linux on x86-64.

A kernel is one function. Its code holds the addresses of its constants, and of functions of the C
library, as whole words, because LLVM compiles it for code and data that may be anywhere in memory.
So it is loaded by copying its sections into memory and writing these addresses. Of any other object
file, nothing is run.
"""

import ctypes
import mmap
import struct
import sys
from collections.abc import Callable
from os import uname
from typing import NamedTuple

from graphcore.engine.native.backend.layout import NAME

# The numbers of the format: ELF-64, and the System V ABI for AMD64.
_HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
_SECTION = struct.Struct("<IIQQQQIIQQ")
_SYMBOL = struct.Struct("<IBBHQQ")
_RELOCATION = struct.Struct("<QIIq")
_IDENT = b"\x7fELF\x02\x01\x01"  # 64 bits, the lowest byte first
_RELOCATABLE, _X86_64 = 1, 62
_PROGBITS, _SYMTAB, _RELA, _REL = 1, 2, 4, 9
_UNWIND = 0x70000001  # how to unwind the stack: no exception passes through a kernel
_ALLOC = 2
_WORD = 1  # R_X86_64_64: the address of a symbol, as a word
_EXTERNAL = 0
_READ_AND_RUN = mmap.PROT_READ | mmap.PROT_EXEC


class Unloadable(Exception):
    """LLVM has to load an object file."""


class _Section(NamedTuple):
    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry: int


def loaded(data: bytes, address_of: Callable[[str], int]) -> tuple[object, int]:
    """Return what owns the memory of a kernel's machine code, and the kernel's address.

    Args:
        data: the object file.
        address_of: returns the address of a function of the C library.

    Raises:
        Unloadable: if LLVM has to load it.
    """
    if sys.platform != "linux" or uname().machine != "x86_64":
        raise Unloadable("this is not Linux on x86-64")
    try:
        return _loaded(data, address_of)
    except (struct.error, LookupError, ValueError, AttributeError, OSError) as error:
        raise Unloadable(f"an object file of another form: {error}") from error


def _loaded(data: bytes, address_of: Callable[[str], int]) -> tuple[object, int]:
    ident, kind, processor, *header = _HEADER.unpack_from(data)
    if not ident.startswith(_IDENT) or (kind, processor) != (_RELOCATABLE, _X86_64):
        raise ValueError("no object file for x86-64")
    first, count = header[3], header[9]
    sections = [
        _Section(*_SECTION.unpack_from(data, first + number * _SECTION.size))
        for number in range(count)
    ]

    def contents(section: _Section) -> bytes:
        return data[section.offset : section.offset + section.size]

    [table] = [each for each in sections if each.kind == _SYMTAB]
    symbols = list(_SYMBOL.iter_unpack(contents(table)))
    names = contents(sections[table.link])

    places: dict[int, int] = {}
    end = 0
    for number, section in enumerate(sections):
        if section.flags & _ALLOC and section.size and section.kind != _UNWIND:
            if section.kind != _PROGBITS:
                raise ValueError(f"a section of the kind {section.kind}")
            places[number] = -(-end // section.align) * section.align
            end = places[number] + section.size
    memory = mmap.mmap(-1, end, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    base = ctypes.addressof(ctypes.c_char.from_buffer(memory))
    for number, place in places.items():
        memory[place : place + sections[number].size] = contents(sections[number])

    def name_of(symbol: int) -> str:
        begin = symbols[symbol][0]
        return names[begin : names.index(b"\0", begin)].decode()

    def address(symbol: int) -> int:
        section: int = symbols[symbol][3]
        value: int = symbols[symbol][4]
        if section == _EXTERNAL:
            return address_of(name_of(symbol))
        return base + places[section] + value

    for section in sections:
        if section.info in places and section.kind == _RELA:
            for offset, how, symbol, add in _RELOCATION.iter_unpack(contents(section)):
                if how != _WORD or offset + 8 > sections[section.info].size:
                    raise ValueError(f"a relocation of the kind {how}")
                where = places[section.info] + offset
                struct.pack_into("<Q", memory, where, (address(symbol) + add) % (1 << 64))
        elif section.info in places and section.kind == _REL:
            raise ValueError("relocations without addends")
    [kernel] = [at for at in range(len(symbols)) if symbols[at][3] and name_of(at) == NAME]
    start = address(kernel)
    # Memory that can be run can no longer be written.
    if ctypes.CDLL(None).mprotect(ctypes.c_void_p(base), ctypes.c_size_t(end), _READ_AND_RUN):
        raise ValueError("the system runs no code in memory of the process")
    return memory, start
