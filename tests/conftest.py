"""What all tests share: a busy machine is no failure, so hypothesis sets no time for an example and none for making its data."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")
