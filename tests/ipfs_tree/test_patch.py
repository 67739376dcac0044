"""A patched tree agrees with a plain model of files and folders, and is the tree that adding it would give."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from cidbus.actors.ipfs.codecs import dagpb
from cidbus.actors.ipfs.tree.directory import DirectoryEditor, empty_directory
from cidbus.actors.ipfs.tree.nodes import Nodes
from cidbus.actors.ipfs.tree.patch import Patched, patch
from cidbus.actors.ipfs.unixfs import unixfs
from cidbus.actors.ipfs.unixfs.directory import build_directory, build_symlink
from cidbus.actors.ipfs.unixfs.hamt import name_hash
from cidbus.actors.ipfs.unixfs.importer import Node, import_bytes
from cidbus.actors.ipfs.unixfs.listing import ls
from cidbus.actors.ipfs.unixfs.profiles import V1_2025, Profile
from cidbus.actors.ipfs.unixfs.unixfs import UnixFS
from cidbus.schemas.cid import CID, CODECS, DAG_PB, RAW
from cidbus.schemas.errors import BadRequest, BusError, Conflict, NotFound
from cidbus.schemas.tree import (
    Copy,
    Metadata,
    Mkdir,
    Move,
    Put,
    Remove,
    Symlink,
    Truncate,
    Write,
)

from .conftest import TINY, TINY_V0, MemoryBlocks

# ---- a model of what trees are --------------------------------------------------------------------------
# A folder is a dict; a file its bytes; a link a str.

Tree = dict[str, Any]


class Model:
    """The operations on nested dicts, in the plainest way; raises as the engine must."""

    def __init__(self, top: Tree) -> None:
        self.top = top

    def look(self, names: list[str]) -> Any:
        here: Any = self.top
        for name in names:
            if not isinstance(here, dict):
                raise Conflict("through a file")
            here = here.get(name)
            if here is None:
                return None
        return here

    def folder(self, names: list[str], make: bool) -> Tree:
        here = self.top
        for name in names:
            if name not in here:
                if not make:
                    raise NotFound("path", name)
                here[name] = {}
            here = here[name]
            if not isinstance(here, dict):
                raise Conflict("through a file")
        return here

    def place(self, names: list[str], thing: Any, parents: bool, overwrite: bool) -> None:
        found = self.look(names)
        if found is not None and (not overwrite or (isinstance(found, dict) and found)):
            raise Conflict("exists")
        self.folder(names[:-1], parents)[names[-1]] = thing

    def do(self, ask: Any, names: list[str]) -> None:
        getattr(self, ask.op)(ask, names)

    def mkdir(self, ask: Mkdir, names: list[str]) -> None:
        found = self.look(names)
        if found is not None:
            if not isinstance(found, dict) or not (ask.exist_ok or ask.parents):
                raise Conflict("exists")
            return
        self.folder(names[:-1], ask.parents)[names[-1]] = {}

    def write(self, ask: Write, names: list[str]) -> None:
        if not names:
            raise BadRequest("path", "root")
        old = self.look(names)
        if old is None and not ask.create:
            raise NotFound("path", ask.path)
        if old is not None and not isinstance(old, bytes):
            raise Conflict("not a file")
        content, old = ask.inline or b"", old or b""
        at = len(old) if ask.append else ask.offset
        if content:
            tail = b"" if ask.truncate else old[at + len(content) :]
            new = old.ljust(at, b"\0")[:at] + content + tail
        else:
            new = old[:at] if ask.truncate else old
        self.folder(names[:-1], ask.parents)[names[-1]] = new

    def truncate(self, ask: Truncate, names: list[str]) -> None:
        if not names:
            raise BadRequest("path", "root")
        old = self.look(names)
        if old is None:
            raise NotFound("path", ask.path)
        if not isinstance(old, bytes):
            raise Conflict("not a file")
        self.folder(names[:-1], False)[names[-1]] = old.ljust(ask.size_bytes, b"\0")[: ask.size_bytes]

    def remove(self, ask: Remove, names: list[str]) -> None:
        if not names:
            raise BadRequest("path", "root")
        found = self.look(names)
        if found is None:
            if not ask.missing_ok:
                raise NotFound("path", ask.path)
            return
        if isinstance(found, dict) and found and not ask.recursive:
            raise Conflict("not empty")
        del self.folder(names[:-1], False)[names[-1]]

    def symlink(self, ask: Symlink, names: list[str]) -> None:
        if not names:
            raise BadRequest("path", "root")
        if ask.target.startswith("/") or ask.target.split("/").count("..") > len(names) - 1:
            raise BadRequest("target", "leads out")
        self.place(names, ask.target, ask.parents, overwrite=False)

    def move(self, ask: Move, source: list[str]) -> None:
        if not source:
            raise BadRequest("source", "root")
        self.transfer(ask, source, goes=True)

    def copy(self, ask: Copy, source: list[str]) -> None:
        self.transfer(ask, source, goes=False)

    def transfer(self, ask: Any, source: list[str], goes: bool) -> None:
        thing = self.look(source)
        if thing is None:
            raise NotFound("path", ask.source)
        to = names_of(ask.destination)
        if not ask.exact and source and isinstance(self.look(to), dict):
            to = [*to, source[-1]]
        elif not to:
            raise BadRequest("destination", "root")
        if to == source:
            if not (goes or ask.overwrite):
                raise Conflict("exists")
            return
        if isinstance(thing, dict) and to[: len(source)] == source:
            raise BadRequest("destination", "inside")
        self.place(to, copied(thing), ask.parents, ask.overwrite)
        if goes:
            del self.folder(source[:-1], False)[source[-1]]


def copied(thing: Any) -> Any:
    return {name: copied(below) for name, below in thing.items()} if isinstance(thing, dict) else thing


def names_of(path: str) -> list[str]:
    return [name for name in path.split("/") if name]


async def build(blocks: MemoryBlocks, thing: Any, profile: Profile) -> Node:
    """The tree as an add makes it."""
    if isinstance(thing, str):
        return await build_symlink(thing, blocks, profile)
    if isinstance(thing, bytes):
        node, made = import_bytes(thing, profile)
        for cid, block in made:
            await blocks.put(cid, block)
        return node
    entries = [(name, await build(blocks, below, profile)) for name, below in thing.items()]
    return await build_directory(entries, blocks, profile)


# ---- the machine ----------------------------------------------------------------------------------------

NAME = st.sampled_from(["a", "b", "a long name of a file", "c.txt"])
PATH = st.lists(NAME, min_size=0, max_size=3).map(lambda names: "/" + "/".join(names))
DATA = st.binary(max_size=40)
YES = st.booleans()
OPERATION = st.one_of(
    st.builds(Mkdir, path=PATH, parents=YES, exist_ok=YES),
    st.builds(Write, path=PATH, data=DATA, offset=st.integers(0, 20), truncate=YES, create=YES, parents=YES),
    st.builds(Write, path=PATH, data=DATA, append=st.just(True), parents=YES),
    st.builds(Truncate, path=PATH, size_bytes=st.integers(0, 40)),
    st.builds(Remove, path=PATH, recursive=YES, missing_ok=YES),
    st.builds(Move, source=PATH, destination=PATH, parents=YES, overwrite=YES, exact=YES),
    st.builds(Copy, source=PATH, destination=PATH, parents=YES, overwrite=YES, exact=YES),
    st.builds(Symlink, path=PATH, target=st.sampled_from(["a", "../a", "../../b", "/a"]), parents=YES),
)
GROUPS = st.lists(st.lists(OPERATION, min_size=1, max_size=4), min_size=1, max_size=4)


class World(RuleBasedStateMachine):
    """One tree, patched again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.blocks = MemoryBlocks()
        self.model: Tree = {}
        self.root: CID | None = None

    @initialize(profile=st.sampled_from([TINY, TINY_V0]))
    def begin(self, profile: Profile) -> None:
        self.profile = profile
        self.editor = DirectoryEditor(Nodes(self.blocks))

    def teardown(self) -> None:
        self.loop.close()

    @rule(groups=GROUPS)
    def patch(self, groups: list[list[Any]]) -> None:
        done = self.loop.run_until_complete(apply(self.blocks, self.root, groups, self.profile, self.editor))
        for group, result in zip(groups, done.results, strict=True):
            trial = Model(copied(self.model))
            done_of_it, failed = 0, None
            for ask in group:
                try:
                    trial.do(ask, names_of(ask.path))
                except BusError as error:
                    failed = error
                    break
                done_of_it += 1
            if failed is None:
                assert result.error is None
                assert [outcome.op for outcome in result.outcomes] == [ask.op for ask in group]
                self.model = trial.top
            else:
                assert result.error is not None
                assert (result.error["kind"], result.failed) == (failed.kind, done_of_it)
        self.root = done.root.cid
        self.dag_size = done.root.dag_size_bytes

    @invariant()
    def the_tree_is_the_one_that_an_add_would_give(self) -> None:
        if self.root is not None:
            want = self.loop.run_until_complete(build(MemoryBlocks(), self.model, self.profile))
            assert (self.root, self.dag_size) == (want.cid, want.dag_size_bytes)
            self.blocks.reachable(self.root)


def test_patches_agree_with_a_model_of_folders():
    run_state_machine_as_test(
        World,
        settings=settings(
            max_examples=60, stateful_step_count=6, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )


# ---- one thing at a time --------------------------------------------------------------------------------


async def apply(blocks, root, groups, profile=V1_2025, editor=None) -> Patched:
    return await patch(editor or DirectoryEditor(Nodes(blocks)), blocks, root, groups, profile=profile)


async def made(blocks: MemoryBlocks, tree: Tree) -> CID:
    return (await build(blocks, tree, V1_2025)).cid


async def refusal(blocks: MemoryBlocks, root: CID | None, *operations: Any) -> dict[str, Any]:
    """The error of one group, which must leave the tree as it was."""
    done = await apply(blocks, root, [list(operations)])
    assert done.results[0].error is not None
    before = (await empty_directory(blocks, V1_2025)).cid if root is None else root
    assert done.root.cid == before
    assert done.results[0].outcomes == []
    return done.results[0].error


TREE = {"dir": {"file": b"x", "sub": {}}, "file": b"text", "link": "dir/file", "empty": {}}


@pytest.mark.parametrize(
    ("operation", "kind", "says"),
    [
        (Mkdir(path="/dir"), "conflict", "exists"),
        (Mkdir(path="/file", parents=True), "conflict", "exists"),
        (Mkdir(path="/no/dir"), "not_found", "/no"),
        (Mkdir(path="/file/dir"), "conflict", "not a directory"),
        (Mkdir(path="/link/dir"), "conflict", "symbolic link, not a directory"),
        (Write(path="/file/x", content="x"), "conflict", "not a directory"),
        (Write(path="/dir", content="x"), "conflict", "not a file"),
        (Write(path="/no", content="x", create=False), "not_found", "/no"),
        (Write(path="/file"), "bad_request", "give `content` or `data`"),
        (Write(path="/", content="x"), "bad_request", "root"),
        (Truncate(path="/no", size_bytes=1), "not_found", "/no"),
        (Remove(path="/"), "bad_request", "root"),
        (Remove(path="/dir"), "conflict", "something in it"),
        (Remove(path="/no"), "not_found", "/no"),
        (Move(source="/dir", destination="/dir/sub"), "bad_request", "inside"),
        (Move(source="/", destination="/dir"), "bad_request", "root"),
        (Copy(source="/dir", destination="/dir/sub/x", parents=True), "bad_request", "inside"),
        (Copy(source="/", destination="/dir/x"), "bad_request", "inside"),
        (Copy(source="/file", destination="/dir/file", exact=True), "conflict", "exists"),
        (Move(source="/file", destination="/dir", exact=True), "conflict", "exists"),
        (Move(source="/no", destination="/x"), "not_found", "/no"),
        (Symlink(path="/x", target="/etc/passwd"), "bad_request", "target"),
        (Symlink(path="/dir/x", target="../../x"), "bad_request", "target"),
        (Symlink(path="/dir/x", target="a/../../.."), "bad_request", "target"),
        (Symlink(path="/x", target="a\0b"), "bad_request", "target"),
        (Symlink(path="/link", target="file"), "conflict", "exists"),
        (Metadata(path="/no", mode=0o600), "not_found", "/no"),
    ],
    ids=lambda value: value.op + value.path if hasattr(value, "op") else None,
)  # fmt: skip
async def test_what_cannot_be_done_is_said_and_changes_nothing(operation, kind, says):
    blocks = MemoryBlocks()
    error = await refusal(blocks, await made(blocks, TREE), Write(path="/before", content="x"), operation)
    assert error["kind"] == kind
    assert says in error["message"]


async def test_an_entry_must_be_the_expected_one():
    blocks = MemoryBlocks()
    root = await made(blocks, TREE)
    now = import_bytes(b"text", V1_2025)[0].cid
    other = import_bytes(b"other", V1_2025)[0].cid
    error = await refusal(blocks, root, Write(path="/file", content="y", if_cid=str(other)))
    assert (error["kind"], error["details"]["cid"]) == ("conflict", str(now))
    assert (await refusal(blocks, root, Remove(path="/no", if_cid=str(now))))["kind"] == "conflict"
    dir_cid = (await build(blocks, TREE["dir"], V1_2025)).cid
    done = await apply(
        blocks, root, [[Write(path="/file", content="y", if_cid=str(now))], [Remove(path="/dir", recursive=True, if_cid=str(dir_cid))]],
    )  # fmt: skip
    assert [result.error for result in done.results] == [None, None]


async def test_a_put_is_a_link_and_walks_nothing():
    blocks = MemoryBlocks()
    file = await build(blocks, bytes(3 << 20), V1_2025)
    folder = await build(blocks, {"x": {"y": b"z"}}, V1_2025)
    for cid in blocks.reachable(file.cid) | blocks.reachable(folder.cid):
        if cid not in (file.cid.multihash, folder.cid.multihash):
            del blocks.blocks[cid]
    asks = [
        Put(path="/a/file", cid=str(file.cid), parents=True),
        Put(path="/a/folder", cid=str(folder.cid)),
    ]
    done = await apply(blocks, None, [asks])
    assert [(out.size_bytes, out.type, out.created) for out in done.results[0].outcomes] == [
        (3 << 20, "file", True), (0, "directory", True),
    ]  # fmt: skip
    want = await build_directory([("file", file), ("folder", folder)], MemoryBlocks(), V1_2025)
    (entry,) = [entry async for entry in ls(blocks, done.root.cid)]
    assert (entry.cid, entry.dag_size_bytes) == (want.cid, want.dag_size_bytes)


async def test_only_unixfs_that_can_be_had_is_put():
    blocks = MemoryBlocks()
    cbor = CID.of(CODECS["dag-cbor"], b"\xa0")
    await blocks.put(cbor, b"\xa0")
    broken = CID.of(DAG_PB, b"\x0a\x01\xff")
    await blocks.put(broken, b"\x0a\x01\xff")
    link = await build(blocks, "ok", V1_2025)
    out = await build_symlink("/etc/passwd", blocks, V1_2025)
    kinds = [
        (await refusal(blocks, None, Put(path="/x", cid=str(cid))))["kind"]
        for cid in (cbor, broken, CID.of(RAW, b"nowhere"), out.cid)
    ]
    assert kinds == ["not_supported", "invalid_content", "not_found", "bad_request"]
    assert (await apply(blocks, None, [[Put(path="/x", cid=str(link.cid))]])).results[0].error is None


async def test_mode_and_time_are_set_and_taken_away():
    blocks = MemoryBlocks()
    plain = await made(blocks, {"dir": {"file": b"x"}})
    asks = [
        Metadata(path="/dir", mode=0o700),
        Write(path="/dir/new", content="y", mode=0o600, mtime=5.5),
        Metadata(path="/dir/file", mtime=1.0),
        Metadata(path="/dir/made", create=True, mode=0o644),
        Mkdir(path="/deep", mode=0o755),
    ]
    done = await apply(blocks, plain, [asks])
    assert done.results[0].error is None
    found = dict.fromkeys(blocks.reachable(done.root.cid))
    nodes = [unixfs.decode_node(blocks.blocks[key], CID(1, DAG_PB, key))[0] for key in found]
    assert sorted((node.mode or 0, node.mtime) for node in nodes if node.mode or node.mtime) == [
        (0, (1, 0)), (0o600, (5, 500_000_000)), (0o644, None), (0o700, None), (0o755, None),
    ]  # fmt: skip
    undo = [
        [Metadata(path="/dir", clear=True), Metadata(path="/dir/file", clear=True)],
        [Remove(path="/dir/new"), Remove(path="/dir/made"), Remove(path="/deep")],
    ]
    assert (await apply(blocks, done.root.cid, undo)).root.cid == plain


async def test_ten_thousand_operations_on_one_directory_write_it_once():
    blocks = MemoryBlocks()
    group = [Write(path=f"/dir/{number}", content=f"{number}", parents=True) for number in range(10_000)]
    done = await apply(blocks, None, [group])
    assert done.results[0].error is None
    directories = [cid for cid in blocks.stored if cid.codec == DAG_PB]
    # The shards, the directory above, the empty one that was begun with (and the one that became `dir`).
    assert len(directories) <= len(blocks.reachable(done.root.cid)) - 10_000 + 2


async def test_names_that_cannot_stand_together_cost_only_their_group(monkeypatch):
    """Names of one hash fit in no sharded directory, which shows only when it is written."""
    blocks = MemoryBlocks()
    from cidbus.actors.ipfs.tree import shards
    from cidbus.actors.ipfs.unixfs import hamt

    for module in (hamt, shards):
        monkeypatch.setattr(
            module, "name_hash", lambda name: 7 if name.startswith("same") else name_hash(name)
        )
    filler = [Write(path=f"/{number:03d}", content="x") for number in range(100)]
    groups = [
        filler,
        [Write(path="/same-1", content="x")],
        [Write(path="/same-2", content="x")],
        [Remove(path="/000")],
    ]
    done = await apply(blocks, None, groups, profile=TINY)
    assert [result.failed for result in done.results] == [None, None, 0, None]
    assert done.results[2].error["kind"] == "bad_request"
    names = {entry.name async for entry in ls(blocks, done.root.cid)}
    assert "same-1" in names
    assert len(names) == 100


async def test_a_root_that_is_no_directory_is_refused():
    blocks = MemoryBlocks()
    file = await build(blocks, b"x", V1_2025)
    with pytest.raises(BadRequest, match="not a directory"):
        await apply(blocks, file.cid, [])


async def test_no_groups_leave_the_tree_as_it_is_even_a_foreign_one():
    blocks = MemoryBlocks()
    links = [dagpb.Link(CID.of(RAW, b"x"), name, 1) for name in ("b", "a")]
    block = dagpb.encode(links, unixfs.encode(UnixFS(unixfs.DIRECTORY)))
    await blocks.put(root := CID.of(DAG_PB, block), block)
    done = await apply(blocks, root, [])
    assert (done.root.cid, done.root.dag_size_bytes) == (root, len(block) + 2)


async def test_a_tree_moved_into_itself_by_detours_grows_deeper_than_any_path():
    """Each move is of a short path, so that no path is too long; what is written must not recurse without end."""
    blocks = MemoryBlocks()
    root: CID | None = None
    for _ in range(6):
        deep = "/".join(["", *"x" * 200])
        group = [
            Mkdir(path=deep, parents=True),
            *([] if root is None else [Move(source="/old", destination=deep + "/old", exact=True)]),
            Move(source="/x", destination="/old", exact=True),
        ]
        done = await apply(blocks, root, [group])
        assert done.results[0].error is None
        root = done.root.cid
    assert len(blocks.reachable(root)) >= 1200


async def test_copies_of_copies_end_before_their_sizes_are_past_counting():
    blocks = MemoryBlocks()
    groups = [[Write(path="/0/x", content="x", parents=True)]]
    for n in range(70):
        groups.append([Copy(source=f"/{n}", destination=f"/{n + 1}/a", parents=True, exact=True),
                       Copy(source=f"/{n}", destination=f"/{n + 1}/b", exact=True)])  # fmt: skip
    done = await apply(blocks, None, groups)
    errors = [result.error for result in done.results if result.error is not None]
    assert errors[0]["kind"] == "too_large"
    assert {error["kind"] for error in errors[1:]} == {"not_found"}
    assert len(groups) - len(errors) > 50
