"""A clock to turn, stores and keys in folders of the test's own, and routings that answer as they are told."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from kubo_daemon import kubo  # noqa: F401

from cidbus.actors.ipfs.codecs.walk import children
from cidbus.actors.ipfs.ipns.keys import PrivateKey
from cidbus.actors.ipfs.ipns.keystore import Keystore
from cidbus.actors.ipfs.ipns.name import IpnsName
from cidbus.actors.ipfs.ipns.names import Names
from cidbus.actors.ipfs.paths import ContentPath, parse_path
from cidbus.actors.ipfs.store.store import BlockStore
from cidbus.schemas.errors import Unavailable

HOUR_NS = 3600 * 10**9
WORKER = Path(__file__).with_name("worker.py")

A = "/ipfs/bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
B = "/ipfs/bafkreih43byuv2f6ils5kpsj2qwzbwgdd2pqzs6anwm3nhfrhlagqjektm"


class Clock:
    """Says the time that it is set to, in nanoseconds."""

    def __init__(self) -> None:
        self.ns = 1_800_000_000 * 10**9

    def __call__(self) -> int:
        return self.ns

    def turn(self, hours: float) -> None:
        self.ns += int(hours * HOUR_NS)


class Place:
    """A place for records in memory; while `down` it refuses everything."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.records: dict[IpnsName, list[bytes]] = {}
        self.down = False
        self.asked = 0

    async def get(self, name: IpnsName) -> list[bytes]:
        self.asked += 1
        self._refuse()
        return self.records.get(name, [])

    async def put(self, name: IpnsName, record: bytes) -> None:
        self._refuse()
        self.records[name] = [record]

    def _refuse(self) -> None:
        if self.down:
            raise Unavailable(f"{self.name} is down")


class Kit:
    """Opens stores, keys and name services that share one folder and one clock."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        self.folder = folder
        self.clock = clock
        folder.mkdir(exist_ok=True)
        self.own = PrivateKey.generate()
        self.keys = Keystore(folder / "keys", self.own)
        self._stores: list[BlockStore] = []
        self._processes: list[subprocess.Popen[str]] = []

    async def names(self, *places: Place, **options: Any) -> Names:
        store = await BlockStore.open(self.folder / "store", children=children)
        self._stores.append(store)
        return Names(store.names, self.keys, places, now_ns=self.clock, **options)

    async def close(self) -> None:
        while self._stores:
            await self._stores.pop().close()

    def worker(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-W", "error", str(WORKER), str(self.folder), *arguments]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._processes.append(process)
        return process

    def end_workers(self) -> None:
        for process in self._processes:
            process.kill()
            process.communicate()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def kit(tmp_path: Path, clock: Clock) -> AsyncIterator[Kit]:
    kit = Kit(tmp_path / "node", clock)
    yield kit
    kit.end_workers()
    await kit.close()


@pytest.fixture
async def names(kit: Kit) -> Names:
    return await kit.names()


@pytest.fixture
def place() -> Place:
    return Place("router")


@pytest.fixture
def new_place() -> type[Place]:
    return Place


@pytest.fixture(scope="session")
def path_a() -> ContentPath:
    return parse_path(A)


@pytest.fixture(scope="session")
def path_b() -> ContentPath:
    return parse_path(B)


@pytest.fixture(scope="session")
def ed25519() -> PrivateKey:
    return PrivateKey.generate("ed25519")


@pytest.fixture(scope="session")
def rsa() -> PrivateKey:
    return PrivateKey.generate("rsa")


@pytest.fixture(params=["ed25519", "rsa"])
def key(request: pytest.FixtureRequest) -> PrivateKey:
    found: PrivateKey = request.getfixturevalue(request.param)
    return found
