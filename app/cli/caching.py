"""The cache: what it holds, how it is filled, and what is emptied."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .options import DATA_DIR, Folder, Json, Seed, Url
from .output import fields, print_json, say, size, table
from .talking import ANSWERED, System, complain

if TYPE_CHECKING:
    from cidbus.client import Client

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="The cache, and the files of the CID index.")

Cids = Annotated[list[str], typer.Argument(metavar="CID…", help="CIDs of files.")]


@app.command()
def stats(as_json: Json = False, url: Url = None, seed: Seed = None, data_dir: Folder = DATA_DIR) -> None:
    """Say what each tier holds and how often it had what was asked for."""

    async def work(client: Client) -> None:
        found = await client.cache.stats()
        if as_json:
            print_json(found)
            return
        say(f"policy {found.policy}, {found.hits} hits, {found.misses} misses, hit rate {found.hit_rate:.3f}")
        tiers = [("memory", found.memory), ("disk", found.disk)]
        shown = [
            (name, tier["entries"], size(tier["used_bytes"]), size(tier["limit_bytes"]), tier["hits"],
             tier["evictions"], tier.get("bad_entries", 0))
            for name, tier in tiers
        ]  # fmt: skip
        table(("Tier", "Entries", "Used", "Limit", "Hits", "Evictions", "Bad"), shown)

    System(url, seed, data_dir).talk(work)


@app.command()
def policy(
    name: Annotated[
        Literal["heat", "s3-fifo", "lru"] | None, typer.Argument(help="The policy to use from now on.")
    ] = None,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Say which policy fills the cache and what it has adapted to, or choose another."""

    async def work(client: Client) -> None:
        state = await client.cache.policy(policy=name)
        print_json(state) if as_json else fields(state)

    System(url, seed, data_dir).talk(work)


@app.command()
def warm(
    cids: Cids, as_json: Json = False, url: Url = None, seed: Seed = None, data_dir: Folder = DATA_DIR
) -> None:
    """Bring files into the cache before anybody asks for them."""

    async def work(client: Client) -> int | None:
        warmed = await client.cache.warm(cids)
        if as_json:
            print_json(warmed)
        else:
            say(f"warmed {warmed.warmed} of {len(cids)} files, {size(warmed.warmed_bytes)}")
            for cid, why in warmed.failed.items():
                complain(f"{cid}: {why}")
        return ANSWERED if warmed.failed else None

    System(url, seed, data_dir).talk(work)


@app.command()
def invalidate(
    cids: Cids, as_json: Json = False, url: Url = None, seed: Seed = None, data_dir: Folder = DATA_DIR
) -> None:
    """Forget cached files, in every tier and every bridge."""

    async def work(client: Client) -> None:
        found = await client.cache.invalidate(cids)
        print_json(found) if as_json else say(f"forgot {found.removed}")

    System(url, seed, data_dir).talk(work)


@app.command()
def clear(
    tier: Annotated[
        Literal["memory", "disk"] | None, typer.Argument(help="Only this tier; all of them by default.")
    ] = None,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Empty the cache, or one of its tiers."""

    async def work(client: Client) -> None:
        found = await client.cache.clear(tier=tier)
        print_json(found) if as_json else say(f"forgot {found.removed}")

    System(url, seed, data_dir).talk(work)


@app.command()
def verify(as_json: Json = False, url: Url = None, seed: Seed = None, data_dir: Folder = DATA_DIR) -> None:
    """Read every file of the cache and the index, and repair what can be."""

    async def work(client: Client) -> int | None:
        found = await client.cache.verify()
        if as_json:
            print_json(found)
        else:
            for damage in found.damaged:
                say(", ".join(f"{name} {value}" for name, value in damage.items()))
            say(
                f"{found.cache_entries} cached files, {found.bad_cache_entries} of them bad;"
                f" {len(found.damaged)} damages in the index"
            )
        return ANSWERED if found.damaged or found.bad_cache_entries else None

    System(url, seed, data_dir).talk(work)


@app.command()
def compact(
    tiered: Annotated[bool, typer.Option("--tiered", help="Merge only runs of similar size.")] = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Merge the runs of the index into one."""

    async def work(client: Client) -> None:
        done = await client.cache.compact(full=not tiered)
        print_json(done) if as_json else fields(done)

    System(url, seed, data_dir).talk(work)


@app.command()
def optimize(
    workload: Annotated[
        Literal["read_heavy", "write_heavy", "analytical", "mixed", "time_series", "metadata", "cid_focused"]
        | None,
        typer.Argument(help="What to fit the index to; by default what has been observed."),
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Do it, and measure before and after.")] = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Say how the index would be laid out for its use, or lay it out so."""

    async def work(client: Client) -> None:
        found = await client.cache.optimize(workload=workload, apply=apply)
        if as_json:
            print_json(found)
            return
        say(f"workload {found.workload}, {'applied' if found.applied else 'not applied'}")
        changes = [
            (change["field"], change["column"] or "", change["before"], change["after"], change["reason"])
            for change in found.changes
        ]
        if changes:
            table(("What", "Column", "Before", "After", "Why"), changes)
        for name, figures in (("before", found.before), ("after", found.after)):
            if figures is not None:
                shown = ("seconds", "rows_read", "point_us", "stored_bytes")
                say(f"{name}: " + ", ".join(f"{key} {figures[key]}" for key in shown))

    System(url, seed, data_dir).talk(work)
