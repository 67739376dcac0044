"""Every command of the RPC by its path, and `commands`, which tells of them."""

from __future__ import annotations

from itertools import chain
from typing import Any

from . import (
    absent,
    adding,
    blocks,
    cids,
    dags,
    file_changes,
    files,
    names,
    node,
    pins,
    reading,
    routing,
)
from .command import Call, Command, flag

__all__ = ["COMMANDS"]


async def list_commands(call: Call) -> dict[str, Any]:
    """The commands as a tree: `{"Name", "Subcommands": […], "Options": [{"Names": […]}]}`."""
    root = _Branch("ipfs")
    for path, command in sorted(COMMANDS.items()):
        branch = root
        for name in path.split("/"):
            branch = branch.below.setdefault(name, _Branch(name))
        branch.command = command
    return root.shown()


class _Branch:
    def __init__(self, name: str) -> None:
        self.name = name
        self.below: dict[str, _Branch] = {}
        self.command: Command | None = None

    def shown(self) -> dict[str, Any]:
        options = self.command.options if self.command else ()
        return {
            "Name": self.name,
            "Subcommands": [branch.shown() for branch in self.below.values()],
            "Options": [{"Names": list(option.names)} for option in options],
        }


_GROUPS = (
    adding, reading, files, file_changes, blocks, dags, pins, names, routing, node, cids, absent,
)  # fmt: skip

COMMANDS: dict[str, Command] = {
    command.path: command for command in chain.from_iterable(group.COMMANDS for group in _GROUPS)
}
COMMANDS["commands"] = Command(
    "commands", list_commands, "List all available commands.", (), (flag("flags", "f"),)
)
