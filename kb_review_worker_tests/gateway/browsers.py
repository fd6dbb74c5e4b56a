"""Headless Chromium, driven by Playwright: the browser of the system, or the one that Playwright has installed."""

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from playwright.async_api import Browser, Error, Page, async_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@asynccontextmanager
async def browsing() -> AsyncIterator[Browser]:
    """Yield a browser; skips, saying so, where there is none."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    async with async_playwright() as playwright:
        try:
            browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        except Error as error:
            pytest.skip(f"no Chromium can be started: {str(error).splitlines()[0]}")
        try:
            yield browser
        finally:
            await browser.close()


async def sign_in(page: Page, url: str, name: str, passphrase: str) -> None:
    """Sign in with a local identity, and see the list."""
    await page.goto(url)
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("Passphrase").fill(passphrase)
    await page.get_by_role("button", name="Sign in").click()
    await page.get_by_role("heading", name="Cases").wait_for()
