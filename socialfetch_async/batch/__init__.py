"""A whole job: the handles file, the files it writes, the call that does it."""

from socialfetch_async.batch.asked import Order as Order
from socialfetch_async.batch.asked import order as order
from socialfetch_async.batch.call import estimate_followers, export_followers
from socialfetch_async.batch.call import estimated as estimated
from socialfetch_async.batch.call import run_batch as run_batch
from socialfetch_async.batch.estimate import Estimate, HandleEstimate
from socialfetch_async.batch.files import BatchFiles as BatchFiles
from socialfetch_async.batch.files import files_of as files_of
from socialfetch_async.batch.handles_file import HandlesFile as HandlesFile
from socialfetch_async.batch.handles_file import read_handles as read_handles
from socialfetch_async.batch.progress import BatchEvent as BatchEvent
from socialfetch_async.batch.progress import BatchProgress, BatchResult

__all__ = [
    "BatchProgress",
    "BatchResult",
    "Estimate",
    "HandleEstimate",
    "estimate_followers",
    "export_followers",
]
