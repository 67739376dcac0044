"""What ipfshttpclient, unmodified, gets from the RPC whose host and port are given: one JSON document on stdout.

Run as a process of its own, because the client warns of what it uses itself. `connect` insists on a version of
Kubo that is older than 0.8.
"""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import ipfshttpclient


def main(host: str, port: str, folder: Path) -> dict[str, Any]:
    client = ipfshttpclient.connect(f"/ip4/{host}/tcp/{port}/http")
    tree = folder / "t"
    (tree / "sub").mkdir(parents=True)
    (tree / "a.txt").write_text("Hello, IPFS!")
    (tree / "sub" / "b").write_text("b")
    told: dict[str, Any] = {"version": client.version()["Version"]}
    told["added"] = [dict(line.as_json()) for line in client.add(str(tree), recursive=True)]
    root = told["added"][-1]["Hash"]
    told["cat"] = client.cat(f"{root}/a.txt").decode()
    told["bytes"] = client.add_bytes(b"Hello, IPFS!")
    told["json"] = client.get_json(client.add_json({"a": 1}))
    client.get(root, target=str(folder / "out"))
    told["got"] = sorted(path.name for path in (folder / "out").rglob("*") if path.is_file())
    told["ls"] = [link["Name"] for link in client.ls(root)["Objects"][0]["Links"]]
    told["block"] = client.block.put(io.BytesIO(b"hello")).as_json()
    told["node"] = client.dag.put(io.BytesIO(b'{"a":1}')).as_json()
    told["unpinned"] = client.pin.rm(root).as_json()
    told["pinned"] = client.pin.add(root).as_json()
    told["key"] = client.key.gen("blog", "ed25519")["Name"]
    told["published"] = client.name.publish(f"/ipfs/{root}")["Value"]
    told["resolved"] = client.name.resolve()["Path"]
    told["providers"] = len(client.dht.findprovs(root))
    client.pin.rm(root)
    try:
        client.pin.rm(root)
    except ipfshttpclient.exceptions.ErrorResponse as error:
        told["error"] = str(error)
    return told


print(json.dumps(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))))
