"""Tests that must fail: the emulator shows what a service does wrong."""

import asyncio

import pytest
from audience import audience_of

from socialfetch_async.emulator import Emulator


def test_a_wrong_number(socialfetch_emulator: Emulator) -> None:
    """45 followers are three credits, not two."""
    socialfetch_emulator.profile("ada", 45)
    asyncio.run(audience_of("ada"))
    assert len(socialfetch_emulator.charges) == 2


@pytest.mark.asyncio
async def test_a_fault_that_nobody_handles(socialfetch_emulator: Emulator) -> None:
    """A page that the vendor refuses reaches the test as an error."""
    socialfetch_emulator.profile("ada", 45)
    socialfetch_emulator.credits = 2
    await audience_of("ada")


def test_a_fault_that_does_not_exist(socialfetch_emulator: Emulator) -> None:
    """The message is the emulator's, in the test's own thread."""
    socialfetch_emulator.fault("418", 0.5)
