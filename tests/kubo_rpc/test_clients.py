"""Python's Kubo clients, unmodified, find what they expect of a Kubo."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from yarl import URL

from .conftest import HELLO_CID, TREE_CID

HERE = Path(__file__).parent
BLOCK = {"Key": "bafkreibm6jg3ux5qumhcn2b3flc3tyu6dmlb4xa7u5bf44yegnrjhc4yeq", "Size": 5}
NODE = {"Cid": {"/": "bafyreihltcnuuyqp2jm24aqydpnlj7b6w3ogwrplomrjtg5rifv44mmjey"}}


async def told_by(client: str, url: str, folder: Path) -> dict[str, Any]:
    """What a client's program tells; skipped where the client is not installed, except in CI."""
    if importlib.util.find_spec(client) is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{client} is not installed")
        pytest.skip(f"{client} is not installed")
    node = URL(url)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-W", "ignore", str(HERE / f"client_{client}.py"),
        str(node.host), str(node.port), str(folder), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        told, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(told)


def check(told: dict[str, Any]) -> None:
    assert told["added"][-1] == {"Name": "t", "Hash": TREE_CID, "Size": "172"}
    assert told["cat"] == "Hello, IPFS!"
    assert told["got"] == ["a.txt", "b"]
    assert told["ls"] == ["a.txt", "sub"]
    assert told["unpinned"] == {"Pins": [TREE_CID]}
    assert told["key"] == "blog"
    assert told["published"] == told["resolved"] == f"/ipfs/{TREE_CID}"
    assert told["providers"] == 1


async def test_aioipfs(node_url, tmp_path):
    told = await told_by("aioipfs", node_url, tmp_path)
    check(told)
    assert told["version"]
    assert told["error"] == "not pinned"


@pytest.mark.parametrize("settings", [{"kubo_version": "0.7.0"}], indirect=True)
async def test_ipfshttpclient(node_url, tmp_path):
    told = await told_by("ipfshttpclient", node_url, tmp_path)
    check(told)
    assert (told["version"], told["bytes"], told["json"]) == ("0.7.0", HELLO_CID, {"a": 1})
    assert told["error"] == "not pinned or pinned indirectly"
    assert (told["block"], told["node"]) == (BLOCK, NODE)
