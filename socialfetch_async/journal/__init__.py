"""The page journal: checkpoint, ledger and result of a batch, in one append-only file.

Each page that was paid for is a line of JSON before anything else happens with it. What is left,
what it cost and every export follow from these lines alone.

    lines.py      what the lines are
    index.py      what they add up to: the readings of each list, page by page
    ledger.py     what was charged, and what may have been
    plan.py       what is left to do for each handle
    first_seen.py when followers were first seen
    scan.py       the files of a batch, and all their lines counted into the index
    reading.py    `read_journal`: one or several journals, offline
    file.py       the file as the operating system has it: lock, append, cut, sync
    course.py     how what is stored steers a run
    recording.py  what a process writes while it fetches
    journal.py    `Journal`: writing one
"""

from socialfetch_async.journal.file import AppendOnly as AppendOnly
from socialfetch_async.journal.index import Balance as Balance
from socialfetch_async.journal.journal import Journal
from socialfetch_async.journal.lines import (
    HEADER_BEGINS as HEADER_BEGINS,
    Answered as Answered,
    SavedPage,
    WrittenFile,
)
from socialfetch_async.journal.plan import (
    Refresh as Refresh,
    Rounds as Rounds,
    Step as Step,
    Wanted as Wanted,
    left as left,
    settled as settled,
)
from socialfetch_async.journal.reading import SavedHandle, SavedReading, SavedRun, read_journal
from socialfetch_async.journal.recording import new_name as new_name
from socialfetch_async.journal.scan import (
    FOLDER_JOURNAL as FOLDER_JOURNAL,
    shard_journals as shard_journals,
    shards_folder as shards_folder,
)
from socialfetch_async.journal.writer import Fsync as Fsync

__all__ = [
    "Journal",
    "SavedHandle",
    "SavedPage",
    "SavedReading",
    "SavedRun",
    "WrittenFile",
    "read_journal",
]
