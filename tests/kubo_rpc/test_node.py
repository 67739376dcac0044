"""Identity, versions, the repository, connections, configuration."""

from __future__ import annotations

import pytest

from .conftest import HELLO


async def test_the_node_tells_who_it_is(rpc):
    own = (await rpc("id")).json
    assert own["ID"].startswith("12D3KooW")
    assert own["AgentVersion"] == "kubo/0.39.0/cidbus"
    assert (await rpc("id", own["ID"])).json == own
    assert (await rpc("id", peerid_base="base36")).json["ID"].startswith("k51")
    assert (await rpc("id", peerid_base="nope")).status == 400
    stranger = "12D3KooWF2nr5DnNaaTYT3pCUx48YVFB9UFtSP5MHndBBTaMdTtG"
    assert (await rpc("id", stranger)).error.startswith("routing: not found")


@pytest.mark.parametrize("settings", [{"kubo_version": "0.7.0"}], indirect=True)
async def test_the_version_that_is_spoken_can_be_chosen(rpc):
    answer = await rpc("version")
    assert answer.json["Version"] == "0.7.0"
    assert answer.json["Commit"].startswith("cidbus-")
    assert answer.headers["Server"] == "kubo/0.7.0"


@pytest.mark.parametrize("command", ["repo/stat", "stats/repo"])
async def test_the_repository_tells_its_size(rpc, command):
    await rpc.add({"a": HELLO})
    stat = (await rpc(command)).json
    assert stat["NumObjects"] == 1
    assert stat["StorageMax"] > stat["RepoSize"] > 0
    assert (await rpc(command, size_only=True)).json["NumObjects"] == 0


async def test_the_repository_is_collected_and_verified(rpc):
    await rpc.add({"a": HELLO}, pin=False)
    assert (await rpc("repo/gc")).body == b""
    assert (await rpc("refs/local")).lines == []
    assert (await rpc("repo/verify")).lines[-1]["Msg"] == "verify complete, all blocks validated."
    assert (await rpc("repo/verify", drop=True)).status == 500
    assert (await rpc("repo/version")).json == {"Version": "cidbus"}


async def test_connections_are_told_as_they_are(rpc):
    peer = (await rpc("id")).json["ID"]
    assert (await rpc("swarm/peers")).json == {"Peers": []}
    assert (await rpc("swarm/addrs")).json["Addrs"].keys() == {peer}
    for command in ("swarm/addrs/local", "swarm/addrs/listen"):
        assert isinstance((await rpc(command)).json["Strings"], list)
    address = f"/ip4/127.0.0.1/tcp/1/p2p/{peer}"
    assert (await rpc("swarm/connect", address)).error.startswith(f"connect {peer} failure")
    (said,) = (await rpc("swarm/disconnect", address)).json["Strings"]
    assert said.startswith(f"disconnect {peer} failure")


@pytest.mark.parametrize("command", ["bootstrap", "bootstrap/list"])
async def test_nobody_is_needed_to_start(rpc, command):
    assert (await rpc(command)).json == {"Peers": []}


async def test_the_configuration_is_read_and_not_set(rpc):
    config = (await rpc("config/show")).json
    assert config["Identity"]["PeerID"] == (await rpc("id")).json["ID"]
    got = (await rpc("config", "Addresses.API")).json
    assert got == {"Key": "Addresses.API", "Value": f"{rpc.url}/api/v0"}
    assert (await rpc("config", "No.Such")).error == 'failed to get config value: "No not found"'
    assert "only read here" in (await rpc("config", "Addresses.API", "x")).error


@pytest.mark.parametrize(
    "command",
    ["shutdown", "files/chroot", "pubsub/pub", "stats/bw", "stats/bitswap", "stats/dht", "stats/provide",
     "log/tail", "diag/sys", "bootstrap/add", "config/replace", "object/get", "pin/remote/ls"],
)  # fmt: skip
async def test_what_is_not_offered_says_so(rpc, command):
    answer = await rpc(command, "x")
    assert answer.status == 501
    assert answer.json["Code"] == 2
    assert answer.error.startswith(f"{command}: ")
