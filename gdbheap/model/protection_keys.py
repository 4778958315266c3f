"""The pure model of x86's memory protection keys, as Linux hands them out: each mapping has one of 16, and each thread
its rights for each.

mirrors arch/x86/mm/pkeys.c and mm/mprotect.c. Where there are none (`available`) every mapping has key 0, which
denies nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gdbheap.model.mapping import EXECUTE, READ, WRITE

KEYS = 16
DISABLE_ACCESS, DISABLE_WRITE = 1, 2


@dataclass
class ProtectionKeys:
    """`denied` are a thread's rights by key (the register PKRU): DISABLE_ACCESS, DISABLE_WRITE. A thread begins with
    key 0 alone, and so does a signal handler. `execute_only` is the key that the kernel took for PROT_EXEC alone
    (None: not yet). `refusal` is the errno of calls where keys are not available: EINVAL of a processor without
    them, ENOSYS of a kernel that was built without them."""

    available: bool = False
    refusal: str = "EINVAL"
    refused: bool = False
    allocated: set[int] = field(default_factory=lambda: {0})
    execute_only: int | None = None
    denied: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(1, KEYS), DISABLE_ACCESS))

    def allocate(self, rights: int) -> int | str:
        """pkey_alloc (0, rights): return the key, or the errno."""
        if not self.available:
            # The kernel takes key 0, cannot set its rights, and cannot give it back: the second call finds none left
            # (seen on 6.18).
            again, self.refused = self.refused, True
            return "ENOSPC" if again and self.refusal == "EINVAL" else self.refusal
        free = [key for key in range(1, KEYS) if key not in self.allocated]
        if not free:
            return "ENOSPC"
        self.allocated.add(free[0])
        self.denied[free[0]] = rights
        return free[0]

    def free(self, key: int) -> int | str:
        """pkey_free (key). The rights stay, and so do the mappings of the key."""
        refused = self.refuses(key)
        if refused:
            return refused
        self.allocated.remove(key)
        return 0

    def refuses(self, key: int) -> str:
        """Return the errno of a call with a key that the program has not allocated (mm_pkey_is_allocated), and ""
        for one that it has."""
        if not self.available:
            return self.refusal
        return "" if key in self.allocated and key != self.execute_only else "EINVAL"

    def enter_signal_handler(self) -> None:
        """Give the thread the rights that a signal handler begins with (init_pkru)."""
        self.denied = dict.fromkeys(range(1, KEYS), DISABLE_ACCESS)

    def key_for(self, access: int, old: int = 0, old_access: int = 0) -> int:
        """Return the key that a mapping gets by mmap or mprotect; `old` and `old_access` are what it had
        (__arch_override_mprotect_pkey)."""
        if access == EXECUTE:
            return self._execute_only_key() or old
        if old_access == EXECUTE and old == self.execute_only:
            return 0
        return old

    def denies(self, key: int, access: int) -> bool:
        """Whether the thread's rights forbid a read or a write there; a key never forbids to execute."""
        rights = self.denied.get(key, 0)
        return bool(
            (access in (READ, WRITE) and rights & DISABLE_ACCESS) or (access == WRITE and rights & DISABLE_WRITE)
        )

    def _execute_only_key(self) -> int:
        """Return the key of execute-only memory, taken at its first use; 0 where there is none (execute_only_pkey)."""
        if not self.available:
            return 0
        if self.execute_only is None:
            key = self.allocate(DISABLE_ACCESS)
            if isinstance(key, str):
                return 0
            self.execute_only = key
        self.denied[self.execute_only] = self.denied.get(self.execute_only, 0) | DISABLE_ACCESS
        return self.execute_only
