"""`python -m oche` is the command `oche`."""

from __future__ import annotations

from oche.cli import main

if __name__ == "__main__":
    main()
