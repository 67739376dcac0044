"""Denylists, by the sections of the compact denylist format."""

import hashlib
import logging
import os
from pathlib import Path

import pytest

from cidbus.http_bridge.gateway.denylist import Blocked, Denylists, LegallyBlocked
from cidbus.http_bridge.gateway.denylist_lines import MAX_HEADER_BYTES, MAX_LINE_BYTES
from cidbus.http_bridge.gateway.digest_table import DigestTable
from cidbus.http_bridge.gateway.paths import ContentPath, read_path
from cidbus.schemas.cid import CID, RAW, base58_encode
from cidbus.schemas.errors import InvalidContent

V1 = "bafybeihvvulpp4evxj7x7armbqcyg6uezzuig6jp3lktpbovlqfkuqeuoq"
V1_RAW = "bafkreihvvulpp4evxj7x7armbqcyg6uezzuig6jp3lktpbovlqfkuqeuoq"
V0 = "QmesfgDQ3q6prBy2Kg2gKbW4MAGuWiRP2DVuGA5MZSERLo"
KEY36 = "k51qzi5uqu5dhmzyv3zac033i7rl9hkgczxyl81lwoukda2htteop7d3x0y1mf"
KEY32 = "bafzaajaiaejcaotjfs57kieazxny5japcmy5p2pgv2cic77tu6ogghttvurnrufx"
PEER = "12D3KooWDkNqEJNmreF3NYYFK1ws7Ra2fuW6cHBTu567SPV3LdYA"


@pytest.fixture
def lists(tmp_path: Path) -> Denylists:
    return Denylists(tmp_path)


def write(folder: Path, *lines: str, name: str = "a.deny", header: str = "") -> None:
    (folder / name).write_text((f"{header}\n---\n" if header else "") + "\n".join(lines) + "\n")


def at(url: str) -> ContentPath:
    path = read_path(url)
    assert isinstance(path, ContentPath)
    return path


def is_blocked(lists: Denylists, url: str) -> bool:
    try:
        lists.check(at(url))
    except Blocked:
        return True
    return False


def blocked(tmp_path: Path, *lines: str) -> Denylists:
    write(tmp_path, *lines)
    found = Denylists(tmp_path)
    assert found.refresh()
    return found


# --- /ipfs/CID


@pytest.mark.parametrize("rule", [V1, V1_RAW, V0])
def test_a_cid_is_blocked_by_its_multihash_in_any_form(tmp_path, rule):
    lists = blocked(tmp_path, f"/ipfs/{rule}")
    for cid in (V1, V1_RAW, V0):
        assert is_blocked(lists, f"/ipfs/{cid}")
        assert is_blocked(lists, f"/ipfs/{cid}/")
        with pytest.raises(Blocked):
            lists.check_cid(CID.parse(cid))


def test_a_cid_that_is_blocked_blocks_no_path_below_by_itself(tmp_path):
    assert not is_blocked(blocked(tmp_path, f"/ipfs/{V1}"), f"/ipfs/{V1}/a")


# --- /ipfs/CID/PATH


@pytest.mark.parametrize("rule", ["a b", "a%20b", "a%20b/"])
def test_a_path_is_blocked_exactly(tmp_path, rule):
    lists = blocked(tmp_path, f"/ipfs/{V1}/{rule.replace(' ', '%20')}")
    assert is_blocked(lists, f"/ipfs/{V0}/a%20b")
    assert is_blocked(lists, f"/ipfs/{V0}/a%20b/")
    assert not is_blocked(lists, f"/ipfs/{V0}/a%20b/c")
    assert not is_blocked(lists, f"/ipfs/{V0}/a%20bc")
    assert not is_blocked(lists, f"/ipfs/{V0}")


# --- /ipfs/CID/PATH*


def test_a_star_blocks_the_cid_and_all_paths(tmp_path):
    lists = blocked(tmp_path, f"/ipfs/{V1}/*")
    assert is_blocked(lists, f"/ipfs/{V1}")
    assert is_blocked(lists, f"/ipfs/{V1}/a/b")
    with pytest.raises(Blocked):
        lists.check_cid(CID.parse(V0))


@pytest.mark.parametrize("rule", ["test*", "test/*"])
def test_a_prefix_blocks_what_begins_with_it(tmp_path, rule):
    lists = blocked(tmp_path, f"/ipfs/{V1}/{rule}")
    for path in ("test", "test2", "test/one"):
        assert is_blocked(lists, f"/ipfs/{V0}/{path}")
    for path in ("tes", "", "one/test"):
        assert not is_blocked(lists, f"/ipfs/{V0}/{path}")


# --- /ipns/NAME


def test_a_domain_is_blocked_inlined_or_not_but_no_path_below(tmp_path):
    lists = blocked(tmp_path, "/ipns/domain.example")
    for name in ("domain.example", "domain-example", "Domain.Example"):
        assert is_blocked(lists, f"/ipns/{name}")
    for name in ("other.example", "domain.example/path", "domain--x-example"):
        assert not is_blocked(lists, f"/ipns/{name}")


@pytest.mark.parametrize("rule", [KEY36, KEY32, PEER])
def test_a_key_is_blocked_in_any_form(tmp_path, rule):
    lists = blocked(tmp_path, f"/ipns/{rule}")
    for name in (KEY36, KEY32, PEER):
        assert is_blocked(lists, f"/ipns/{name}")


def test_paths_below_names_are_blocked_too(tmp_path):
    lists = blocked(tmp_path, "/ipns/domain.example/a", f"/ipns/{KEY36}/b*")
    assert is_blocked(lists, "/ipns/domain.example/a")
    assert not is_blocked(lists, "/ipns/domain.example")
    assert is_blocked(lists, f"/ipns/{PEER}/b/c")


def test_a_name_that_is_blocked_does_not_block_content(tmp_path):
    lists = blocked(tmp_path, f"/ipns/{V0}")
    assert not is_blocked(lists, f"/ipfs/{V0}")


# --- //DOUBLE-HASH


def sha256_of(text: str) -> str:
    return base58_encode(b"\x12\x20" + hashlib.sha256(text.encode()).digest())


def test_a_double_hash_blocks_a_multihash(tmp_path):
    lists = blocked(tmp_path, "//QmX9dhRcQcKUw3Ws8485T5a9dtjrSCQaUAHnG4iK9i4ceM")
    assert is_blocked(lists, "/ipfs/bafybeidjwik6im54nrpfg7osdvmx7zojl5oaxqel5cmsz46iuelwf5acja")
    assert is_blocked(lists, "/ipfs/QmVTF1yEejXd9iMgoRTFDxBv7HAz9kuZcQNBzHrceuK9HR")
    assert not is_blocked(lists, f"/ipfs/{V0}")


def test_a_double_hash_blocks_a_path_a_domain_and_a_key(tmp_path):
    lists = blocked(
        tmp_path,
        f"//{sha256_of(f'{V0}/my/path')}",
        f"//{sha256_of('/ipns/domain.example')}",
        f"//{sha256_of(PEER)}",
    )
    assert is_blocked(lists, f"/ipfs/{V1}/my/path")
    assert not is_blocked(lists, f"/ipfs/{V1}")
    assert is_blocked(lists, "/ipns/domain.example")
    assert is_blocked(lists, f"/ipns/{KEY36}")


def test_a_double_hash_may_use_another_function(tmp_path):
    digest = hashlib.sha512(V0.encode()).digest()
    lists = blocked(tmp_path, f"//{base58_encode(bytes((0x13, 64)) + digest)}")
    assert is_blocked(lists, f"/ipfs/{V1}")


def test_a_legacy_double_hash_blocks_one_cid_one_path_or_one_name(tmp_path):
    cid = "bafybeiefwqslmf6zyyrxodaxx4vwqircuxpza5ri45ws3y5a62ypxti42e"
    lists = blocked(
        tmp_path,
        "//d9d295bde21f422d471a90f2a37ec53049fdf3e5fa3ee2e8f20e10003da429e7",
        "//3f8b9febd851873b3774b937cce126910699ceac56e72e64b866f8e258d09572",
        "//fb5a70b1aade810d21e8195a0da05f40ebd099e4b4d6bf088dc604e4fcf34263",
        "//6ef262a67f2c7caa9722b0fe46aced2f1559c749eab2bcf2f2701f43f802e900",
    )
    assert is_blocked(lists, f"/ipfs/{cid}")
    assert is_blocked(lists, f"/ipfs/{cid}/path")
    assert not is_blocked(lists, f"/ipfs/{cid}/path2")
    assert not is_blocked(lists, f"/ipfs/{CID(1, RAW, CID.parse(cid).multihash)}")
    assert is_blocked(lists, "/ipns/very-bad-example.eth")
    assert is_blocked(lists, "/ipns/k51qzi5uqu5dixwsch9wpd9rolqby1m0uqj5hhxwtxal0dwltastfmh01dlniq")


# --- Negated rules


@pytest.mark.parametrize("mark", ["!", "+", "-"])
def test_the_last_rule_that_matches_holds(tmp_path, mark):
    lists = blocked(
        tmp_path,
        f"/ipfs/{V1}/photo*",
        f"{mark}/ipfs/{V1}/photo123.jpg",
        f"{mark}/ipfs/{V1}/photos/ok*",
        f"{mark}/ipns/my.domain",
        "/ipns/my.domain",
    )
    assert is_blocked(lists, f"/ipfs/{V1}/photo1")
    assert not is_blocked(lists, f"/ipfs/{V1}/photo123.jpg")
    assert not is_blocked(lists, f"/ipfs/{V1}/photos/ok/a")
    assert is_blocked(lists, "/ipns/my.domain")


def test_an_exception_undoes_a_double_hash(tmp_path):
    assert not is_blocked(blocked(tmp_path, f"//{sha256_of(V0)}", f"!/ipfs/{V1}"), f"/ipfs/{V1}")


def test_later_lists_override_earlier_ones(tmp_path):
    write(tmp_path, f"!/ipfs/{V1}", name="b.deny")
    lists = blocked(tmp_path, f"/ipfs/{V1}")
    assert not is_blocked(lists, f"/ipfs/{V1}")


# --- Hints


def test_content_is_gone_unless_the_list_says_why(tmp_path):
    with pytest.raises(Blocked) as caught:
        blocked(tmp_path, f"/ipfs/{V1}").check(at(f"/ipfs/{V1}"))
    assert (caught.value.code, caught.value.denylist, caught.value.line) == (410, "a", 1)


@pytest.mark.parametrize("hint", ["gateway_status:451", "gateway_status=451"])
def test_a_hint_says_that_the_reason_is_legal(tmp_path, hint):
    with pytest.raises(LegallyBlocked) as caught:
        blocked(tmp_path, "", f"/ipfs/{V1} {hint} reason:court-order other:x").check(at(f"/ipfs/{V1}"))
    assert (caught.value.code, caught.value.line, caught.value.reason) == (451, 2, "court-order")


def test_a_rules_own_hint_overrides_that_of_its_list(tmp_path):
    header = 'version: 1\nname: "The list"\nhints:\n  gateway_status: "451"\n  reason: law'
    write(tmp_path, f"/ipfs/{V1}", f"/ipfs/{V1}/x gateway_status:410", header=header)
    lists = Denylists(tmp_path)
    lists.refresh()
    with pytest.raises(LegallyBlocked) as caught:
        lists.check(at(f"/ipfs/{V1}"))
    assert (caught.value.denylist, caught.value.line, caught.value.reason) == ("The list", 7, "law")
    with pytest.raises(Blocked) as caught:
        lists.check(at(f"/ipfs/{V1}/x"))
    assert caught.value.code == 410


# --- Header


def test_a_header_may_have_comments_and_fields_of_its_own(tmp_path):
    header = "# mine\nversion: 1 # first\ndescription: |\n  much\n  text\ntags:\n- a\n- b\nname: 'x: y'"
    write(tmp_path, f"/ipfs/{V1}", header=header)
    lists = Denylists(tmp_path)
    lists.refresh()
    with pytest.raises(Blocked) as caught:
        lists.check(at(f"/ipfs/{V1}"))
    assert caught.value.denylist == "x: y"


@pytest.mark.parametrize("header", ["version: 2", "nonsense", "  a: b", "a:b"])
def test_a_header_of_another_version_or_form_is_an_error(tmp_path, header):
    write(tmp_path, f"/ipfs/{V1}", header=header)
    with pytest.raises(InvalidContent) as caught:
        Denylists(tmp_path).refresh()
    assert caught.value.field == "a.deny"


def test_a_header_beyond_its_limit_is_read_as_rules(tmp_path, caplog):
    (tmp_path / "a.deny").write_text("x: y\n" * (MAX_HEADER_BYTES // 5 + 1) + f"---\n/ipfs/{V1}\n")
    lists = Denylists(tmp_path)
    with caplog.at_level(logging.WARNING):
        lists.refresh()
    assert is_blocked(lists, f"/ipfs/{V1}")
    assert "lines in all were left out" in caplog.text
    assert len(caplog.records) < 30


# --- File syntax, Security


def test_lines_that_are_no_rules_are_logged_and_left_out(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        lists = blocked(
            tmp_path,
            "# fine",
            "",
            "/ipfs/nonsense",
            "nonsense",
            "/other/x",
            "//zz",
            "/ipns/",
            "!",
            f"/ipfs/{V1}",
        )
    assert is_blocked(lists, f"/ipfs/{V1}")
    assert [record.args[1] for record in caplog.records] == [3, 4, 5, 6, 7, 8]  # type: ignore[index]


def test_a_line_beyond_its_limit_is_an_error(tmp_path):
    (tmp_path / "a.deny").write_text("#" * (MAX_LINE_BYTES + 1))
    with pytest.raises(InvalidContent) as caught:
        Denylists(tmp_path).refresh()
    assert caught.value.limit == MAX_LINE_BYTES


def test_a_last_line_without_its_end_counts(tmp_path):
    (tmp_path / "a.deny").write_bytes(f"/ipfs/{V1}\r\n/ipns/a.b".encode())
    lists = Denylists(tmp_path)
    lists.refresh()
    assert is_blocked(lists, f"/ipfs/{V1}")
    assert is_blocked(lists, "/ipns/a.b")


@pytest.mark.parametrize("cid", ["QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn", "bafkqaaa"])
def test_blocks_without_content_are_never_blocked(tmp_path, cid):
    assert not is_blocked(blocked(tmp_path, f"/ipfs/{cid}", f"/ipfs/{cid}/*"), f"/ipfs/{cid}")


# --- File extension, locations and order; live updates


def test_only_deny_files_are_read(tmp_path, lists):
    write(tmp_path, f"/ipfs/{V1}", name="a.txt")
    assert not lists.refresh()
    assert len(lists) == 0


def test_a_folder_that_is_not_there_blocks_nothing(tmp_path):
    assert not Denylists(tmp_path / "none").refresh()


def test_lists_are_read_again_only_when_they_change(tmp_path, lists):
    write(tmp_path, f"/ipfs/{V1}")
    assert lists.refresh()
    assert not lists.refresh()
    with (tmp_path / "a.deny").open("a") as file:
        file.write("/ipns/a.b\n")
    assert lists.refresh()
    assert is_blocked(lists, "/ipns/a.b")
    (tmp_path / "a.deny").unlink()
    assert lists.refresh()
    assert not is_blocked(lists, f"/ipfs/{V1}")


def test_a_list_that_breaks_leaves_the_former_rules_in_place(tmp_path, lists):
    write(tmp_path, f"/ipfs/{V1}")
    lists.refresh()
    write(tmp_path, f"/ipfs/{V1}", header="version: 9")
    for _ in range(2):
        with pytest.raises(InvalidContent):
            lists.refresh()
    assert is_blocked(lists, f"/ipfs/{V1}")


def test_a_list_of_the_same_size_but_another_time_is_read_again(tmp_path, lists):
    write(tmp_path, "/ipns/a.b")
    lists.refresh()
    found = (tmp_path / "a.deny").stat()
    (tmp_path / "a.deny").write_text("/ipns/a.c\n")
    os.utime(tmp_path / "a.deny", ns=(found.st_atime_ns, found.st_mtime_ns + 1))
    assert lists.refresh()
    assert is_blocked(lists, "/ipns/a.c")


# --- size


def test_a_list_of_many_hashes_is_read(tmp_path):
    with (tmp_path / "a.deny").open("w") as file:
        for number in range(20_000):
            file.write(f"//{hashlib.sha256(b'%d' % number).hexdigest()}\n")
    lists = Denylists(tmp_path)
    lists.refresh()
    assert len(lists) == 20_000


def test_a_digest_takes_less_than_a_hundred_bytes():
    table = DigestTable()
    for number in range(1, 50_001):
        table.put(hashlib.blake2b(b"%d" % number, digest_size=16).digest(), number)
        assert number < 1_000 or table.size_bytes < 100 * number


def test_a_digest_table_finds_all_it_was_given_and_nothing_else():
    table = DigestTable()
    digests = [hashlib.blake2b(b"%d" % number, digest_size=16).digest() for number in range(5_000)]
    for number, digest in enumerate(digests, start=1):
        table.put(digest, number)
    assert [table.get(digest) for digest in digests] == list(range(1, 5_001))
    assert table.get(bytes(16)) == 0
    assert len(table) == 5_000


def test_of_two_numbers_for_a_digest_the_greater_one_stays():
    table = DigestTable()
    for number in (2, 3, 1):
        table.put(bytes(16), number)
    assert table.get(bytes(16)) == 3
    assert len(table) == 1
