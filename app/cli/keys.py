"""The node's keys: `cidbus key …`. Secrets never cross the bus: import and export use the folder itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from .options import DATA_DIR, Folder, Json, Output, Seed, Url
from .output import print_json, say, table, write_once
from .sending import STDIN, read_small
from .talking import ANSWERED, System, fail, told

if TYPE_CHECKING:
    from cidbus.actors.ipfs.ipns.keystore import Keystore
    from cidbus.client import Client
    from cidbus.schemas.names import Key

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Make, list, move and remove the keys that names are made of.")

Name = Annotated[str, typer.Argument(metavar="NAME", help="What the key is called.")]
Format = Annotated[
    Literal["libp2p-protobuf-cleartext", "pem-pkcs8-cleartext"],
    typer.Option("--format", help="How the file is written, as Kubo names it."),
]
PROTOBUF: Literal["libp2p-protobuf-cleartext"] = "libp2p-protobuf-cleartext"
ENDINGS = {"libp2p-protobuf-cleartext": ".key", "pem-pkcs8-cleartext": ".pem"}


@app.command()
def gen(
    name: Name,
    kind: Annotated[Literal["ed25519", "rsa"], typer.Option("--type", help="What kind of key.")] = "ed25519",
    size: Annotated[int | None, typer.Option(help="Bits of an RSA key.")] = None,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Make a key and print the name that it makes."""

    async def work(client: Client) -> None:
        key = await client.ipfs.key_gen(name, type=kind, size=size)
        print_json(key) if as_json else say(key.id)

    System(url, seed, data_dir).talk(work)


@app.command()
def ls(as_json: Json = False, url: Url = None, seed: Seed = None, data_dir: Folder = DATA_DIR) -> None:
    """List the keys; `self` is the node's own."""

    async def work(client: Client) -> None:
        keys: list[Key] = []
        async for key in client.ipfs.key_ls():
            print_json(key) if as_json else keys.append(key)
        if keys:
            table(("Key", "Name", "Type"), [(key.name, key.id, key.type) for key in keys])

    System(url, seed, data_dir).talk(work)


@app.command()
def rename(
    name: Name,
    new_name: Annotated[str, typer.Argument(metavar="NEW", help="What it is to be called.")],
    force: Annotated[bool, typer.Option("--force", "-f", help="Replace a key called so for good.")] = False,
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Give a key another name."""

    async def work(client: Client) -> None:
        renamed = await client.ipfs.key_rename(name, new_name, force=force)
        print_json(renamed) if as_json else say(f"renamed {renamed.id} {renamed.now}")

    System(url, seed, data_dir).talk(work)


@app.command()
def rm(
    names: Annotated[list[str], typer.Argument(metavar="NAME…", help="What the keys are called.")],
    as_json: Json = False,
    url: Url = None,
    seed: Seed = None,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Remove keys for good."""

    async def work(client: Client) -> None:
        for name in names:
            removed = await client.ipfs.key_rm(name)
            print_json(removed) if as_json else say(f"removed {removed.id} {removed.name}")

    System(url, seed, data_dir).talk(work)


# ---- secrets: on this machine only ----------------------------------------------------------------------


@app.command("import")
def import_(
    name: Name,
    path: Annotated[str, typer.Argument(metavar="FILE", help="A file with the key, or - for stdin.")],
    file_format: Format = PROTOBUF,
    as_json: Json = False,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Put a key that Kubo or OpenSSL wrote into the data directory; a running system uses it at once."""
    with told():
        from cidbus.actors.ipfs.ipns.keys import MAX_KEY_FILE_BYTES
        from cidbus.schemas.names import Key

        keys = _keystore(data_dir)
        made = keys.import_key(name, read_small(path, MAX_KEY_FILE_BYTES), file_format)
        key = Key(name=name, id=str(made.name), peer_id=made.name.peer_id, type=made.kind)
        print_json(key) if as_json else say(key.id)


@app.command()
def export(
    name: Name,
    output: Output = None,
    file_format: Format = PROTOBUF,
    data_dir: Folder = DATA_DIR,
) -> None:
    """Write a key with its secret, in the clear, to a new file that only its owner may read.

    The file is NAME.key or NAME.pem unless -o gives another; -o - is stdout.
    """
    with told():
        from cidbus.actors.ipfs.secret_files import create_secret
        from cidbus.schemas.errors import Conflict

        from .getting import target_of

        secret = _keystore(data_dir).export(name, file_format)
        if str(output) == STDIN:
            write_once(secret)
            return
        target = target_of(output, name + ENDINGS[file_format])
        try:
            create_secret(target, secret)
        except FileExistsError:
            raise Conflict(f"{target} exists; give another place with -o", field="output") from None
        say(str(target))


def _keystore(data_dir: Path) -> Keystore:
    """The keys of the node in a data directory, which has to be there."""
    from cidbus.actors.ipfs.identity import Identity
    from cidbus.actors.ipfs.ipns.keystore import Keystore

    from ..data_dir import DataDir

    folder = DataDir(data_dir).of_actor("ipfs")
    if not folder.is_dir():
        fail(f"no node has run in {folder.parent}; `cidbus up` starts one", ANSWERED)
    return Keystore(folder / "keys", Identity.open(folder / "identity.pem").key)
