"""What aioipfs, unmodified, gets from the RPC whose host and port are given: one JSON document on stdout.

Run as a process of its own, because the client warns of what it uses itself. Its `block.put` and `dag.put` are
left out: they fail in the client, before anything is sent, with the aiohttp of today.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aioipfs


async def main(host: str, port: str, folder: Path) -> dict[str, Any]:
    client = aioipfs.AsyncIPFS(host=host, port=int(port))
    tree = folder / "t"
    (tree / "sub").mkdir(parents=True)
    (tree / "a.txt").write_text("Hello, IPFS!")
    (tree / "sub" / "b").write_text("b")
    told: dict[str, Any] = {"version": await client.agent_version_get() is not None}
    told["added"] = await whole(client.add(str(tree), recursive=True))
    root = told["added"][-1]["Hash"]
    told["cat"] = (await client.cat(f"{root}/a.txt")).decode()
    await client.get(root, dstdir=str(folder / "out"))
    told["got"] = sorted(path.name for path in (folder / "out").rglob("*") if path.is_file())
    told["ls"] = [link["Name"] for link in (await client.ls(root))["Objects"][0]["Links"]]
    told["pinned"] = await whole(client.pin.add(root))
    told["unpinned"] = await client.pin.rm(root)
    told["key"] = (await client.key.gen("blog"))["Name"]
    told["published"] = (await client.name.publish(f"/ipfs/{root}"))["Value"]
    told["resolved"] = (await client.name.resolve())["Path"]
    told["providers"] = len(await whole(client.dht.findprovs(root)))
    try:
        await client.pin.rm(root)
    except aioipfs.NotPinnedError:
        told["error"] = "not pinned"
    await client.close()
    return told


async def whole(items: AsyncIterator[Any]) -> list[Any]:
    return [item async for item in items]


print(json.dumps(asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))))
