"""Process: malloc's functions, called by the threads of a modelled process."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from gdbheap.model import allocate, arenas, fastbins, free, memalign, mmapped, realloc, tcache, trim
from gdbheap.model.errors import NotModelled
from gdbheap.model.machine import IS_MMAPPED, Machine, Thread
from gdbheap.model.memory import PAGE
from gdbheap.model.placement import page_up

# mallopt's parameters (malloc.h)
M_MXFAST = 1
M_TRIM_THRESHOLD = -1
M_TOP_PAD = -2
M_MMAP_THRESHOLD = -3
M_MMAP_MAX = -4

# What pthread_create allocates for a thread's TLS: a vector of this many pairs of words
_DTV_ENTRIES = 16


class Process:
    """Every call returns what glibc's would (an address, 0 for NULL) or raises Abort, Segv or Endless: what the process dies of.

    Calls are made by the current thread; `switch` changes it. `machine.steps` says afterwards what decided the last call.
    """

    def __init__(self, machine: Machine, tunables: Mapping[str, int] | None = None) -> None:
        self.machine = machine
        self._tunables = dict(tunables or {})

    # allocation

    def malloc(self, size: int) -> int:
        """malloc (size)."""
        m = self._begin()
        return self._malloc(m, size)

    def calloc(self, count: int, size: int) -> int:
        """calloc (count, size)."""
        # the product is an object's size, to 2.41 one that a ptrdiff_t holds: what overflows is refused before anything is initialised
        m = self.machine
        if count * size > (m.sizes.limit if m.traits.refuses_early else m.mask):
            m.steps[:] = [("too large",)]
            return 0
        return self._calloc(self._begin(), count * size)

    def realloc(self, mem: int, size: int) -> int:
        """realloc (mem, size)."""
        m = self._begin()
        return self._realloc(m, mem, size)

    def free(self, mem: int) -> None:
        """free (mem)."""
        m = self._begin()
        self._free(m, mem)

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
        if alignment % m.word or not alignment or alignment & (alignment - 1):
            m.steps[:] = [("invalid alignment",)]
            return 0
        return self._memalign(self._begin(), alignment, size)

    def valloc(self, size: int) -> int:
        """valloc (size)."""
        m = self._begin()
        return self._memalign(m, PAGE, size)

    def pvalloc(self, size: int) -> int:
        """pvalloc (size)."""
        m = self._begin()
        return self._memalign(m, PAGE, page_up(size)) if page_up(size) <= m.mask else 0

    def malloc_usable_size(self, mem: int) -> int:
        """malloc_usable_size (mem)."""
        return realloc.usable(self.machine, mem) & self.machine.mask if mem else 0

    def malloc_trim(self, pad: int) -> int:
        """malloc_trim (pad)."""
        m = self._begin()
        return trim.everything(m, pad)

    def mallopt(self, parameter: int, value: int) -> int:
        """mallopt (parameter, value)."""
        m = self._begin()
        fastbins.consolidate(m, m.main_arena)
        names = {
            M_TRIM_THRESHOLD: "trim_threshold",
            M_TOP_PAD: "top_pad",
            M_MMAP_THRESHOLD: "mmap_threshold",
            M_MMAP_MAX: "n_mmaps_max",
        }
        if parameter == M_MXFAST:
            return self._set_max_fast(value)
        if parameter not in names:
            return 0 if parameter > 1 else 1
        if (
            parameter == M_MMAP_THRESHOLD
            and m.traits.mmap_threshold_bounded
            and value & m.mask > m.traits.heap_max // 2
        ):
            return 0
        m.set_parameter(names[parameter], value)
        m.set_parameter("no_dyn_threshold", 1)
        return 1

    # threads

    def create_thread(self) -> int:
        """Start a thread with a stack of its own making; return its index. Its TLS vector is a block of the creating thread's."""
        m = self._begin()
        m.single_threaded = False
        thread = Thread(descriptor=self._calloc(m, (_DTV_ENTRIES + 1) * m.header))
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
        m.threads[index] = Thread(ended=True)

    def sbrk(self, increment: int) -> int | None:
        """Move the break as a program may do itself."""
        return self.machine.kernel.sbrk(increment)

    def map_above_break(self, distance: int) -> int:
        """Map a page that nobody may touch `distance` bytes above the break, or elsewhere where that is taken; return where."""
        kernel = self.machine.kernel
        return kernel.mmap(PAGE, page_up(kernel.brk) + distance, accessible=False) or 0

    # inside

    def _begin(self) -> Machine:
        m = self.machine
        m.steps.clear()
        if not m.initialised:
            self.initialise()
        return m

    def initialise(self) -> None:
        """Do what the first call does before all else (ptmalloc_init)."""
        m = self.machine
        m.initialised = True
        m.thread.arena = m.main_arena
        arenas.initialise(m, m.main_arena)
        self._defaults(m)
        self._set_max_fast(64 * m.word // 4)
        self._apply_tunables(m)

    def _defaults(self, m: Machine) -> None:
        m.store(m.main_arena + m.NEXT, m.main_arena)
        m.store(m.main_arena + m.ATTACHED_THREADS, 1)
        for name in ("trim_threshold", "top_pad", "mmap_threshold"):
            m.set_parameter(name, 128 << 10)
        m.set_parameter("n_mmaps_max", 1 << 16)
        m.set_parameter("arena_test", 8 if m.word == 8 else 2)
        m.set_parameter("tcache_bins", tcache.SMALL_BINS)
        m.set_parameter("tcache_count", m.traits.tcache_count)
        largest = m.min_size + (tcache.SMALL_BINS - 1) * m.align
        m.set_parameter("tcache_max_bytes", largest + 1 if m.traits.tcache_max_past else largest - m.word)

    def _apply_tunables(self, m: Machine) -> None:
        for name, value in self._tunables.items():
            if name == "tcache_count" and value <= 0xFFFF:
                m.set_parameter("tcache_count", value)
            elif name == "tcache_max":
                self._set_tcache_max(m, value)
            elif name == "mxfast":
                self._set_max_fast(value)
            elif name == "tcache_unsorted_limit":
                m.set_parameter("tcache_unsorted_limit", value)
            elif name in ("mmap_threshold", "trim_threshold", "top_pad", "mmap_max"):
                m.set_parameter("n_mmaps_max" if name == "mmap_max" else name, value)
                m.set_parameter("no_dyn_threshold", 1)
            elif name in ("arena_max", "arena_test"):
                m.set_parameter(name, value)

    def _set_tcache_max(self, m: Machine, value: int) -> None:
        size = m.sizes.chunk_size(value)
        if size is None:
            return
        if m.traits.tcache_max_past:
            index = tcache.bin_of(m, size)
            if index < m.traits.tcache_bins:
                if index < tcache.SMALL_BINS:
                    m.set_parameter("tcache_bins", index + 1)
                m.set_parameter("tcache_max_bytes", size + 1)
        elif value <= m.min_size + (tcache.SMALL_BINS - 1) * m.align - m.word:
            m.set_parameter("tcache_max_bytes", value)
            m.set_parameter("tcache_bins", tcache.bin_of(m, size) + 1)

    def _set_max_fast(self, value: int) -> int:
        m = self.machine
        if not m.traits.has_fastbins:
            return 1
        if not 0 <= value <= 80 * m.word // 4:
            return 0
        m.global_max_fast = m.header if value <= m.align - 1 - m.word else (value + m.word) & -m.align
        return 1

    def _malloc(self, m: Machine, request: int) -> int:
        size = m.sizes.chunk_size(request)
        if size is None:
            return self._refuse(m, lambda: allocate.from_thread_arena(m, request))
        allocate.make_tcache_early(m)
        return tcache.take(m, size) or allocate.from_thread_arena(m, request)

    def _free(self, m: Machine, mem: int) -> None:
        if not mem:
            return
        if not m.load(mem - m.word) & IS_MMAPPED:
            allocate.make_tcache_early(m)
        if not free.free(m, mem):
            allocate.make_tcache(m)
            free.free(m, mem)

    def _calloc(self, m: Machine, request: int) -> int:
        size = m.sizes.chunk_size(request)
        if size is None:
            return self._refuse(m, lambda: allocate.from_thread_arena(m, request))
        allocate.make_tcache_early(m)
        if m.traits.calloc_uses_tcache:
            mem = tcache.take(m, size)
            if mem:
                by_request = m.traits.calloc_clears_request and tcache.bin_of(m, size) < tcache.SMALL_BINS
                found = size if by_request else m.size_of(mem - m.header)
                if found < m.min_size:
                    raise NotModelled(f"memset of {found - m.word} bytes")
                m.memory.clear(mem, found - m.word)
                return mem
        # what top already had before is not known to be zero
        arena = m.main_arena if m.single_threaded else arenas.get(m, request)
        top = m.load(arena + m.TOP)
        dirty = self._dirty_top(m, arena, top)
        mem = allocate.int_malloc(m, arena, request)
        if not mem and not m.single_threaded:
            arena = arenas.get_retry(m, arena, request)
            mem = allocate.int_malloc(m, arena, request)
            top = 0
        if not mem:
            return 0
        allocate.check_arena(m, arena, mem, "mem", "av")
        chunk = mem - m.header
        if not m.load(chunk + m.SIZE) & IS_MMAPPED:
            found = m.size_of(chunk)
            if chunk == top and found > dirty:
                found = dirty
            m.memory.clear(mem, found - m.word)
        return mem

    @staticmethod
    def _refuse(m: Machine, ask: Callable[[], int]) -> int:
        """Refuse what is too large: at once, or after `ask` has asked each arena for it."""
        m.step("too large")
        return 0 if m.traits.refuses_early else ask()

    @staticmethod
    def _dirty_top(m: Machine, arena: int, top: int) -> int:
        """Return how many bytes of top may have been used before (they were part of the heap at some time)."""
        size = m.size_of(top)
        if arena == m.main_arena:
            return max(size, (m.parameter("sbrk_base") + m.load(arena + m.MAX_SYSTEM_MEM) - top) & m.mask)
        heap = m.heap_of(top)
        return max(size, heap + arenas.readable_size(m, heap) - top)

    def _realloc(self, m: Machine, mem: int, request: int) -> int:
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

    def _copy_mmapped(self, m: Machine, chunk: int, request: int) -> int:
        mem = self._malloc(m, request)
        if mem:
            m.memory.copy(chunk + m.header, mem, m.size_of(chunk) - m.header)
            mmapped.free(m, chunk)
        return mem

    def _memalign(self, m: Machine, alignment: int, request: int) -> int:
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
                return self._refuse(m, lambda: memalign.from_thread_arena(m, alignment, request))
            mem = tcache.take(m, size, alignment)
            if mem:
                return mem
        return memalign.from_thread_arena(m, alignment, request)
