"""Another process on a node's names and keys, for tests: `worker.py FOLDER COMMAND …`. Speaks in lines."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from cidbus.actors.ipfs.codecs.walk import children
from cidbus.actors.ipfs.ipns.keys import PrivateKey
from cidbus.actors.ipfs.ipns.keystore import Keystore
from cidbus.actors.ipfs.ipns.names import Names
from cidbus.actors.ipfs.paths import ContentPath
from cidbus.actors.ipfs.store.store import BlockStore
from cidbus.schemas.cid import CID, RAW
from cidbus.schemas.errors import Conflict


def say(text: object) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


async def publish(folder: Path, who: str, rounds: str) -> None:
    """Publish other values again and again and say each one's sequence number."""
    async with await BlockStore.open(folder / "store", children=children) as store:
        names = Names(store.names, Keystore(folder / "keys", PrivateKey.generate()))
        say("ready")
        sys.stdin.readline()
        for number in range(int(rounds)):
            value = ContentPath(CID.of(RAW, f"{who} {number}".encode()))
            say((await names.publish(value, key="shared")).record.sequence)


def generate(folder: Path, rounds: str) -> None:
    """Make keys under names that others want too, and say those that were got."""
    keys = Keystore(folder / "keys", PrivateKey.generate())
    say("ready")
    sys.stdin.readline()
    for number in range(int(rounds)):
        try:
            say(f"{number} {keys.generate(f'key {number}').name}")
        except Conflict:
            continue


def main() -> None:
    folder, command, *arguments = sys.argv[1:]
    if command == "publish":
        asyncio.run(publish(Path(folder), *arguments))
    else:
        generate(Path(folder), *arguments)


main()
