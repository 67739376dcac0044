"""The system at work: status and events."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .options import DATA_DIR, Folder, Json, Seed, Url
from .output import print_json, rich_table, say, table
from .talking import UNREACHABLE, System, fail

if TYPE_CHECKING:
    from cidbus.client import ActorStats, Client

__all__ = ["events", "status"]

EVERY_S = 1.0
COLUMNS = ("Actor", "Instance", "Requests", "Per s", "Mean ms", "Longest ms", "Errors", "Refused", "Version")


def status(
    once: Annotated[bool, typer.Option("--once", help="Print the table once instead of following.")] = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Show every running actor: its instances, their rates, times and errors. Follows on a terminal."""

    async def work(client: Client) -> None:
        first = await client.stats()
        if not first:
            fail("no actor answers", UNREACHABLE)
        if as_json:
            print_json(first)
        elif once or not sys.stdout.isatty():
            table(COLUMNS, _rows(first, {}, 0.0))
        else:
            await _follow(client, first)

    System(url, seed, data_dir).talk(work)


async def _follow(client: Client, before: list[ActorStats]) -> None:
    import asyncio

    from rich.live import Live

    then = time.monotonic()
    with Live(rich_table(COLUMNS, _rows(before, {}, 0.0)), auto_refresh=False) as live:
        while True:
            await asyncio.sleep(EVERY_S)
            stats, now = await client.stats(), time.monotonic()
            earlier = {one.instance: one for one in before}
            live.update(rich_table(COLUMNS, _rows(stats, earlier, now - then)), refresh=True)
            before, then = stats, now


def _rows(
    stats: list[ActorStats], earlier: dict[str, ActorStats], seconds: float
) -> list[tuple[object, ...]]:
    """One row per instance; rate and mean time are those since `earlier`, which was `seconds` ago, or since
    the instance started where there is no earlier."""
    rows: list[tuple[object, ...]] = []
    for one in stats:
        last = earlier.get(one.instance)
        requests = one.requests - (last.requests if last else 0)
        busy_ms = one.busy_ms - (last.busy_ms if last else 0.0)
        rate = f"{requests / seconds:.1f}" if last and seconds else ""
        mean = f"{busy_ms / requests:.2f}" if requests else ""
        longest = f"{one.longest_ms:.2f}"
        rows.append(
            (one.actor, one.instance, one.requests, rate, mean, longest, one.errors, one.refused, one.version)
        )
    return rows


def events(
    types: Annotated[
        list[str] | None, typer.Option("--type", help="Only this type, such as ipfs.added; may be repeated.")
    ] = None,
    cid_prefix: Annotated[str, typer.Option(help="Only events about CIDs that begin so.")] = "",
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Follow what happens, one line per event, until Ctrl-C."""

    async def work(client: Client) -> None:
        async with client.events(types or (), cid_prefix=cid_prefix) as stream:
            async for happened in stream:
                if as_json:
                    print_json({"type": happened.type, **happened.body})
                else:
                    say(_line(happened.type, happened.body))

    System(url, seed, data_dir).talk(work)


def _line(name: str, body: dict[str, Any]) -> str:
    at = time.strftime("%H:%M:%S", time.localtime(body.get("at")))
    facts = " ".join(f"{key}={value}" for key, value in body.items() if key not in ("at", "cid"))
    return " ".join(filter(None, (at, name, body.get("cid"), facts)))
