"""Data and a browser for the tests of the judge; what is absent is skipped with the reason, or fails under OCHE_TEST_STRICT=1."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.conftest import lacking
from tests.judge.made_records import table_columns


@pytest.fixture(scope="session")
def performance(oche_data: Path) -> Path:
    return oche_data / "nas_benchmark" / "performance.csv"


@pytest.fixture(scope="session")
def table(oche_data: Path) -> dict[str, np.ndarray]:
    return table_columns(oche_data / "nasbench201.csv.gz")


@pytest.fixture(scope="session")
def darts214(oche_data: Path) -> np.ndarray:
    """Accuracy of 214 random DARTS cells, `(214, 600)`, percent."""
    return np.load(oche_data / "nas_benchmark" / "curves.npz")["darts214"] / 100.0


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A headless Chromium with its own driver; nothing is downloaded."""
    webdriver = pytest.importorskip("selenium.webdriver")
    binary = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        lacking("no Chromium or no chromedriver on this machine")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"):
        options.add_argument(argument)
    session = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    yield session
    session.quit()
