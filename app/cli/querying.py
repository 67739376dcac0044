"""Questions to the CID index: rows, aggregates, what is hottest, everything."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from .options import DATA_DIR, Folder, Json, Seed, Url
from .output import print_json, table, write_bytes
from .talking import System, complain

if TYPE_CHECKING:
    from cidbus.client import Client

__all__ = ["export", "query", "top"]

SHOWN = ["cid", "size_bytes", "mimetype", "filename", "is_pinned", "access_count", "heat_score"]
# Rows of a table are laid out together; longer answers are for --json and --arrow.
MAX_TABLE_ROWS = 1000

Select = Annotated[
    str | None, typer.Option("--select", metavar="COLUMNS", help="Columns, separated by commas.")
]


def query(
    filter_: Annotated[
        str | None,
        typer.Argument(metavar="[FILTER]", help='Conditions, such as \'{"heat_score": {"$gt": 0.7}}\'.'),
    ] = None,
    select: Select = None,
    sort: Annotated[
        str | None, typer.Option(metavar="COLUMNS", help="The order; -COLUMN for descending.")
    ] = None,
    limit: Annotated[int | None, typer.Option(help="How many rows at most.")] = None,
    cursor: Annotated[str | None, typer.Option(help="Where the page before has ended.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Say how it would be answered.")] = False,
    as_json: Json = False,
    as_arrow: Annotated[bool, typer.Option("--arrow", help="Write an Arrow IPC stream.")] = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Ask the index which CIDs match a filter.

    As a table there are 1,000 rows at most unless --limit says otherwise; --json and --arrow give all.
    """
    asked: dict[str, Any] = {
        "filter": _json(filter_), "select": _names(select), "sort": _names(sort), "cursor": cursor,
        "limit": limit,
    }  # fmt: skip

    async def work(client: Client) -> None:
        if explain:
            print_json(await client.cache.explain(**asked))
        elif as_arrow:
            async with client.cache.query_arrow(**asked) as content:
                await write_bytes(content)
        elif as_json:
            async for row in client.cache.query(**asked):
                print_json(row)
        else:
            await _show(client, asked, _names(select) or SHOWN)

    System(url, seed, data_dir).talk(work)


async def _show(client: Client, asked: dict[str, Any], columns: list[str]) -> None:
    asked = asked | {"select": columns, "limit": MAX_TABLE_ROWS if asked["limit"] is None else asked["limit"]}
    rows = await client.cache.query(**asked)
    table(columns, [_cells(row, columns) async for row in rows])
    if rows.head is not None and rows.head.next_cursor is not None:
        complain(f"there is more: --cursor {rows.head.next_cursor}")


def top(
    limit: Annotated[int, typer.Option("--limit", "-n", help="How many.")] = 20,
    select: Select = None,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """List the hottest CIDs."""

    async def work(client: Client) -> None:
        columns = _names(select) or SHOWN
        rows: list[list[object]] = []
        async for row in client.cache.top(limit=limit, select=columns):
            print_json(row) if as_json else rows.append(_cells(row, columns))
        if not as_json:
            table(columns, rows)

    System(url, seed, data_dir).talk(work)


def export(
    output: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write; - is stdout.")],
    as_: Annotated[
        Literal["parquet", "arrow"], typer.Option("--format", help="A Parquet file or an Arrow stream.")
    ] = "parquet",
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Write the whole index to one file."""

    async def work(client: Client) -> None:
        async with client.cache.export(format=as_) as content:
            if str(output) == "-":
                await write_bytes(content)
            else:
                await _write(output, content)

    System(url, seed, data_dir).talk(work)


async def _write(output: Path, content: AsyncIterator[bytes]) -> None:
    """All or nothing: what broke off leaves no file under its name."""
    draft = output.with_name(f".{output.name}.part")
    try:
        with draft.open("wb") as file:
            async for chunk in content:
                file.write(chunk)
        draft.replace(output)
    finally:
        draft.unlink(missing_ok=True)


def _cells(row: Any, columns: list[str]) -> list[object]:
    return ["" if (value := getattr(row, name, None)) is None else value for name in columns]


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _json(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise typer.BadParameter(f"not JSON: {error}", param_hint="FILTER") from None
