"""What can go wrong with an export besides what the journal itself reports."""


class ExportError(RuntimeError):
    """An export or a comparison could not be made; the message says why and what to do.

    Nothing was written: an older export of that name is as it was.
    """
