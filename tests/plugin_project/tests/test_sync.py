"""Plain tests: each makes its own loop."""

import asyncio
import os

import pytest
from audience import audience_of

from socialfetch_async import InsufficientCreditsError, RetryPolicy
from socialfetch_async.emulator import Emulator, Profile

QUICK = RetryPolicy(base=0.001, cap=0.002)


def test_an_audience_is_counted(socialfetch_emulator: Emulator) -> None:
    """Every follower once, a credit for each twenty."""
    socialfetch_emulator.profile("ada", 230)
    audience = asyncio.run(audience_of("ada"))
    assert audience is not None
    verified = [row for row in socialfetch_emulator.followers("ada") if row["verified"]]
    assert (audience.followers, audience.verified) == (230, len(verified))
    assert audience.credits == len(socialfetch_emulator.charges) == 12
    assert audience.complete


@pytest.mark.parametrize("profile", ["private", "hidden", "not_found", Profile(5), 5], ids=str)
def test_some_have_none(socialfetch_emulator: Emulator, profile: Profile | int | str) -> None:
    """Only a list that can be had is counted; each answer costs one credit."""
    socialfetch_emulator.profile("bo", profile)
    assert (asyncio.run(audience_of("bo")) is None) == isinstance(profile, str)
    assert [charge.handle for charge in socialfetch_emulator.charges] == ["bo"]


def test_nobody_exists_who_was_not_given(socialfetch_emulator: Emulator) -> None:
    """The ledger begins empty and the profiles of the test before are gone."""
    assert socialfetch_emulator.charges == []
    assert asyncio.run(audience_of("ada")) is None


def test_faults_cost_nothing_twice(socialfetch_emulator: Emulator) -> None:
    """By rate and by script; the log has every attempt and the ledger every credit."""
    socialfetch_emulator.profile("ada", 230)
    socialfetch_emulator.fault("503", 0.3)
    socialfetch_emulator.script("ada", "500", "drop")
    audience = asyncio.run(audience_of("ada", retry=QUICK))
    assert audience is not None
    assert audience.followers == 230
    statuses = [request.status for request in socialfetch_emulator.requests]
    assert statuses[:2] == [500, 0]
    assert {200, 503} <= set(statuses)
    assert len(socialfetch_emulator.charges) == statuses.count(200) == 12


def test_credits_run_out(socialfetch_emulator: Emulator) -> None:
    """Two are there, the third page cannot be paid; bought credits help."""
    socialfetch_emulator.profile("ada", 50)
    socialfetch_emulator.credits = 2
    with pytest.raises(InsufficientCreditsError):
        asyncio.run(audience_of("ada"))
    assert socialfetch_emulator.credits == 0
    socialfetch_emulator.credits = 10
    assert asyncio.run(audience_of("ada")) is not None
    assert socialfetch_emulator.credits == 7


def test_an_own_limit_is_kept(socialfetch_emulator: Emulator) -> None:
    """The service says that the list is not complete."""
    socialfetch_emulator.profile("ada", 230)
    audience = asyncio.run(audience_of("ada", max_credits=3))
    assert audience is not None
    assert (audience.followers, audience.complete) == (60, False)
    assert len(socialfetch_emulator.charges) == 3


def test_a_test_without_it_has_no_address() -> None:
    """The environment is as it was before."""
    assert not [name for name in os.environ if name.startswith("SOCIALFETCH_")]
