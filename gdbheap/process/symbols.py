"""What an ELF file's symbol tables and debug info say about one module: plain values that elf/ fills in and malloc/
reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from typing import Optional

from gdbheap.lazy import dataclass
from gdbheap.process.cstruct import CStruct
from gdbheap.process.named_address import NamedAddress
from gdbheap.process.process import Module


@dataclass(frozen=True)
class Symbol:
    """`value` as in the file: to be added to the module's load base, or (`tls`) an offset in its TLS block. `size`
    in bytes."""

    value: int
    size: int
    tls: bool = False


@dataclass(frozen=True)
class ModuleSymbols:
    """The wanted symbols and structs of one module, and the files they are from ("" where there was none).

    `version` is the glibc version its banner names ("2.36", "" unknown), `texts` those of the wanted texts that the
    file holds, None where it could not be read. `missing` tells in one line each what could not be had.
    """

    build_id: str = ""
    symbols: Mapping[str, Symbol] = field(default_factory=dict)
    structs: Mapping[str, CStruct] = field(default_factory=dict)
    library_file: str = ""
    debug_file: str = ""
    version: str = ""
    texts: frozenset[str] | None = None
    missing: tuple[str, ...] = ()


# Whoever can open files (elf/) gives this to whoever asks for a module's symbols (malloc/). It does not raise: what is
# missing is a value.
SymbolsOf = Callable[[Module], ModuleSymbols]

# Gives the symbol that an address is in; None where it is in none that is known.
SymbolAt = Callable[[int], Optional[NamedAddress]]
