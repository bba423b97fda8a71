"""A whole job: the handles file, the files it writes, the call that does it, and what it shows."""

from socialfetch_async.batch.asked import Order as Order, order as order
from socialfetch_async.batch.call import (
    estimate_followers,
    estimated as estimated,
    export_followers,
    price_batch as price_batch,
    run_batch as run_batch,
)
from socialfetch_async.batch.estimate import (
    BatchStopReason as BatchStopReason,
    Estimate,
    HandleEstimate,
    estimate_of as estimate_of,
)
from socialfetch_async.batch.files import BatchFiles as BatchFiles, files_of as files_of
from socialfetch_async.batch.handles_file import (
    HandlesFile as HandlesFile,
    read_handles as read_handles,
)
from socialfetch_async.batch.pacing import Pace as Pace
from socialfetch_async.batch.panel import Picture as Picture, Screen as Screen
from socialfetch_async.batch.progress import BatchEvent as BatchEvent, BatchProgress, BatchResult
from socialfetch_async.batch.refreshing import finish_refresh as finish_refresh
from socialfetch_async.batch.settlement import settle as settle
from socialfetch_async.batch.showing import (
    four_times_a_second as four_times_a_second,
    log_passed_to as log_passed_to,
    outage_in_words as outage_in_words,
    progress_on_stderr as progress_on_stderr,
)
from socialfetch_async.batch.words import status_in_words as status_in_words

__all__ = [
    "BatchProgress",
    "BatchResult",
    "Estimate",
    "HandleEstimate",
    "estimate_followers",
    "export_followers",
]
