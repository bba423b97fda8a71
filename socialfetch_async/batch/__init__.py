"""A whole job: the handles file, the files it writes, the call that does it."""

from socialfetch_async.batch.call import export_followers
from socialfetch_async.batch.files import BatchFiles as BatchFiles, files_of as files_of
from socialfetch_async.batch.handles_file import (
    HandlesFile as HandlesFile,
    read_handles as read_handles,
)
from socialfetch_async.batch.progress import BatchEvent as BatchEvent, BatchProgress, BatchResult

__all__ = ["BatchProgress", "BatchResult", "export_followers"]
