"""Sections compressed with zstd, held against what the zstd program made of a text."""

from __future__ import annotations

import base64

import pytest
from elftools.common.exceptions import ELFError

from gdbheap.elf.types.zstd import inflated

TEXT = b"debug information, debug information, and more of it " * 4
FRAME = base64.b64decode("KLUv/QBoVQEAIoIHDMA99Gh1SfP/2rvmCed76WkVPxmH1OPA1cq7tdAEAgAcrKjakmkH")


def test_a_section_is_what_was_compressed():
    assert inflated(FRAME, len(TEXT), ".debug_info") == TEXT
    assert inflated(b"", 0, ".debug_info") == b""


@pytest.mark.parametrize(
    ("frame", "size"),
    [
        pytest.param(FRAME, len(TEXT) + 1, id="claims more"),
        pytest.param(FRAME, len(TEXT) - 1, id="claims less"),
        pytest.param(FRAME[:-4], len(TEXT), id="cut"),
        pytest.param(b"\x00" * 40, len(TEXT), id="no frame"),
        pytest.param(b"", len(TEXT), id="empty"),
    ],
)
def test_what_is_broken_is_told(frame, size):
    with pytest.raises(ELFError):
        inflated(frame, size, ".debug_info")
