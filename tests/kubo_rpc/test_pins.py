"""pin/add, rm, ls, update and verify."""

from __future__ import annotations

import pytest

from .conftest import ABSENT, B_CID, HELLO_CID, NOT_HERE, SUB_CID, TREE, TREE_CID


@pytest.fixture
async def tree(rpc) -> None:
    await rpc.add(TREE, pin=False)


async def test_a_pin_is_made_named_and_removed(rpc, tree):
    assert (await rpc("pin/add", f"{TREE_CID}/a.txt", name="greeting")).json == {"Pins": [HELLO_CID]}
    assert (await rpc("pin/ls", HELLO_CID, names=True)).json == {
        "Keys": {HELLO_CID: {"Type": "recursive", "Name": "greeting"}}
    }
    assert (await rpc("pin/rm", HELLO_CID)).json == {"Pins": [HELLO_CID]}
    assert (await rpc("pin/rm", HELLO_CID)).error == "not pinned or pinned indirectly"


async def test_all_pins_are_listed_with_what_they_keep(rpc, tree):
    assert (await rpc("pin/ls")).json == {}
    await rpc("pin/add", TREE_CID)
    await rpc("pin/add", HELLO_CID, recursive=False)
    indirect = {"Type": "indirect", "Name": ""}
    assert (await rpc("pin/ls")).json["Keys"] == {
        TREE_CID: {"Type": "recursive", "Name": ""},
        HELLO_CID: {"Type": "direct", "Name": ""},
        SUB_CID: indirect,
        B_CID: indirect,
    }
    assert (await rpc("pin/ls", type="indirect")).json["Keys"].keys() == {SUB_CID, B_CID}
    assert (await rpc("pin/ls", type="direct")).json["Keys"].keys() == {HELLO_CID}
    lines = (await rpc("pin/ls", stream=True, type="recursive")).lines
    assert lines == [{"Cid": TREE_CID, "Type": "recursive"}]


async def test_one_path_is_looked_up(rpc, tree):
    await rpc("pin/add", TREE_CID)
    through = {SUB_CID: {"Type": f"indirect through {TREE_CID}", "Name": ""}}
    assert (await rpc("pin/ls", f"{TREE_CID}/sub")).json["Keys"] == through
    assert (await rpc("pin/ls", SUB_CID, type="recursive")).error == f"path '{SUB_CID}' is not pinned"
    assert (await rpc("pin/ls", ABSENT)).error == f"path '{ABSENT}' is not pinned"


async def test_pins_are_found_by_a_part_of_their_name(rpc, tree):
    await rpc("pin/add", HELLO_CID, name="the greeting")
    await rpc("pin/add", TREE_CID, name="the tree")
    assert (await rpc("pin/ls", name="greet")).json["Keys"].keys() == {HELLO_CID}
    assert (await rpc("pin/ls", name="other")).json == {}


async def test_pinning_what_is_not_here_is_an_error(rpc):
    assert (await rpc("pin/add", ABSENT)).error == f"pin: {NOT_HERE}"


async def test_a_recursive_pin_is_not_removed_as_a_direct_one(rpc, tree):
    await rpc("pin/add", TREE_CID)
    assert (await rpc("pin/rm", TREE_CID, recursive=False)).error == f"{TREE_CID} is pinned recursively"
    assert (await rpc("pin/rm", f"{TREE_CID}/sub")).error == "not pinned or pinned indirectly"


async def test_a_pin_moves(rpc, tree):
    await rpc("pin/add", SUB_CID)
    assert (await rpc("pin/update", SUB_CID, TREE_CID)).json == {"Pins": [SUB_CID, TREE_CID]}
    assert (await rpc("pin/ls", type="recursive")).json["Keys"].keys() == {TREE_CID}
    words = "'from' cid was not recursively pinned already"
    assert (await rpc("pin/update", SUB_CID, TREE_CID)).error == words


async def test_pins_are_verified(rpc, tree):
    await rpc("pin/add", TREE_CID)
    assert (await rpc("pin/verify")).lines == []
    assert (await rpc("pin/verify", verbose=True)).lines == [{"Cid": TREE_CID, "Ok": True}]
    assert "can not be used" in (await rpc("pin/verify", verbose=True, quiet=True)).error


async def test_a_type_of_pin_that_there_is_not_is_refused(rpc):
    words = "invalid type 'bogus', must be one of {direct, indirect, recursive, all}"
    assert (await rpc("pin/ls", type="bogus")).error == words
