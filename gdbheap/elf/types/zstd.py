"""Sections compressed with zstd: by Python itself from 3.14 on, before that by the system's library, where it is."""

from __future__ import annotations

import ctypes
import importlib

from elftools.common.exceptions import ELFError

_LIBRARY = "libzstd.so.1"


def inflated(raw: bytes, size: int, name: str) -> bytes:
    """Return the bytes of a section, which claims this size; ELFError where it is broken or nobody can read it."""
    if not size:
        found = b""
    else:
        own = _by_python(raw, size)
        found = _by_library(raw, size, name) if own is None else own
    if len(found) != size:
        raise ELFError("it is compressed, and not to the size that it claims")
    return found


def _by_python(raw: bytes, size: int) -> bytes | None:
    try:
        zstd = importlib.import_module("compression.zstd")
    except ImportError:
        return None
    try:
        # (One more than is claimed: what is longer is not cut to that.)
        return bytes(zstd.ZstdDecompressor().decompress(raw, size + 1))
    except zstd.ZstdError as error:
        raise ELFError(str(error)) from error


def _by_library(raw: bytes, size: int, name: str) -> bytes:
    try:
        library = ctypes.CDLL(_LIBRARY)
        decompress, is_error = library.ZSTD_decompress, library.ZSTD_isError
    except (OSError, AttributeError):
        reason = f"its {name} is compressed with zstd, which Python reads from 3.14 on, and before that with {_LIBRARY}"
        raise ELFError(reason) from None
    is_error.argtypes = (ctypes.c_size_t,)
    decompress.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t)
    decompress.restype = ctypes.c_size_t
    buffer = ctypes.create_string_buffer(size)
    count = decompress(buffer, size, raw, len(raw))
    if is_error(count):
        raise ELFError("it is compressed with zstd, and broken")
    return ctypes.string_at(buffer, count)
