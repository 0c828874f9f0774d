"""Search any program with choices in it, with any algorithm, and know whether it beat random."""

__version__ = "0.1.0"
