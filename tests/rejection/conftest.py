"""Fixtures that the tests of synthesis share with those of the judge and the store."""

from __future__ import annotations

from tests.judge.conftest import browser  # noqa: F401
from tests.store.conftest import postgres, postgres_url  # noqa: F401
