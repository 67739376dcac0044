"""The command line: `cidbus …`, the same as `python -m cidbus …`."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit code, which `cidbus --help` explains."""
    from .commands import app

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a name need not fit the terminal's encoding
    try:
        app(args=arguments, prog_name="cidbus")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return 0
