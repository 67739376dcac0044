"""docs/protocol.md is true: its code, as printed, adds and reads on a running system."""

from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import nats
import pytest

from cidbus.bus.testing import server_is_missing
from cidbus.supervisor import System, UpOptions

PAGE = (Path(__file__).parent.parent.parent / "docs" / "protocol.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
async def system():
    if server_is_missing():
        pytest.skip("nats-server is not installed")
    async with System(UpOptions(isolation=True)) as running:
        yield running


async def test_the_first_snippet_runs_as_printed(system, tmp_path):
    (tmp_path / "snippet.py").write_text(SNIPPETS[0])
    bin_folder = Path(sys.executable).parent
    environment = os.environ | {
        "CIDBUS_DATA_DIR": str(system.data_dir.path),
        "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}",
    }
    ran = subprocess.run(
        [sys.executable, str(tmp_path / "snippet.py")],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert ran.stdout == "bafkreih43byuv2f6ils5kpsj2qwzbwgdd2pqzs6anwm3nhfrhlagqjektm\n"


async def test_content_of_any_size_goes_in_and_out_with_the_functions_of_the_page(system):
    names: dict[str, object] = {}
    exec("import json\n" + "\n".join(SNIPPETS[1:]), names)
    nc = await nats.connect(system.nats, nkeys_seed=system.info.client_seed, inbox_prefix="_INBOX_client")
    try:
        for size in (0, 1, 512 * 1024, 5_000_000):
            content = os.urandom(size)
            pieces = [content[start : start + 400_000] for start in range(0, size, 400_000)]
            added = await names["add"](nc, pieces)
            assert added["content_size_bytes"] == size
            read = hashlib.sha256()
            async for chunk in names["cat"](nc, added["cid"]):
                read.update(chunk)
            assert read.hexdigest() == hashlib.sha256(content).hexdigest()
    finally:
        await nc.close()


async def test_a_plain_client_pins_and_follows_events(system):
    nc = await nats.connect(system.nats, nkeys_seed=system.info.client_seed, inbox_prefix="_INBOX_client")
    try:
        events = await nc.subscribe("cidbus.event.>")
        await nc.flush()
        await nc.request("cidbus.ipfs.add", b'{"content": "Hello, IPFS!", "pin": false}')
        cid = b"bafkreih43byuv2f6ils5kpsj2qwzbwgdd2pqzs6anwm3nhfrhlagqjektm"
        await nc.request("cidbus.ipfs.pin.add", b'{"cid": "%s"}' % cid)
        heard = [(await events.next_msg(timeout=5)).subject for _ in range(2)]
        assert heard == ["cidbus.event.ipfs.added", "cidbus.event.ipfs.pinned"]
    finally:
        await nc.close()
