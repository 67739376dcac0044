"""tus-js-client, unmodified, through a network that breaks and a server that is pulled out."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from cidbus.actors.ipfs.unixfs.importer import import_file
from cidbus.actors.ipfs.unixfs.profiles import DEFAULT_PROFILE
from cidbus.bus.testing import server_is_missing
from cidbus.supervisor import System, UpOptions

from ..interop.node import INSTALL_S, Packages
from ..system.conftest import pattern_pieces
from .conftest import API, Nowhere
from .cutting import CuttingProxy

HERE = Path(__file__).parent
SIZE = 500 * 10**6


@pytest.mark.slow
@pytest.mark.timeout(INSTALL_S + 120)
async def test_500_mb_arrive_whole_though_the_connection_is_cut_five_times_and_the_server_restarted(
    tmp_path: Path,
):
    if server_is_missing():
        pytest.skip("nats-server is not installed")
    packages = await asyncio.to_thread(Packages, HERE / "package.json", tmp_path)
    large = tmp_path / "large.bin"
    with large.open("wb") as file:
        file.writelines(pattern_pieces(SIZE))
    options = UpOptions(isolation=True, throw_away=False, data_dir=tmp_path / "node")
    cuts = [SIZE // 10 * number for number in (1, 3, 5, 7, 9)]
    cut = asyncio.Event()
    running = System(options)
    info = await running.start()
    try:
        async with CuttingProxy(
            _port(info.http), cuts, lambda number: number == 3 and _pull(proxy, cut)
        ) as proxy:
            client = await asyncio.create_subprocess_exec(
                str(packages.node), str(packages.folder / "upload.mjs"),
                f"http://127.0.0.1:{proxy.port}{API}/uploads", str(large),
                stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            try:
                told = asyncio.create_task(client.communicate())
                await cut.wait()
                await running.stop()
                running = System(options)
                info = await running.start()
                proxy.target_port, proxy.refuses = _port(info.http), False
                out, _ = await told
            finally:
                if client.returncode is None:
                    client.kill()
                    await client.wait()
            assert client.returncode == 0
            assert proxy.cut_count == 5
            assert proxy.up_bytes < SIZE * 1.2  # it went on where it was
        outcome = json.loads(out)
        plain = await import_file(_pieces(), Nowhere(), DEFAULT_PROFILE)
        assert outcome["cid"] == str(plain.cid)
    finally:
        await running.stop()


def _pull(proxy: CuttingProxy, cut: asyncio.Event) -> None:
    """Nobody is reached any more until the server is there again."""
    proxy.refuses = True
    cut.set()


async def _pieces():
    for piece in pattern_pieces(SIZE):
        yield piece


def _port(url: str) -> int:
    return int(url.rpartition(":")[2])
