"""The version, said once: packaging reads it from here."""

__version__: str = "0.1.0"
