"""What the kernel does with an access."""

from __future__ import annotations

from gdbheap.analysis.mappings.accesses import AccessRule, Effect
from gdbheap.model.touch import Step
from gdbheap.sentences.facts.phrases import Phrases

_STEPS = {
    Step.NOTHING_ABOVE: "nothing is mapped at or above the address",
    Step.NOTHING_THERE: "nothing is mapped there",
    Step.BELOW_LOWEST: "below the lowest address that can be mapped",
    Step.TOO_NEAR: "the stack would come too near to the mapping below",
    Step.INTO_MAPPING: "the stack would run into the mapping below",
    Step.BEYOND_LIMIT: "the stack would exceed its limit",
    Step.KEY_DENIES: "the protection key does not allow it",
    Step.MAPPING_DENIES: "the mapping does not allow it",
    Step.ZERO_PAGE: "the shared zero page is mapped",
    Step.PAGE_THERE: "the page is there",
    Step.FRESH_PAGE: "a fresh page",
    Step.FRESH_FOR_ZERO: "a fresh page in place of the zero page",
    Step.FILE_ENDS: "the file ends before the page",
    Step.PRIVATE_COPY: "a private copy of the file's page",
    Step.FILE_PAGE: "the file's page",
}
_RULES = {
    AccessRule.MAPPINGS_UNKNOWN: "the mappings are not known",
    AccessRule.GUARD_PAGE: "a guard page (MADV_GUARD_INSTALL) refuses every access",
    AccessRule.DEVICE: "the kernel or the device behind it decides",
    AccessRule.PERMISSION_UNKNOWN: "whether the mapping allows it is not known",
    AccessRule.SWAPPED: "the page is read back from swap",
    AccessRule.FILE_OR_COPY: "a write to the file's page, or to a private copy: a core does not show which",
    AccessRule.KEY_KEEPS_EXECUTE_ONLY: "execute-only memory: protection key {key} forbids it",
    AccessRule.EXECUTE_ONLY: (
        "execute-only memory: whether it can be read depends on the processor (x86's protection keys, aarch64's EPAN)"
    ),
    AccessRule.KEY_DECIDES: (
        "the mapping has protection key {key}: the thread's rights decide (`print/x $pkru`, two bits a key)"
    ),
    AccessRule.TOO_WIDE: "a {bits}-bit process cannot name it",
    AccessRule.NO_ADDRESS: "nothing can be mapped there",
    AccessRule.NOT_CANONICAL: "a general protection fault: the signal carries no address (si_addr is 0)",
    AccessRule.VSYSCALL_ENTRY: "the kernel emulates the old system call at this entry",
    AccessRule.VSYSCALL_ELSEWHERE: "the vsyscall page may only be called at its three entries",
    AccessRule.KERNELS_PAGE: "the kernel's page",
    AccessRule.KERNELS_HALF: "the kernel's half of the address space is closed to programs",
}


def _effect(fact: Effect) -> str:
    words = ""
    if fact.rule is not None:
        words = _RULES[fact.rule].format(key=fact.key, bits=fact.bits)
    elif fact.step is not None:
        words = _STEPS[fact.step]
    grows = "the stack grows: " if fact.stack_grows else ""
    absent = "if the page is not there yet: " if fact.if_absent else ""
    return f"{absent}{grows}{words}"


PHRASES: Phrases = {Effect: _effect}
