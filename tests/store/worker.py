"""Another process on a store, for tests: `worker.py FOLDER COMMAND …`. Speaks in lines."""

from __future__ import annotations

import asyncio
import json
import random
import sys

from cidbus.actors.ipfs.store.pins import PinRecord
from cidbus.actors.ipfs.store.store import BlockStore
from cidbus.schemas.cid import CID, CODECS, RAW


def children(cid: CID, data: bytes) -> list[CID]:
    return [CID.parse(text) for text in json.loads(data)["links"]] if cid.codec == CODECS["json"] else []


def say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def add_for_ever(store: BlockStore, seed: str) -> None:
    """Pin blocks of all sizes, eight at a time, and say each root once it is acknowledged."""
    chance = random.Random(seed)

    async def adder() -> None:
        while True:
            async with store.session() as session:
                data = chance.randbytes(chance.choice([10, 1000, 300_000]))
                shared = chance.randbytes(1)
                for block in (data, shared):
                    await session.put(CID.of(RAW, block), block)
                root = json.dumps({"links": [str(CID.of(RAW, data)), str(CID.of(RAW, shared))]}).encode()
                await session.put(CID.of(CODECS["json"], root), root)
                await session.commit([PinRecord(CID.of(CODECS["json"], root))])
            say(CID.of(CODECS["json"], root))

    say("ready")
    await asyncio.gather(*(adder() for _ in range(8)))


async def add_and_unpin(store: BlockStore, rounds: str, name: str) -> None:
    """Pin the same few leaves again and again, each time checking that they are here, and let them go."""
    say("ready")
    for number in range(int(rounds)):
        data = b"block %d" % (number % 20)
        leaf = CID.of(RAW, data)
        node = json.dumps({"links": [str(leaf)], "salt": name}).encode()
        root = CID.of(CODECS["json"], node)
        async with store.session() as session:
            await session.put(leaf, data)
            if number % 3 == 0:
                await session.flush()
            await session.put(root, node)
            await session.commit([PinRecord(root)])
        assert await store.get(leaf) == data
        assert await store.get(root) == node
        await store.pins.remove(root)
    say("done")


async def hold_session(store: BlockStore, text: str) -> None:
    """Flush a block in a session that stays open until a line comes in, then pin it."""
    cid = CID.of(RAW, text.encode())
    async with store.session() as session:
        await session.put(cid, text.encode())
        await session.flush()
        say(cid)
        await asyncio.to_thread(sys.stdin.readline)
        await session.commit([PinRecord(cid)])
    say("done")


async def put(store: BlockStore, text: str) -> None:
    """Pin one block, then wait for a line."""
    cid = CID.of(RAW, text.encode())
    async with store.session() as session:
        await session.put(cid, text.encode())
        await session.commit([PinRecord(cid)])
    say(cid)
    await asyncio.to_thread(sys.stdin.readline)


async def collect_for_ever(store: BlockStore) -> None:
    """Add a little that nothing keeps, and collect."""
    while True:
        say("collecting")
        for _ in range(3):
            data = random.randbytes(50_000)
            async with store.session() as session:
                await session.put(CID.of(RAW, data), data)
                await session.commit()
        await store.collect()


COMMANDS = {
    "collect": collect_for_ever,
    "add": add_for_ever,
    "churn": add_and_unpin,
    "hold": hold_session,
    "put": put,
}


async def main(folder: str, command: str, *arguments: str) -> None:
    async with await BlockStore.open(folder, children=children) as store:
        await COMMANDS[command](store, *arguments)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
