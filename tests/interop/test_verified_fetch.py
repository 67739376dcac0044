"""@helia/verified-fetch, unmodified, reads through our trustless gateway and checks every block that it gets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from .node import INSTALL_S, Cid, JavaScript, Packages

pytestmark = pytest.mark.timeout(INSTALL_S + 60)  # the first of them waits for npm

SITE = [
    {"path": "site/index.html", "content": b"<h1>hi</h1>"},
    {"path": "site/img/a.svg", "content": b"<svg/>"},
    {"path": "site/data.json", "content": b'{"a":1}'},
]


@pytest.fixture(scope="module")
def fetch(origin: str, packages: Packages) -> Iterator[JavaScript]:
    client = JavaScript(packages, "verified_fetch.mjs", origin)
    yield client
    client.stop()


@pytest.fixture(scope="module")
def site(cidbus_rpc: JavaScript) -> Cid:
    root: Cid = cidbus_rpc("addAll", SITE, cidVersion=1)[-1]["cid"]
    return root


def get(fetch: JavaScript, url: str, **options: Any) -> dict[str, Any]:
    answer: dict[str, Any] = fetch("fetch", url, **options)
    return answer


@pytest.mark.parametrize("version", [0, 1])
def test_a_file_of_many_blocks_is_fetched(fetch: JavaScript, cidbus_rpc: JavaScript, version: int):
    content = bytes(range(251)) * 8_000
    cid = cidbus_rpc("add", content, cidVersion=version)["cid"]
    answer = get(fetch, f"ipfs://{cid}")
    assert answer["status"] == 200
    assert answer["body"] == content


def test_a_file_is_fetched_by_its_path(fetch: JavaScript, site: Cid):
    assert get(fetch, f"ipfs://{site}/img/a.svg")["body"] == b"<svg/>"
    assert json.loads(get(fetch, f"ipfs://{site}/data.json")["body"]) == {"a": 1}


def test_a_directory_is_its_index_page(fetch: JavaScript, site: Cid):
    assert get(fetch, f"ipfs://{site}/")["body"] == b"<h1>hi</h1>"


def test_a_path_that_is_not_there_is_not_found(fetch: JavaScript, site: Cid):
    assert get(fetch, f"ipfs://{site}/nothing")["status"] == 404


def test_a_file_in_a_sharded_directory_is_fetched(fetch: JavaScript, cidbus_rpc: JavaScript):
    files = [{"path": f"many/{number:05}-{'x' * 80}", "content": b"%d" % number} for number in range(3_000)]
    root = cidbus_rpc("addAll", files, cidVersion=1)[-1]["cid"]
    assert get(fetch, f"ipfs://{root}/{files[1234]['path'][5:]}")["body"] == b"1234"  # type: ignore[index]


@pytest.mark.parametrize(
    ("asked", "start", "end"), [("bytes=0-9", 0, 10), ("bytes=700000-700999", 700_000, 701_000)]
)
def test_a_range_is_fetched(fetch: JavaScript, cidbus_rpc: JavaScript, asked: str, start: int, end: int):
    content = bytes(range(251)) * 4_000
    cid = cidbus_rpc("add", content, cidVersion=1)["cid"]
    answer = get(fetch, f"ipfs://{cid}", headers={"Range": asked})
    assert answer["status"] == 206
    assert answer["body"] == content[start:end]
    assert answer["headers"]["content-range"] == f"bytes {start}-{end - 1}/{len(content)}"


def test_a_dag_json_node_is_fetched_as_json(fetch: JavaScript, cidbus_rpc: JavaScript, site: Cid):
    cid = cidbus_rpc("dag.put", {"site": site, "n": 1}, storeCodec="dag-json")
    assert json.loads(get(fetch, f"ipfs://{cid}")["body"]) == {"n": 1, "site": {"/": site}}


def test_a_dag_cbor_node_is_fetched_as_it_is(fetch: JavaScript, cidbus_rpc: JavaScript, site: Cid):
    cid = cidbus_rpc("dag.put", {"site": site, "n": 1})
    answer = get(fetch, f"ipfs://{cid}", headers={"Accept": "application/vnd.ipld.dag-cbor"})
    assert answer["headers"]["content-type"] == "application/vnd.ipld.dag-cbor"
    assert answer["body"] == cidbus_rpc("block.get", cid)


def test_a_raw_block_and_a_car_file_are_fetched(fetch: JavaScript, cidbus_rpc: JavaScript, site: Cid):
    raw = get(fetch, f"ipfs://{site}", headers={"Accept": "application/vnd.ipld.raw"})
    assert raw["body"] == cidbus_rpc("block.get", site)
    car = get(fetch, f"ipfs://{site}", headers={"Accept": "application/vnd.ipld.car"})
    assert cidbus_rpc("dag.import", [car["body"]], pinRoots=True)[0]["root"]["cid"] == site


def test_content_under_a_name_is_fetched(fetch: JavaScript, cidbus_rpc: JavaScript, site: Cid):
    name = cidbus_rpc("key.gen", "site")["id"]
    cidbus_rpc("name.publish", site, key="site", allowOffline=True)
    assert get(fetch, f"ipns://{name}/img/a.svg")["body"] == b"<svg/>"
