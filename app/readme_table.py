"""The table of subjects in README.md, written from the rows: `python -m cidbus.readme_table [--check]`."""

from __future__ import annotations

import sys
from pathlib import Path

from cidbus.schemas.rows import Call
from cidbus.schemas.subjects import ACTORS, ROWS

__all__ = ["rows_table", "with_table"]

BEGIN, END = "<!-- subjects: written by `just generate` -->", "<!-- end of subjects -->"
README = Path("README.md")


def rows_table() -> str:
    """Every row as Markdown, actor by actor."""
    lines = ["| subject | kind | HTTP, below `/api/v0/mcp` | what it does |", "|---|---|---|---|"]
    for actor in ACTORS:
        for row in ROWS:
            if row.actor == actor:
                http = f"`{row.http[0]}`" if isinstance(row, Call) and row.http else ""
                lines.append(f"| `{row.subject}` | {row.kind} | {http} | {row.summary} |")  # type: ignore[attr-defined]
    return "\n".join(lines)


def with_table(text: str) -> str:
    """The README's text with the table between its two marks brought up to date."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n\n{rows_table()}\n\n{END}{after}"


if __name__ == "__main__":
    now = README.read_text()
    if "--check" in sys.argv and now != with_table(now):
        sys.exit("README.md: the table of subjects is out of date; run `just generate`")
    README.write_text(with_table(now))
