"""Settings shared by all tests."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

settings.register_profile("oche", derandomize=True, max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("oche")
