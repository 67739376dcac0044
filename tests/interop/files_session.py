"""A session over the file tree, step by step, and what of its results is to be compared.

`files_session.json` has what a Kubo answered to each step, and which Kubo it was. To record it anew:

    CIDBUS_KUBO=/path/to/ipfs python -m interop.files_session        # in tests/
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

from .node import HERE, Cid, ClientError, JavaScript, Packages

RECORDED = HERE / "files_session.json"

HELLO = b"Hello, IPFS!"
LARGE = b"".join(number.to_bytes(4, "big") for number in range(150_000))
# Content that is added, and then placed in the tree by its CID.
ADDED = [
    {"path": "site/index.html", "content": b"<h1>hi</h1>"},
    {"path": "site/img/a.svg", "content": b"<svg/>"},
    {"path": "site/large.bin", "content": LARGE},
]
SITE = "QmZTD1H1uFoYc57AfgsB9PJn8F7HVyJw4tsbw6scEiDsdv"
# A symbolic link to `img/a.svg`, as a block.
LINK = b"\x0a\x0d\x08\x04\x12\x09img/a.svg"
LINK_CID = "QmZz74AhLc6rSveKaw1Q7FmvG4Bb6o8caTsLRWxySUB3e3"
# What of an entry depends on its layout.
LAYOUT = frozenset({"cid", "cumulativeSize", "blocks"})


class Step(NamedTuple):
    """One call: a method of the client's, or a command that it has no method for.

    `otherwise` is the right result where that is not Kubo's, and `reason` says why.
    """

    method: str
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    otherwise: dict[str, Any] | None = None
    reason: str = ""

    def but(self, reason: str, **otherwise: Any) -> Step:
        return self._replace(otherwise=otherwise, reason=reason)

    @property
    def shown(self) -> str:
        parts = [repr(a if len(repr(a)) < 60 else f"{len(a)} bytes") for a in self.arguments]
        return f"{self.method}({', '.join(parts + [f'{k}={v!r}' for k, v in self.options.items()])})"


def step(method: str, *arguments: Any, **options: Any) -> Step:
    return Step(method, arguments, options)


def command(path: str, *arguments: str, **options: Any) -> Step:
    """A command by its path, for which kubo-rpc-client has no method."""
    return Step("command", (path, list(arguments)), options)


SESSION = [
    # ---- directories ----------------------------------------------------------------------------------------
    step("files.ls", "/"),
    step("files.stat", "/"),
    step("files.mkdir", "/a"),
    step("files.mkdir", "/a"),
    step("files.mkdir", "/a", parents=True),
    step("files.mkdir", "/x/y/z"),
    step("files.mkdir", "/x/y/z", parents=True),
    step("files.mkdir", "/"),
    step("files.mkdir", "/", parents=True),
    step("files.mkdir", "relative"),
    step("files.mkdir", ""),
    step("files.mkdir", "/a/../b//c/./d/", parents=True),
    step("files.ls", "/b/c"),
    step("files.stat", "/b/c/d"),
    step("files.ls", "/nothing"),
    step("files.ls", "relative"),
    # ---- writing and reading ----------------------------------------------------------------------------------
    step("files.write", "/a/hello", HELLO),
    step("files.write", "/a/hello", HELLO, create=True),
    step("files.read", "/a/hello"),
    step("files.stat", "/a/hello"),
    step("files.write", "/a/hello", b"J"),
    step("files.read", "/a/hello"),
    step("files.write", "/a/hello", b"IPLD", offset=7),
    step("files.read", "/a/hello"),
    step("files.write", "/a/hello", b"!!", offset=11),
    step("files.read", "/a/hello"),
    step("files.write", "/a/hello", b"gap", offset=20),
    step("files.read", "/a/hello"),
    step("files.read", "/a/hello", offset=5, length=6),
    step("files.read", "/a/hello", offset=20),
    step("files.read", "/a/hello", offset=23),
    step("files.read", "/a/hello", offset=24),
    step("files.read", "/a/hello", offset=-1),
    step("files.read", "/a/hello", length=0),
    step("files.read", "/a/hello", length=-1),
    step("files.write", "/a/hello", b"short", truncate=True),
    step("files.read", "/a/hello"),
    step("files.write", "/a/hello", b"late", truncate=True, offset=3),
    step("files.read", "/a/hello"),
    step("files.write", "/a/hello", b"counted out", truncate=True, length=7),
    step("files.read", "/a/hello"),
    step("files.write", "/a/hello", b"", length=-1),
    step("files.write", "/a/hello", b"", offset=-1),
    step("files.write", "/a/empty", b"", create=True),
    step("files.stat", "/a/empty"),
    step("files.read", "/a/empty"),
    step("files.write", "/n/e/w", b"new", create=True),
    step("files.write", "/n/e/w", b"new", create=True, parents=True),
    step("files.read", "/n/e/w"),
    step("files.write", "/a", b"a directory", create=True),
    step("files.write", "/a/hello/below", b"a file above", create=True),
    step("files.write", "relative", b"", create=True),
    step("files.write", "/a/large", LARGE, create=True),
    step("files.stat", "/a/large"),
    step("files.read", "/a/large", offset=262_140, length=8),
    step("files.write", "/a/large", b"across two leaves", offset=262_140),
    step("files.read", "/a/large", offset=262_130, length=40),
    step("files.write", "/a/large", HELLO, offset=599_990),
    step("files.read", "/a/large", offset=599_980),
    step("files.write", "/a/leaves", HELLO, create=True, rawLeaves=True, cidVersion=1),
    step("files.read", "/a/leaves"),
    step("files.write", "/a/hashed", HELLO, create=True, hashAlg="blake2b-256"),
    step("files.read", "/a/hashed"),
    step("files.write", "/a/none", HELLO, create=True, hashAlg="none").but(
        "later Kubos put it in quotes", error='unrecognized hash function: "none"', status=500
    ),
    step("files.read", "/a"),
    step("files.read", "/nothing"),
    step("files.read", "/a/hello/below"),
    step("files.ls", "/a"),
    command("files/ls", "/a"),
    step("files.ls", "/a/hello"),
    command("files/ls", "/a/hello"),
    # ---- copies -----------------------------------------------------------------------------------------------
    step("files.cp", Cid(SITE), "/site"),
    step("files.stat", "/site"),
    step("files.stat", "/site/index.html"),
    step("files.stat", "/site/large.bin"),
    step("files.stat", "/site", withLocal=True),
    step("files.ls", "/site"),
    step("files.read", "/site/index.html"),
    step("files.cp", f"/ipfs/{SITE}/img/a.svg", "/a/"),
    step("files.stat", "/a/a.svg"),
    step("files.cp", f"/ipfs/{SITE}/img/a.svg", "/a/a.svg"),
    step("files.cp", f"/ipfs/{SITE}/index.html", "/a/a.svg", force=True),
    step("files.read", "/a/a.svg"),
    step("files.cp", f"/ipfs/{SITE}/img/a.svg", "/p/q/r.svg"),
    step("files.cp", f"/ipfs/{SITE}/img/a.svg", "/p/q/r.svg", parents=True),
    step("files.read", "/p/q/r.svg"),
    step("files.cp", f"/ipfs/{SITE}/nothing", "/nothing"),
    step("files.cp", "/nothing", "/other"),
    step("files.cp", "/site", "/mirror"),
    step("files.stat", "/mirror"),
    step("files.cp", "/site", "/mirror"),
    step("files.cp", "/site", "/mirror", force=True),
    step("files.cp", "/site/index.html", "/mirror/"),
    step("files.cp", "/site/index.html", "/mirror/img/"),
    step("files.ls", "/mirror/img"),
    step("files.cp", "/site/index.html", "relative"),
    step("files.stat", f"/ipfs/{SITE}/img"),
    step("files.stat", f"/ipfs/{SITE}/large.bin"),
    step("files.stat", f"/ipfs/{SITE}/nothing"),
    step("files.cp", Cid(LINK_CID), "/n/e/link").but(
        "Kubo places it too, and then fails to flush it", value=None
    ),
    step("files.stat", "/n/e/link"),
    step("files.ls", "/n/e"),
    step("files.rm", "/n/e/link"),
    # ---- moves ------------------------------------------------------------------------------------------------
    step("files.mv", "/mirror/index.html", "/mirror/home.html"),
    step("files.ls", "/mirror"),
    step("files.mv", "/mirror/home.html", "/a"),
    step("files.mv", "/mirror/large.bin", "/a/large"),
    step("files.stat", "/a/large"),
    step("files.mv", "/a/home.html", "/b/c/"),
    step("files.ls", "/b/c"),
    step("files.mv", "/a/empty", "/none/"),
    step("files.mv", "/nothing", "/other"),
    step("files.mv", "/b", "/x"),
    step("files.ls", "/x"),
    step("files.ls", "/x/b/c"),
    step("files.mv", "/a/hello", "/a/hello"),
    step("files.read", "/a/hello"),
    step("files.mv", "/site/img", "/mirror"),
    # ---- mode and time ----------------------------------------------------------------------------------------
    command("files/chmod", "0644", "/a/hello"),
    step("files.stat", "/a/hello"),
    command("files/chmod", "755", "/a"),
    step("files.stat", "/a"),
    command("files/chmod", "rwx", "/a"),
    command("files/chmod", "644", "/nothing"),
    command("files/chmod", "644"),
    command("files/touch", "/a/hello", mtime=1_000_000_000, mtime_nsecs=500_000_000),
    step("files.stat", "/a/hello"),
    step("files.read", "/a/hello").but("Kubo loses the leaves of a file whose mode is set", value="counted"),
    command("files/touch", "/x", mtime=-5),
    step("files.stat", "/x"),
    command("files/touch", "/nothing", mtime=5),
    command("files/touch", "/a/hello", mtime="soon"),
    # ---- flush, form of CIDs ----------------------------------------------------------------------------------
    step("files.flush", "/site/index.html"),
    step("files.flush", "/nothing"),
    command("files/chcid", "/a"),
    command("files/chcid", "/a", cid_version=1),
    command("files/chcid", "/a/hello", cid_version=1),
    command("files/chcid", "/nothing", cid_version=1),
    command("files/stat", "/a", hash=True, size=True),
    # ---- removal ----------------------------------------------------------------------------------------------
    step("files.rm", "/a/hello"),
    step("files.stat", "/a/hello"),
    step("files.rm", "/a/hello"),
    step("files.rm", "/a/hello", force=True),
    step("files.rm", "/a"),
    step("files.rm", "/nothing/below", force=True),
    step("files.rm", ["/a/empty", "/a", "/x/nothing", "relative"]),
    command("files/ls", "/a"),
    step("files.rm", "/a", recursive=True),
    step("files.rm", "/x", force=True),
    step("files.rm", "/", recursive=True),
    step("files.rm", "/b", flush=False),
    step("files.rm", ["/n", "/p"], recursive=True),
    step("files.ls", "/"),
    step("files.rm", ["/site", "/mirror"], recursive=True),
    step("files.ls", "/"),
]


def recorded() -> dict[str, Any]:
    """What a Kubo gave, as `played` has it, and its `version`; the recording must be of these steps."""
    recording: dict[str, Any] = json.loads(RECORDED.read_text())
    steps = [result.pop("step") for result in recording["results"]]
    assert steps == [step.shown for step in SESSION], "record the session anew"
    return recording


def played(client: JavaScript) -> dict[str, Any]:
    """What was `added` before, and the `results` of the steps: `{"value": …}` or `{"error": …, "status": …}`."""
    added = client("addAll", ADDED)
    assert added[-1]["cid"] == SITE
    assert client("block.put", LINK, format="v0") == LINK_CID
    return {"added": added, "results": [_result(client, step) for step in SESSION]}


def differences(ours: dict[str, Any], kubos: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """The steps that gave something else than is expected: which, what they gave, and what was expected.

    Left out is what depends on how files and directories are laid out. What came by its CID is the same
    everywhere; what was written is not: Kubo appends to it as a trickle DAG of DAG-PB leaves, and its
    directories have CIDs of version 0.
    """
    assert ours["added"] == kubos["added"]
    known = {LINK_CID, *(entry["cid"] for entry in kubos["added"])}
    found: list[tuple[str, Any, Any]] = []
    for step, our, kubo in zip(SESSION, ours["results"], kubos["results"], strict=True):
        expected = _without_layout(kubo if step.otherwise is None else step.otherwise, known)
        given = _without_layout(our, known)
        if given != expected:
            found.append((step.shown, given, expected))
    return found


def _without_layout(value: Any, known: set[str]) -> Any:
    if isinstance(value, list):
        return [_without_layout(item, known) for item in value]
    if not isinstance(value, dict):
        return value
    dropped = LAYOUT if "cid" in value and value["cid"] not in known else frozenset[str]()
    return {key: _without_layout(item, known) for key, item in value.items() if key not in dropped}


def _result(client: JavaScript, step: Step) -> dict[str, Any]:
    try:
        value = client(step.method, *step.arguments, **step.options)
    except ClientError as error:
        return {"error": error.message.strip(), "status": error.status}
    if step.method == "files.read":
        value = b"".join(value)
    return {"value": _plain(value)}


def _plain(value: Any) -> Any:
    """The value as JSON has it."""
    if isinstance(value, bytes):
        return value.decode() if value.isascii() and value.decode().isprintable() else {"hex": value.hex()}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list) else value


def main() -> None:
    """Record what the Kubo that CIDBUS_KUBO names answers."""
    from kubo_daemon import KuboDaemon, kubo_binary

    binary = kubo_binary()
    if binary is None:
        sys.exit("no Kubo: set CIDBUS_KUBO to the path of an ipfs binary")
    with tempfile.TemporaryDirectory() as folder:
        packages = Packages(HERE / "package.json", _made(Path(folder) / "node"))
        daemon = KuboDaemon(binary, Path(folder) / "kubo")
        client = JavaScript(packages, "kubo_rpc_client.mjs", f"{daemon.rpc_url}/api/v0")
        try:
            version = client("version")["version"]
            made = played(client)
        finally:
            client.stop()
            daemon.stop()
    client_version = json.loads((HERE / "package.json").read_text())["dependencies"]["kubo-rpc-client"]
    results = [{"step": step.shown} | result for step, result in zip(SESSION, made["results"], strict=True)]
    recording = {
        "source": f"Kubo {version}, new repository, profile test, asked by kubo-rpc-client {client_version}",
        "version": version,
        "added": made["added"],
        "results": results,
    }
    RECORDED.write_text(json.dumps(recording, indent=1, ensure_ascii=False) + "\n")


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


if __name__ == "__main__":
    main()
