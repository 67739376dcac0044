"""How requests become calls: methods, paths, arguments, options; and what is said of those that cannot."""

from __future__ import annotations

import pytest

from .conftest import HELLO, HELLO_CID


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "HEAD"])
async def test_only_post_is_served(rpc, method):
    async with rpc.session.request(method, f"{rpc.url}/api/v0/version") as response:
        assert response.status == 405
        assert response.headers["Allow"] == "OPTIONS, POST"
        assert await response.text() == ("" if method == "HEAD" else "405 - Method Not Allowed\n")


async def test_options_tells_the_methods(rpc):
    async with rpc.session.options(f"{rpc.url}/api/v0/version") as response:
        assert (response.status, response.headers["Allow"]) == (204, "OPTIONS, POST")


@pytest.mark.parametrize("path", ["nothing", "pin", "pin/nothing", "", "version/", "cat/a/b"])
async def test_an_unknown_command_is_not_found(rpc, path):
    answer = await rpc(path)
    assert (answer.status, answer.body) == (404, b"404 page not found\n")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"


async def test_the_table_below_the_same_prefix_is_not_shadowed(rpc):
    async with rpc.session.get(f"{rpc.url}/api/v0/mcp/ipfs/version") as response:
        assert response.status == 200
    for path in ("mcp", "mcp/nothing"):
        async with rpc.session.post(f"{rpc.url}/api/v0/{path}") as response:
            assert response.content_type == "application/problem+json"


async def test_an_argument_may_stand_in_the_path(rpc):
    await rpc.add({"a": HELLO})
    assert (await rpc(f"cat/{HELLO_CID}")).body == HELLO


async def test_a_missing_argument_is_named(rpc):
    answer = await rpc("cat")
    assert (answer.status, answer.body) == (400, b'argument "ipfs-path" is required\n')
    answer = await rpc("add")
    assert (answer.status, answer.body) == (400, b"file argument 'path' is required\n")
    assert (await rpc("key/rename", "a")).body == b'argument "newName" is required\n'


@pytest.mark.parametrize("length", ["x", "", "1.5", str(2**63)])
async def test_a_number_that_is_none_is_refused(rpc, length):
    answer = await rpc("cat", HELLO_CID, length=length)
    assert answer.status == 400
    shown = f'value "{length}"' if length else "empty value"
    assert answer.body.decode() == f'could not convert {shown} to type "int64" (for option "-length")\n'


async def test_a_flag_may_be_given_without_a_value(rpc):
    await rpc.add({"a": HELLO})
    assert (await rpc("pin/ls", stream="")).lines == [{"Cid": HELLO_CID, "Type": "recursive"}]
    assert (await rpc("pin/ls", stream="T")).lines == [{"Cid": HELLO_CID, "Type": "recursive"}]
    assert (await rpc("pin/ls", stream="maybe")).status == 400


async def test_options_have_short_names_and_only_one_of_them_may_be_given(rpc):
    await rpc.add({"a": HELLO})
    assert (await rpc("cat", HELLO_CID, o=7)).body == b"IPFS!"
    answer = await rpc("cat", HELLO_CID, o=7, offset=7)
    assert answer.status == 400
    assert b"duplicate command options" in answer.body


async def test_an_option_given_twice_is_refused(rpc):
    async with rpc.session.post(f"{rpc.url}/api/v0/cat?arg={HELLO_CID}&offset=1&offset=2") as response:
        assert response.status == 400
        assert "only a single value" in await response.text()


async def test_an_unknown_option_is_ignored(rpc):
    assert (await rpc("version", bogus=1)).status == 200


async def test_only_json_is_spoken(rpc):
    assert (await rpc("version", encoding="json")).status == 200
    answer = await rpc("version", enc="xml")
    assert answer.status == 400
    assert b"xml" in answer.body


@pytest.mark.parametrize("timeout", ["5x", "5", "-1s", "s", "1s junk"])
async def test_a_timeout_must_be_a_duration(rpc, timeout):
    assert (await rpc("version", timeout=timeout)).status == 400


@pytest.mark.parametrize("timeout", ["1h2m3.5s", "5000ms", "20s", "30000000us"])
async def test_a_call_within_its_timeout_is_answered(rpc, timeout):
    assert (await rpc("version", timeout=timeout)).status == 200


async def test_a_call_past_its_timeout_is_ended(rpc):
    answer = await rpc("version", timeout="0s")
    assert answer.status == 500
    assert answer.json == {"Message": "context deadline exceeded", "Code": 0, "Type": "error"}


@pytest.mark.parametrize("settings", [{"max_requests": 0}], indirect=True)
async def test_a_full_bridge_says_so_as_kubo_does(rpc):
    answer = await rpc("version")
    assert answer.status == 429
    assert answer.json["Code"] == 3
    assert answer.headers["Retry-After"] == "1"


async def test_commands_tells_of_every_command_and_its_options(rpc):
    root = (await rpc("commands")).json
    assert root["Name"] == "ipfs"
    groups = {group["Name"]: group for group in root["Subcommands"]}
    pins = {command["Name"]: command for command in groups["pin"]["Subcommands"]}
    assert {"Names": ["recursive", "r"]} in pins["add"]["Options"]
    assert {"add", "ls", "rm", "update", "verify"} <= pins.keys()
