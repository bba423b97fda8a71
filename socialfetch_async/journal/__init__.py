"""The page journal: checkpoint, ledger and result of a batch, in one append-only file.

Each page that was paid for is a line of JSON before anything else happens with it. What is left,
what it cost and every export follow from these lines alone.

    lines.py    what the lines are
    index.py    what they add up to: lists, positions, credits
    reading.py  `read_journal`: one or several journals, offline
    file.py     the file as the operating system has it: lock, append, cut, sync
    journal.py  `Journal`: writing one
"""
