"""Fixtures that several rooms use."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the flag that accepts drawings as they are now."""
    parser.addoption(
        "--update-golden", action="store_true", help="write the files in tests/graph/golden anew"
    )


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be written instead of compared with."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture
def browser_page() -> Iterator[Any]:
    """A page of an installed Chromium, cut off from the network.

    At the end of the test nothing may have been written to the console as a warning or an error,
    no script may have failed, and nothing but files of this machine may have been asked for.
    """
    from playwright import sync_api as playwright

    names = ("chromium", "chromium-browser", "google-chrome")
    executable = next(filter(None, map(shutil.which, names)), None)
    if executable is None:
        pytest.fail(f"no browser: none of {', '.join(names)} is on the PATH")
    problems: list[str] = []

    def check_request(request: Any) -> None:
        if not request.url.startswith(("file:", "data:", "about:")):
            problems.append(f"requested {request.url[:200]}")

    def check_console(message: Any) -> None:
        if message.type in {"error", "warning"}:
            problems.append(f"console {message.type}: {message.text}")

    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu"]
        )
        context = browser.new_context(offline=True)
        page = context.new_page()
        page.on("request", check_request)
        page.on("console", check_console)
        page.on("pageerror", lambda error: problems.append(f"script failed: {error}"))
        yield page
        browser.close()
    assert not problems
