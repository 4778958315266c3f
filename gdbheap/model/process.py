"""Process: malloc's functions, called by the threads of a modelled process."""

from __future__ import annotations

from collections.abc import Mapping

from gdbheap.model import allocate, arenas, calloc, free, memalign, mmapped, realloc, settings, tcache, trim
from gdbheap.model.machine import IS_MMAPPED, ModelMalloc, ModelThread

# What pthread_create allocates for a thread's TLS: a vector of this many pairs of words
_DTV_ENTRIES = 16


class ModelProcess:
    """Every call returns what glibc's would (an address, 0 for NULL) or raises Abort, Segv or Endless: what the process
    dies of.

    Calls are made by the current thread; `switch` changes it. `machine.steps` says afterwards what decided the last
    call.
    """

    def __init__(self, machine: ModelMalloc, tunables: Mapping[str, int] | None = None) -> None:
        self.machine = machine
        self._tunables = dict(tunables or {})

    # allocation

    def malloc(self, size: int) -> int:
        """malloc (size)."""
        m = self._begin()
        return self._malloc(m, size)

    def calloc(self, count: int, size: int) -> int:
        """calloc (count, size)."""
        # the product is an object's size, from 2.30 to 2.41 one that a ptrdiff_t holds: what overflows is refused
        # before anything is initialised
        m = self.machine
        if count * size > (m.sizes.limit if m.traits.refuses_early and m.traits.requests_bounded else m.mask):
            m.steps[:] = [("too large",)]
            return 0
        return calloc.calloc(self._begin(), count * size)

    def realloc(self, mem: int, size: int) -> int:
        """realloc (mem, size)."""
        m = self._begin()
        return self._realloc(m, mem, size)

    def free(self, mem: int) -> None:
        """free (mem). Of NULL it initialises nothing."""
        self.machine.steps.clear()
        if mem:
            self._free(self._begin(), mem)

    def memalign(self, alignment: int, size: int) -> int:
        """memalign (alignment, size)."""
        m = self._begin()
        return self._memalign(m, alignment, size)

    def aligned_alloc(self, alignment: int, size: int) -> int:
        """aligned_alloc (alignment, size)."""
        m = self._begin()
        if m.traits.aligned_alloc_strict and (not alignment or alignment & (alignment - 1)):
            m.step("invalid alignment")
            return 0
        return self._memalign(m, alignment, size)

    def posix_memalign(self, alignment: int, size: int) -> int:
        """posix_memalign: the address stored, 0 where it returns an error instead."""
        m = self.machine
        if not m.traits.has_hooks:
            self._begin()
        if alignment % m.pointer_size or not alignment or alignment & (alignment - 1):
            m.steps[:] = [("invalid alignment",)]
            return 0
        return self._memalign(self._begin(), alignment, size)

    def valloc(self, size: int) -> int:
        """valloc (size)."""
        m = self._begin()
        return self._memalign(m, m.page_size, size)

    def pvalloc(self, size: int) -> int:
        """pvalloc (size)."""
        m = self._begin()
        return self._memalign(m, m.page_size, m.page_up(size)) if m.page_up(size) <= m.mask else 0

    def malloc_usable_size(self, mem: int) -> int:
        """malloc_usable_size (mem)."""
        return realloc.usable(self.machine, mem) & self.machine.mask if mem else 0

    def malloc_trim(self, pad: int) -> int:
        """malloc_trim (pad)."""
        m = self._begin()
        return trim.everything(m, pad)

    def mallopt(self, parameter: int, value: int) -> int:
        """mallopt (parameter, value)."""
        return settings.mallopt(self._begin(), parameter, value)

    # threads

    def create_thread(self) -> int:
        """Start a thread with a stack of its own making; return its index. Its TLS vector is a block of the creating
        thread's."""
        m = self._begin()
        m.single_threaded = False
        thread = ModelThread(descriptor=calloc.calloc(m, (_DTV_ENTRIES + 1) * m.header))
        for index, each in enumerate(m.threads):
            if each.ended:
                m.threads[index] = thread
                return index
        m.threads.append(thread)
        return len(m.threads) - 1

    def switch(self, index: int) -> None:
        """Let thread `index` make the next calls."""
        self.machine.thread = self.machine.threads[index]

    def exit_thread(self, index: int) -> None:
        """Thread `index` returns: its tcache is emptied, its arena can be had by others."""
        m = self._begin()
        caller, m.thread = m.thread, m.threads[index]
        for mem in tcache.shut_down(m, m.thread):
            self._free(m, mem)
        arena, m.thread.arena = m.thread.arena, 0
        arenas.leave(m, arena)
        m.thread = caller

    def join_thread(self, index: int) -> None:
        """Free what create_thread allocated; the index can be had by another thread."""
        m = self._begin()
        self._free(m, m.threads[index].descriptor)
        m.threads[index] = ModelThread(ended=True)

    def sbrk(self, increment: int) -> int | None:
        """Move the break as a program may do itself."""
        return self.machine.kernel.sbrk(increment)

    def map_above_break(self, distance: int) -> int:
        """Map a page that nobody may touch `distance` bytes above the break, or elsewhere where that is taken;
        return where."""
        kernel = self.machine.kernel
        return kernel.mmap(kernel.page_size, kernel.page_up(kernel.brk) + distance, accessible=False) or 0

    # inside

    def _begin(self) -> ModelMalloc:
        m = self.machine
        m.steps.clear()
        if not m.initialised:
            self.initialise()
        return m

    def initialise(self) -> None:
        """Do what the first call does before all else (ptmalloc_init)."""
        self.machine.initialised = True
        settings.initialise(self.machine, self._tunables)

    def _malloc(self, m: ModelMalloc, request: int) -> int:
        size = m.sizes.chunk_size(request)
        if size is None:
            return allocate.refuse(m, lambda: allocate.from_thread_arena(m, request))
        allocate.make_tcache_early(m)
        allocate.make_tcache_for(m, size)
        return tcache.take(m, size) or allocate.from_thread_arena(m, request)

    def _free(self, m: ModelMalloc, mem: int) -> None:
        if not mem:
            return
        if not m.load(mem - m.pointer_size) & IS_MMAPPED:
            allocate.make_tcache_early(m)
        if not free.free(m, mem):
            allocate.make_tcache(m)
            free.free(m, mem)

    def _realloc(self, m: ModelMalloc, mem: int, request: int) -> int:
        if not mem:
            return self._malloc(m, request)
        if not request:
            self._free(m, mem)
            return 0
        if realloc.stays(m, mem, request):
            m.step("as it is", mem)
            return mem
        chunk = (mem - m.header) & m.mask
        mapped = m.load(chunk + m.SIZE) & IS_MMAPPED
        if not mapped:
            allocate.make_tcache_early(m)
        realloc.check_pointer(m, chunk)
        size = m.sizes.chunk_size(request)
        if size is None:
            m.step("too large")
            return 0
        if not mapped:
            return realloc.resize(m, chunk, size, request)
        resized = realloc.resize_mmapped(m, chunk, size)
        if resized:
            return resized
        return self._copy_mmapped(m, chunk, request)

    def _copy_mmapped(self, m: ModelMalloc, chunk: int, request: int) -> int:
        mem = self._malloc(m, request)
        if mem:
            m.memory.copy(chunk + m.header, mem, m.size_of(chunk) - m.header)
            mmapped.free(m, chunk)
        return mem

    def _memalign(self, m: ModelMalloc, alignment: int, request: int) -> int:
        if alignment <= m.align:
            return self._malloc(m, request)
        alignment = max(alignment, m.min_size)
        if alignment > m.sizes.limit + 1:
            m.step("invalid alignment")
            return 0
        alignment = 1 << (alignment - 1).bit_length()
        size = m.sizes.chunk_size(request)
        if m.traits.memalign_uses_tcache:
            if size is None:
                return allocate.refuse(m, lambda: memalign.from_thread_arena(m, alignment, request))
            allocate.make_tcache_for(m, size)
            mem = tcache.take(m, size, alignment)
            if mem:
                return mem
        return memalign.from_thread_arena(m, alignment, request)
