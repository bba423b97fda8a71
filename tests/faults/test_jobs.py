"""Random jobs against an oracle; `python -m tests.faults.jobs` plays longer games."""

import pytest

from tests.faults.jobs import play


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_random_jobs(seed: int) -> None:
    """Nothing is bought twice, no file gets worse, and no list is silently short."""
    assert len(await play(seed, 25)) == 25
