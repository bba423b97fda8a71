"""When a refresh is finished, so that the same call begins the next one."""

from collections.abc import Callable, Mapping

from socialfetch_async.journal import Journal, Step, Wanted, settled


def finish_refresh(
    journal: Journal,
    wanted: Wanted,
    plan: Callable[[], Mapping[str, Step]],
    *,
    exported: bool = True,
) -> None:
    """Say that a refresh is finished, if the same call would ask for nothing more.

    Args:
        journal: The journal that it was begun in.
        wanted: What was wanted.
        plan: Returns what is left to do.
        exported: Whether all exports are written. A kill while they are must not have the same
            call begin the next refresh.
    """
    if wanted.refresh is not None and exported and settled(steps := plan()):
        journal.finish(wanted.work, steps)
