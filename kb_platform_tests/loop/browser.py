"""A page of headless Chromium, as tests of this folder use it."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from kb_platform_tests.waiting import PATIENCE

WIDTH, HEIGHT = 1280, 900


async def with_page(steps: Callable[[Any], Awaitable[None]], width: int = WIDTH, height: int = HEIGHT) -> None:
    """Do the steps in a new page; skips, saying so, where no browser can be had."""
    browsers = pytest.importorskip("kb_review_worker_tests.gateway.browsers", reason="no Playwright: uv sync installs it")
    async with browsers.browsing() as browser:
        context = await browser.new_context(viewport={"width": width, "height": height})
        context.set_default_timeout(PATIENCE * 1000)
        await steps(await context.new_page())
        await context.close()


async def see_nothing(page: Any) -> None:
    """Find out whether there is a browser."""
    await page.goto("about:blank")


def top(height: int) -> dict[str, int]:
    """Return the upper part of a page, for a picture."""
    return {"x": 0, "y": 0, "width": WIDTH, "height": height}
