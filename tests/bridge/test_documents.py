"""The documents that the table gives, and whether the bridge keeps to them."""

from __future__ import annotations

import asyncio
import re
import sys
import xml.etree.ElementTree as ET
from contextlib import AsyncExitStack

import orjson
import pytest
from openapi_spec_validator import validate

from cidbus.actors import IMPLEMENTED, make_actor
from cidbus.bus.testing import hosted
from cidbus.http_bridge import BridgeSettings, serve
from cidbus.http_bridge.asyncapi import asyncapi_document
from cidbus.http_bridge.openapi import openapi_document
from cidbus.schemas.subjects import ROWS, calls, events

API = "/api/v0/mcp"


def operations(document):
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def resolve(document, reference):
    found = document
    for part in reference.removeprefix("#/").split("/"):
        found = found[part]
    return found


def references(value):
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def test_the_openapi_document_is_valid():
    validate(openapi_document())


def test_every_route_of_the_table_is_in_it():
    paths = openapi_document()["paths"]
    for row in calls():
        for line in row.http:
            method, _, path = line.partition(" ")
            assert paths[API + path][method.lower()]["summary"] == row.summary


def test_the_first_route_of_a_row_has_the_rows_name():
    found = {operation["operationId"]: path for path, _, operation in operations(openapi_document())}
    for row in calls():
        if row.http:
            assert found[row.name] == API + row.http[0].partition(" ")[2]


def test_operation_ids_are_unique():
    ids = [operation["operationId"] for _, _, operation in operations(openapi_document())]
    assert len(ids) == len(set(ids))


def test_every_get_has_its_head():
    for path, item in openapi_document()["paths"].items():
        if "get" in item and not path.endswith("/distributed/events"):
            assert "head" in item, path


def test_every_parameter_of_a_path_is_described():
    for path, _, operation in operations(openapi_document()):
        described = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
        assert described == set(re.findall(r"{(\w+)}", path))


def test_another_prefix_moves_the_table_and_nothing_else():
    paths = openapi_document("/mcp")["paths"]
    assert "/mcp/ipfs/add" in paths
    assert "/livez" in paths
    assert not any(path.startswith(API) for path in paths)


async def test_the_bridge_serves_its_documents(web):
    for path in ("//openapi.json", "/openapi.json"):
        async with web.get(path) as response:
            assert (await response.json())["openapi"].startswith("3.1")
    for path in ("//asyncapi.json", "/asyncapi.json"):
        async with web.get(path) as response:
            assert (await response.json())["asyncapi"] == "3.0.0"


async def test_the_page_needs_nothing_from_elsewhere(web):
    async with web.get("//docs") as response:
        page = await response.text()
        policy = response.headers["Content-Security-Policy"]
        assert response.content_type == "text/html"
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)


async def test_the_script_of_the_page_is_javascript(tmp_path):
    from cidbus.http_bridge.page import PAGE

    script = tmp_path / "page.js"
    script.write_bytes(PAGE.partition(b"<script>")[2].partition(b"</script>")[0])
    try:
        process = await asyncio.create_subprocess_exec("node", "--check", str(script))
    except FileNotFoundError:
        pytest.skip("node is not installed")
    assert await process.wait() == 0


# ---- AsyncAPI ---------------------------------------------------------------------------------------------


def test_every_subject_is_a_channel_and_an_operation():
    document = asyncapi_document()
    addresses = {channel["address"] for channel in document["channels"].values()}
    assert {row.subject for row in (*calls(), *events())} <= addresses
    assert len(document["operations"]) == len(ROWS)
    for operation in document["operations"].values():
        assert operation["action"] in ("send", "receive")
        assert ("reply" in operation) == (operation["action"] == "receive")


def test_keys_have_only_the_letters_that_asyncapi_allows():
    document = asyncapi_document()
    for name in (*document["channels"], *document["operations"], *document["components"]["schemas"]):
        assert re.fullmatch(r"[a-zA-Z0-9._-]+", name)


@pytest.mark.parametrize("document", [openapi_document(), asyncapi_document()], ids=["openapi", "asyncapi"])
def test_every_reference_leads_somewhere(document):
    found = set(references(document))
    assert found
    for reference in found:
        assert resolve(document, reference)


# ---- the bridge against its document ----------------------------------------------------------------------


@pytest.mark.slow
async def test_schemathesis_finds_no_defect_and_no_undocumented_answer(server, bus, tmp_path):
    report = tmp_path / "junit.xml"
    # 501 is an answer: the embedded node opens no libp2p connections, whatever address it is given.
    configuration = tmp_path / "schemathesis.toml"
    configuration.write_text('[checks.not_a_server_error]\nexpected-statuses = ["2xx", "3xx", "4xx", 501]\n')
    async with AsyncExitStack() as stack:
        for name in IMPLEMENTED:
            await stack.enter_async_context(hosted(server, make_actor(name, tmp_path / name)))
        bridge = await stack.enter_async_context(
            await serve(bus, settings=BridgeSettings(near_bytes=1 << 20))
        )
        process = await asyncio.create_subprocess_exec(
            *(
                sys.executable,
                "-m",
                "schemathesis.cli",
                "run",
                f"http://127.0.0.1:{bridge.port}/openapi.json",
            ),
            *("--checks", "not_a_server_error,status_code_conformance,content_type_conformance"),
            *("--max-examples", "3", "--exclude-path-regex", "distributed/events", "--seed", "1"),
            *("--phases", "examples,fuzzing", "--report-junit-path", str(report), "--no-color"),
            cwd=tmp_path,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()[-8000:]
    assert ET.parse(report).getroot().get("tests") != "0"


async def test_an_answer_fits_its_schema(web):
    from jsonschema import Draft202012Validator

    document = openapi_document()
    reply = document["paths"][f"{API}/ipfs/add"]["post"]["responses"]["200"]["content"]["application/json"]
    async with web.post("/ipfs/add", json={"content": "x"}) as response:
        body = orjson.loads(await response.read())
    schema = reply["schema"] | {"components": document["components"]}
    Draft202012Validator(schema).validate(body)
