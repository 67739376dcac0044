"""One-way sync between a local directory and the tree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..options import DATA_DIR, Folder, Json, Seed, Url
from ..output import print_json, say, size
from ..sending import bar_on_stderr
from ..talking import ANSWERED, System, complain
from .options import SCHEME, is_tree_url, tree_path

if TYPE_CHECKING:
    from cidbus.client import Client
    from cidbus.sync import Report

__all__ = ["sync"]


def sync(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="A local directory, or one of the tree as cidbus:/PATH.")
    ],
    destination: Annotated[
        str, typer.Argument(metavar="DESTINATION", help="The other one, which becomes as the source is.")
    ],
    delete: Annotated[bool, typer.Option("--delete", help="Remove what only the destination has.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only say what would be done.")] = False,
    checksum: Annotated[
        bool, typer.Option("--checksum", "-c", help="Read every file, believing no sizes and times.")
    ] = False,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Leave alone on both sides: *.pyc any such name, /build a path from the top, cache/ a"
            " directory; may be repeated.",
        ),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Print every change.")] = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Make a directory of the tree as a local one is, or a local one as one of the tree; only what changed
    travels.

    What is placed in the tree is seen all at once, when all of it is there; more than 10,000 changes are so
    10,000 at a time. A sync that was interrupted is run again and does the rest.
    """
    upward = is_tree_url(destination)
    if upward == is_tree_url(source):
        raise typer.BadParameter(f"one of both is of the tree, as {SCHEME}/PATH", param_hint="DESTINATION")
    top, path = Path(source if upward else destination), tree_path(destination if upward else source)
    if upward and not top.is_dir():
        raise typer.BadParameter(f"{source} is no directory", param_hint="SOURCE")
    memory = data_dir.expanduser() / "sync"

    async def work(client: Client) -> int:
        from cidbus.sync import Options, sync_down, sync_up

        options = Options(delete=delete, dry_run=dry_run, checksum=checksum, exclude=tuple(exclude or ()))
        with bar_on_stderr("{task.description}", silent=as_json) as bar:
            watch = _Told((verbose or dry_run) and not as_json, bar)
            if upward:
                report = await sync_up(client, top, path, memory=memory, options=options, watch=watch)
            else:
                report = await sync_down(client, path, top, memory=memory, options=options, watch=watch)
        print_json(vars(report)) if as_json else say(_summary(report, dry_run, upward))
        for left in report.unsettled:
            complain(f"{left} changed while it was read, and is left for the next run")
        return ANSWERED if report.unsettled else 0

    System(url, seed, data_dir).talk(work)


def _summary(report: Report, dry_run: bool, upward: bool) -> str:
    counts = {
        "file": report.files,
        "directory": report.directories,
        "link": report.symlinks,
    }
    words = [_counted(count, noun) for noun, count in counts.items() if count]
    done = f"{', '.join(words) or 'nothing'} of {report.entries}"
    gone = f", {report.removed} removed" if report.removed else ""
    if dry_run:
        return f"would sync {done}{gone}" + (f", {size(report.sent_bytes)} to send" if upward else "")
    end = "" if report.sequence is None or not upward else f", at {report.sequence}"
    return f"synced {done}{gone}, {size(report.sent_bytes)} {'sent' if upward else 'fetched'}{end}"


def _counted(count: int, noun: str) -> str:
    many = "directories" if noun == "directory" else f"{noun}s"
    return f"{count} {noun if count == 1 else many}"


class _Told:
    """A `Watch` that prints changes, if they are wanted, and has a bar, if there is one."""

    def __init__(self, changes: bool, bar: Any) -> None:
        self._changes = changes
        self._bar = bar
        self._task = None if bar is None else bar.add_task("", total=None)

    def phase(self, name: str, total_bytes: int | None) -> None:
        if self._bar is not None:
            self._bar.reset(self._task, description=name, total=total_bytes)

    def advance(self, size_bytes: int) -> None:
        if self._bar is not None:
            self._bar.advance(self._task, size_bytes)

    def change(self, sign: str, path: str, kind: str) -> None:
        if self._changes:
            say(f"{sign} {path}{'/' if kind == 'directory' else ''}")
