"""When a refresh is finished, so that the same call begins the next one."""

from collections.abc import Callable, Iterable, Mapping

from socialfetch_async.journal import Journal, Step, Wanted, settled


def finish_refresh(
    journal: Journal,
    wanted: Wanted,
    plans: Callable[[], Iterable[Mapping[str, Step]]],
    *,
    exported: bool = True,
) -> None:
    """Say that a refresh is finished, if the same call would ask for nothing more.

    Args:
        journal: The journal that it was begun in.
        wanted: What was wanted.
        plans: Returns what is left to do, as one plan or several.
        exported: Whether all exports are written. A kill while they are must not have the same
            call begin the next refresh.
    """
    if wanted.refresh is None or not exported:
        return
    left = list(plans())
    if all(map(settled, left)):
        journal.finish(wanted.work, [handle for plan in left for handle in plan])
