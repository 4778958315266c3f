"""What heap rss says of huge pages: the advice is about those that the kernel gave unasked."""

from gdbheap.analysis.memory_use.residency import Residency
from gdbheap.report.report import plain_text
from gdbheap.sentences.memory_advice import huge_lines

MIB = 1 << 20


def said(huge: int, hugetlb: int) -> list[str]:
    return [plain_text(line) for line in huge_lines(huge, Residency((), (), 20 * MIB, hugetlb))]


def test_only_transparent_huge_pages_are_told_and_pages_of_hugetlbfs_get_no_advice_about_them():
    assert said(8 * MIB, 8 * MIB) == []
    assert said(0, 0) == []
    assert said(9 * MIB, 8 * MIB) == []  # (a twentieth of what is resident)
    [line] = said(12 * MIB, 8 * MIB)
    assert line.startswith("in huge pages: 4 MiB: ") and "MADV_NOHUGEPAGE" in line
