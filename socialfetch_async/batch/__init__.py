"""A whole job: the handles file, the files it writes, the call that does it."""
