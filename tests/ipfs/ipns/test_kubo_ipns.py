"""Kubo reads our records and keys, and we read Kubo's."""

import json
import time

import httpx
import pytest

from cidbus.actors.ipfs.ipns.keys import KEY_FORMATS, PrivateKey
from cidbus.actors.ipfs.ipns.record import create, validate
from cidbus.actors.ipfs.paths import parse_path

VALUE = "/ipfs/bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
DAY_NS = 24 * 3600 * 10**9


def served(kubo, name: object) -> bytes:
    """The record that Kubo's gateway has for a name."""
    answer = httpx.get(
        f"{kubo.gateway_url}/ipns/{name}", headers={"Accept": "application/vnd.ipfs.ipns-record"}
    )
    return answer.raise_for_status().content


def inspected(kubo, raw: bytes, name: str) -> dict:
    return json.loads(kubo.run("name", "inspect", "--enc=json", f"--verify={name}", content=raw))


@pytest.mark.parametrize("v1", [True, False])
def test_kubo_finds_our_records_valid(kubo, key, v1):
    record = create(key, VALUE.encode(), sequence=7, validity_ns=time.time_ns() + DAY_NS, ttl_ns=10**9, v1=v1)
    told = inspected(kubo, record.raw, str(key.name))
    assert told["Validation"] == {"Valid": True, "Reason": "", "Name": str(key.name)}
    entry = told["Entry"]
    assert (entry["Value"], entry["Sequence"], entry["TTL"], entry["ValidityType"]) == (VALUE, 7, 10**9, 0)
    assert entry["Validity"].rstrip("Z0") == record.validity.rstrip("Z0")
    assert told["SignatureType"] == ("V1+V2" if v1 else "V2")


def test_kubo_finds_a_changed_record_invalid(kubo, key):
    raw = create(key, VALUE.encode(), sequence=7, validity_ns=time.time_ns() + DAY_NS).raw
    changed = raw.replace(VALUE.encode(), VALUE.encode()[:-1] + b"a")
    assert not inspected(kubo, changed, str(key.name))["Validation"]["Valid"]


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_we_find_kubos_records_valid_and_kubos_names_the_same(kubo, kind):
    made = kubo.run("key", "gen", f"--type={kind}", f"ours-{kind}").decode().strip()
    kubo.run(
        "name", "publish", "--allow-offline", f"--key=ours-{kind}", "--resolve=false", "--lifetime=24h", VALUE
    )
    record = validate(served(kubo, made), parse_path(f"/ipns/{made}").root, now_ns=time.time_ns())
    assert str(record.path) == VALUE
    assert record.has_v1
    kubo.run("key", "rm", f"ours-{kind}")


@pytest.mark.parametrize("file_format", KEY_FORMATS)
def test_kubo_imports_our_keys(kubo, key, file_format, tmp_path):
    path = tmp_path / "exported"
    path.write_bytes(key.export(file_format))
    kubo.stop()  # importing needs the repository to itself
    try:
        name = kubo.run("key", "import", f"--format={file_format}", "imported", str(path)).decode().strip()
        kubo.run("key", "rm", "imported")
    finally:
        kubo.start()
    assert name == str(key.name)


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
@pytest.mark.parametrize("file_format", KEY_FORMATS)
def test_we_import_kubos_keys(kubo, kind, file_format, tmp_path):
    path = tmp_path / "exported"
    name = kubo.run("key", "gen", f"--type={kind}", "exported").decode().strip()
    kubo.run("key", "export", f"--format={file_format}", f"--output={path}", "exported")
    key = PrivateKey.import_from(path.read_bytes(), file_format)
    assert (str(key.name), key.kind) == (name, kind)
    assert key.export(file_format) == path.read_bytes()
    kubo.run("key", "rm", "exported")


def test_a_key_folder_of_kubos_can_be_taken_over(kubo, kit):
    name = kubo.run("key", "gen", "taken-over").decode().strip()
    (path,) = (path for path in (kubo.repo / "keystore").iterdir() if path.name.startswith("key_orqwwzlo"))
    (kit.folder / "keys" / path.name).write_bytes(path.read_bytes())
    assert str(kit.keys.get("taken-over").name) == name
    kubo.run("key", "rm", "taken-over")


def test_kubo_serves_and_follows_a_record_that_we_made(kubo, key, tmp_path):
    record = create(key, VALUE.encode(), sequence=2, validity_ns=time.time_ns() + DAY_NS)
    path = tmp_path / "record"
    path.write_bytes(record.raw)
    kubo.run("routing", "put", "--allow-offline", f"/ipns/{key.name}", str(path))
    assert served(kubo, key.name) == record.raw
    assert kubo.run("name", "resolve", "--recursive=false", str(key.name)).decode().strip() == VALUE
