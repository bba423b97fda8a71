"""A suite that never asks for the fixture."""

import sys

HEAVY = ("aiohttp", "msgspec", "backoff", "socialfetch_async.emulator", "socialfetch_async.client")


def test_nothing_is_loaded() -> None:
    """The plugin is there, and nothing else of the library."""
    assert "socialfetch_async.pytest_plugin" in sys.modules
    assert [name for name in HEAVY if name in sys.modules] == []
