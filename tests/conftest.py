"""What all tests share: a busy machine is no failure, so hypothesis sets no time for an example and none for making its
data; and whoever started the tests with signals ignored or blocked (nohup, a shell's background, a CI system) has
not done so to the programs that they start.
"""

from __future__ import annotations

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
