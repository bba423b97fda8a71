"""A batch that is killed; `python -m tests.faults.kills` kills a larger one more often.

`python -m tests.faults.job_kills` does so with the real command, and each kind of job.
"""

import pytest

from tests.faults.job_kills import KINDS, killed as killed_job
from tests.faults.kills import killed


async def test_a_batch_that_is_killed_again_and_again() -> None:
    """The same command each time: all rows as undisturbed, and no more bought than on its way."""
    figures = await killed(kills=5, pages=300, seed=7)
    print(figures)  # noqa: T201 - the exact numbers
    assert figures.kills >= 3  # the last ones may find a batch that has ended
    assert figures.broken == []
    assert figures.bought_twice <= figures.kills * figures.concurrency
    assert figures.charged == figures.pages + figures.bought_twice


@pytest.mark.parametrize("kind", KINDS)
async def test_a_job_of_each_kind_that_is_killed(kind: str) -> None:
    """The same command each time: no file gets shorter, and the last one has every row."""
    figures = await killed_job(kind, kills=2 if len(KINDS[kind].commands) == 1 else 1, pages=25)
    print(figures)  # noqa: T201 - the exact numbers
    assert figures.broken == []
