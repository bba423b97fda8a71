"""The fixture `socialfetch_emulator`, for tests of programs that use this library.

pytest imports this module in every environment that has the package, also for suites that never
ask for the fixture. Everything of weight is therefore imported inside it.
"""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from socialfetch_async.emulator import Emulator


@pytest.fixture
def socialfetch_emulator(monkeypatch: pytest.MonkeyPatch) -> "Iterator[Emulator]":
    """The API on this machine, in a thread of its own: no credits are spent, nothing leaves.

    `SocialFetchClient()` without arguments talks to it. Only the profiles that the test gives
    exist: `socialfetch_emulator.profile("ada", 230)`.
    """
    import asyncio  # noqa: PLC0415
    from threading import Thread  # noqa: PLC0415

    from socialfetch_async.emulator import Emulator  # noqa: PLC0415

    # A loop of its own: the test may have any loop, several, or none.
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever, name="socialfetch_emulator", daemon=True)
    thread.start()
    emulator = Emulator({})
    try:
        asyncio.run_coroutine_threadsafe(emulator.__aenter__(), loop).result()
        monkeypatch.setenv("SOCIALFETCH_BASE_URL", emulator.base_url)
        monkeypatch.setenv("SOCIALFETCH_API_KEY", emulator.api_key)
        yield emulator
        asyncio.run_coroutine_threadsafe(emulator.__aexit__(None, None, None), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
