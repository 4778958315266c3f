"""What all tests share: a busy machine is no failure, so hypothesis sets no time for an example and none for making its
data; and whoever started the tests with signals ignored or blocked (nohup, a shell's background, a CI system), with
another limit on stacks (ulimit -s unlimited) or another layout of addresses (setarch -L, -R) has not done so to the
programs that they start: tests of limits and layouts set their own.
"""

from __future__ import annotations

import ctypes
import resource
import signal

from hypothesis import HealthCheck, settings

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

# A signal with a handler here has its default action in a child that executes another program; one that is ignored
# stays ignored there.
for number, action in ((signal.SIGINT, signal.default_int_handler), (signal.SIGQUIT, signal.SIG_DFL)):
    if signal.getsignal(number) == signal.SIG_IGN:
        signal.signal(number, action)
signal.pthread_sigmask(signal.SIG_SETMASK, [])

_, hardest = resource.getrlimit(resource.RLIMIT_STACK)
stack = 8 << 20
resource.setrlimit(
    resource.RLIMIT_STACK, (stack if hardest == resource.RLIM_INFINITY else min(stack, hardest), hardest)
)

# personality(2): ADDR_NO_RANDOMIZE, ADDR_COMPAT_LAYOUT
_LAYOUTS = 0x0040000 | 0x0200000
_personality = ctypes.CDLL(None).personality
_personality(ctypes.c_ulong(_personality(ctypes.c_ulong(0xFFFF_FFFF)) & ~_LAYOUTS))
