"""Records: made by the specification's rules, and refused with the rule that they break.

The first tests build each of the specification's six test vectors: V1 alone, V2 alone, both, and both with one
part broken.
"""

import tracemalloc
from dataclasses import replace

import cbrrr
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cidbus.actors.ipfs.ipns import record as records
from cidbus.actors.ipfs.ipns.keys import PrivateKey
from cidbus.actors.ipfs.ipns.moments import format_moment, parse_moment
from cidbus.actors.ipfs.ipns.protobuf import fields, put_bytes, put_number
from cidbus.actors.ipfs.ipns.record import Record, create, decode, select, validate
from cidbus.schemas.errors import BadRequest, BusError, InvalidContent, NotSupported, TooLarge

NOW_NS = 1_800_000_000 * 10**9
END_NS = NOW_NS + 48 * 3600 * 10**9 + 7
VALUE = b"/ipfs/bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku/a"
PB = {"value": 1, "signatureV1": 2, "validityType": 3, "validity": 4, "sequence": 5, "ttl": 6, "pubKey": 7,
      "signatureV2": 8, "data": 9}  # fmt: skip
KEY = PrivateKey.generate()


def make(key: PrivateKey, **options: object) -> Record:
    return create(key, **({"value": VALUE, "sequence": 5, "validity_ns": END_NS} | options))


def parts(raw: bytes) -> dict[str, bytes | int]:
    """The message as names and contents."""
    ids = {number: name for name, number in PB.items()}
    return {ids[part.id]: part.number if part.data is None else part.data for part in fields(raw, "test")}


def message(content: dict[str, bytes | int]) -> bytes:
    return b"".join(
        put_number(PB[name], part) if isinstance(part, int) else put_bytes(PB[name], part)
        for name, part in content.items()
    )


def changed(raw: bytes, **content: bytes | int | None) -> bytes:
    """The record with these parts in place of its own, or with None without them."""
    return message({name: part for name, part in (parts(raw) | content).items() if part is not None})


def signed(key: PrivateKey, document: dict[str, object]) -> bytes:
    """A V2 record of any document."""
    data = cbrrr.encode_dag_cbor(document)
    return message({"signatureV2": key.sign(b"ipns-signature:" + data), "data": data})


def document(**content: object) -> dict[str, object]:
    base = {
        "Value": VALUE,
        "Validity": format_moment(END_NS).encode(),
        "ValidityType": 0,
        "Sequence": 5,
        "TTL": 1,
    }
    return {name: part for name, part in (base | content).items() if part is not None}


def refusal(raw: bytes, key: PrivateKey, now_ns: int = NOW_NS) -> BusError:
    with pytest.raises(BusError) as caught:
        validate(raw, key.name, now_ns=now_ns)
    return caught.value


# ---- the specification's vectors ------------------------------------------------------------------------


def test_a_record_with_both_signatures_is_valid(key):
    record = validate(make(key).raw, key.name, now_ns=NOW_NS)
    assert (record.value, record.sequence, record.validity_ns, record.ttl_ns) == (
        VALUE,
        5,
        END_NS,
        300 * 10**9,
    )
    assert str(record.path) == VALUE.decode()
    assert record.has_v1


def test_a_record_with_v2_alone_is_valid(key):
    made = make(key, v1=False)
    assert set(parts(made.raw)) <= {"pubKey", "signatureV2", "data"}
    assert validate(made.raw, key.name, now_ns=NOW_NS) == made
    assert not made.has_v1


def test_a_record_with_v1_alone_is_refused(key):
    raw = changed(make(key).raw, signatureV2=None, data=None)
    assert refusal(raw, key).field == "record.signatureV2"
    assert refusal(changed(make(key).raw, data=None), key).field == "record.data"
    assert refusal(changed(make(key).raw, signatureV2=b""), key).field == "record.signatureV2"


def test_a_record_with_a_broken_v1_signature_is_valid(key):
    assert validate(changed(make(key).raw, signatureV1=b"broken"), key.name, now_ns=NOW_NS)


def test_a_record_with_a_broken_v2_signature_is_refused(key):
    made = make(key)
    broken = made.signature[:-1] + bytes([made.signature[-1] ^ 1])
    assert refusal(changed(made.raw, signatureV2=broken), key).field == "record.signatureV2"


@pytest.mark.parametrize(
    "other",
    [
        {"value": b"/ipfs/bafkqaaa"},
        {"validity": b"2100-01-01T00:00:00Z"},
        {"validityType": 1},
        {"sequence": 6},
        {"ttl": 1},
    ],
)
def test_v1_fields_that_differ_from_the_signed_data_are_refused(key, other):
    error = refusal(changed(make(key).raw, **other), key)
    assert isinstance(error, InvalidContent)
    assert error.problem == "differs between the V1 fields and the signed data"
    (name,) = other
    assert error.field.replace("_t", "T") == f"record.{name}"


# ---- what is written ------------------------------------------------------------------------------------


def test_the_document_is_canonical_and_v1_signs_the_word_eol(key):
    made = make(key, ttl_ns=60 * 10**9)
    content = parts(made.raw)
    validity = format_moment(END_NS).encode()
    assert validity.endswith(b".000000007Z")
    assert list(cbrrr.decode_dag_cbor(content["data"])) == [
        "TTL",
        "Value",
        "Sequence",
        "Validity",
        "ValidityType",
    ]
    assert key.public.verifies(content["signatureV1"], VALUE + validity + b"EOL")
    assert key.public.verifies(content["signatureV2"], b"ipns-signature:" + content["data"])
    assert (content["value"], content["validity"]) == (VALUE, validity)
    assert (content["validityType"], content["sequence"], content["ttl"]) == (0, 5, 60 * 10**9)


def test_the_same_arguments_make_the_same_record(key):
    assert make(key).raw == make(key).raw


def test_only_a_long_key_stands_in_the_record(ed25519, rsa):
    assert "pubKey" not in parts(make(ed25519).raw)
    assert parts(make(rsa).raw)["pubKey"] == rsa.public.encode()


def test_a_known_record_is_written_byte_for_byte():
    seed = b"\x08\x01\x12\x40" + bytes.fromhex(
        "7e0830617c4a7de83925dfb2694556b12936c477a0e1feb2e148ec9da60fee7d"
        "1ed1e8fae2c4a144b8be8fd4b47bf3d3b34b871c3cacf6010f0e42d474fce27e"
    )
    made = create(PrivateKey.decode(seed), b"/ipfs/bafkqaaa", sequence=1, validity_ns=NOW_NS, v1=False)
    assert made.data.hex() == (
        "a56354544c1b00000045d964b8006556616c75654e2f697066732f6261666b716161616853657175656e6365016856616c69"
        "64697479581e323032372d30312d31355430383a30303a30302e3030303030303030305a6c56616c69646974795479706500"
    )


@pytest.mark.parametrize("sequence", [0, 1, (1 << 63) - 1, 1 << 63, (1 << 64) - 1])
def test_every_sequence_of_64_bits_is_written_and_read(ed25519, sequence):
    made = make(ed25519, sequence=sequence, ttl_ns=sequence)
    assert validate(made.raw, ed25519.name, now_ns=NOW_NS).sequence == sequence


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"sequence": -1}, "sequence"),
        ({"sequence": 1 << 64}, "sequence"),
        ({"ttl_ns": -1}, "ttl"),
        ({"validity_ns": -1}, "validity"),
        ({"validity_ns": 1 << 63 << 5}, "validity"),
    ],
)
def test_what_cannot_be_written_is_refused(ed25519, options, field):
    with pytest.raises(BadRequest) as caught:
        make(ed25519, **options)
    assert caught.value.field == field


def test_a_record_over_10_kib_is_neither_made_nor_read(ed25519):
    with pytest.raises(TooLarge, match="10240"):
        make(ed25519, value=bytes(10_240))
    with pytest.raises(TooLarge, match="10240"):
        decode(bytes(10_241))


# ---- what is refused ------------------------------------------------------------------------------------


def test_a_record_of_another_key_is_refused(key, ed25519, rsa):
    other = rsa if key is ed25519 else ed25519
    assert refusal(make(key).raw, other).field in ("record.pubKey", "record.signatureV2")
    assert refusal(make(PrivateKey.generate()).raw, ed25519).field == "record.signatureV2"


def test_a_hashed_name_needs_the_key_in_the_record(rsa):
    assert "is missing" in refusal(changed(make(rsa).raw, pubKey=None), rsa).message


def test_a_key_that_is_not_the_names_is_refused(rsa, ed25519):
    raw = changed(make(rsa).raw, pubKey=ed25519.public.encode())
    assert refusal(raw, rsa).field == "record.pubKey"


def test_a_record_lives_until_its_last_nanosecond(key):
    raw = make(key).raw
    assert validate(raw, key.name, now_ns=END_NS)
    error = refusal(raw, key, END_NS + 1)
    assert error.field == "record.validity"
    assert "expired at 2027-01-17T08:00:00.000000007Z" in error.message


@pytest.mark.parametrize("name", ["Value", "Validity", "ValidityType", "Sequence", "TTL"])
def test_a_document_that_lacks_a_field_is_refused(name):
    assert refusal(signed(KEY, document(**{name: None})), KEY).field == f"record.data.{name}"


@pytest.mark.parametrize(
    "wrong",
    [
        {"Value": "text"}, {"Validity": 5}, {"Validity": b"tomorrow"}, {"Validity": b"2027-02-30T00:00:00Z"},
        {"Validity": b"2027-01-01T00:00:00.0000000001Z"}, {"Validity": b"\xff"}, {"Sequence": -1},
        {"Sequence": b"1"}, {"Sequence": True}, {"TTL": -1}, {"TTL": 1.5}, {"ValidityType": "EOL"},
    ],
)  # fmt: skip
def test_a_document_with_a_wrong_field_is_refused(wrong):
    (name,) = wrong
    assert refusal(signed(KEY, document(**wrong)), KEY).field == f"record.data.{name}"


def test_another_type_of_validity_is_not_supported():
    assert isinstance(refusal(signed(KEY, document(ValidityType=1)), KEY), NotSupported)


@pytest.mark.parametrize(
    "data", [b"\xa0", b"\x80", b"\xff", b"\xa1" * 50, b"\x81" * 9000 + b"\x80", b"\x9b" + b"\xff" * 8]
)
def test_data_that_are_no_document_are_refused(data):
    raw = message({"signatureV2": KEY.sign(b"ipns-signature:" + data), "data": data})
    assert refusal(raw, KEY).field.startswith("record.data")


def test_a_document_in_the_wrong_order_is_refused():
    right = cbrrr.encode_dag_cbor(document())
    ttl = right[1:6]
    wrong = right[:1] + right[6:] + ttl
    assert right[2:5] == b"TTL"
    raw = message({"signatureV2": KEY.sign(b"ipns-signature:" + wrong), "data": wrong})
    assert "not DAG-CBOR" in refusal(raw, KEY).message


def test_more_in_the_document_or_the_message_is_passed_over():
    raw = signed(KEY, document(_more={"deep": [1, b"2", None]}))
    assert validate(
        raw + put_number(77, 1) + put_bytes(78, b"x") + b"\xf9\x04" + bytes(8), KEY.name, now_ns=NOW_NS
    )


@pytest.mark.parametrize(
    "tail",
    [
        put_number(5, 6),  # the sequence again
        put_bytes(9, b"\xa0"),  # the data again
        b"\x0a",  # cut short
        b"\x0a\x05abc",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",  # longer than the message
        b"\x50" + b"\xff" * 10,  # a varint of more than 64 bits
        b"\x53\x54",  # a group
        b"\x02\x00",  # field 0
        b"\xf9\x04\0\0",  # a short fixed field
    ],
)
def test_a_message_that_is_not_strict_protobuf_is_refused(tail):
    assert refusal(make(KEY).raw + tail, KEY).field == "record"


def test_a_field_of_the_wrong_type_is_refused():
    raw = changed(make(KEY).raw, sequence=b"5")
    assert "wrong type" in refusal(raw, KEY).message


# ---- values and order -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (b"", "/ipfs/bafkqaaa"),
        (b"\x01\x55\x00\x02hi", "/ipfs/bafkqaatine"),
        (b"/ipns/example.com/a", "/ipns/example.com/a"),
        (b"/ipns/" + KEY.name.peer_id.encode(), f"/ipns/{KEY.name}"),
    ],
    ids=["nothing", "a binary CID", "a path", "a name by its peer id"],
)
def test_a_value_may_be_a_path_a_binary_cid_or_nothing(value, path):
    assert str(make(KEY, value=value).path) == path


@pytest.mark.parametrize(
    "value", [b"hello", b"/", b"/etc/passwd", b"/ipfs/x", b"\xff", b"/ipfs/\xff", b"/ipns/x"]
)
def test_a_value_that_is_no_path_is_refused_when_it_is_followed(value):
    record = validate(make(KEY, value=value).raw, KEY.name, now_ns=NOW_NS)
    with pytest.raises(InvalidContent) as caught:
        _ = record.path
    assert caught.value.field == "record.value"


def test_the_highest_sequence_counts_then_the_longest_life_then_the_bytes():
    old = make(KEY, sequence=1, validity_ns=END_NS + 10**15)
    short = make(KEY, sequence=2)
    long = make(KEY, sequence=2, validity_ns=END_NS + 1)
    twin = make(KEY, sequence=2, validity_ns=END_NS + 1, ttl_ns=1)
    for order in ([old, short, long], [long, old, short], [short, long, old]):
        assert select(order) is long
    assert select([long, twin]) is select([twin, long]) is max(long, twin, key=lambda record: record.raw)
    assert select([]) is None


def test_a_record_is_fresh_for_its_ttl_but_not_past_its_end():
    record = make(KEY, ttl_ns=10**12)
    assert record.fresh_ns(NOW_NS) == 10**12
    assert record.fresh_ns(END_NS - 5) == 5
    assert record.fresh_ns(END_NS + 5) == 0


@pytest.mark.parametrize(
    ("text", "nanoseconds"),
    [
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T01:00:00.5+01:00", 5 * 10**8),
        ("9999-12-31T23:59:59.999999999Z", 253402300799999999999),
        ("1969-12-31T23:59:59.25Z", -75 * 10**7),
    ],
)
def test_moments_are_read_to_the_nanosecond(text, nanoseconds):
    assert parse_moment(text, "when") == nanoseconds
    if nanoseconds >= 0:
        assert parse_moment(format_moment(nanoseconds), "when") == nanoseconds


# ---- hostile bytes --------------------------------------------------------------------------------------


def mutations() -> st.SearchStrategy[bytes]:
    raw = make(KEY).raw
    patch = st.tuples(st.integers(0, len(raw) - 1), st.integers(0, 3), st.binary(max_size=4))

    def patched(patches: list[tuple[int, int, bytes]]) -> bytes:
        out = raw
        for at, removed, added in patches:
            out = out[:at] + added + out[at + removed :]
        return out

    return st.lists(patch, min_size=1, max_size=4).map(patched)


@settings(max_examples=500)
@given(st.binary(max_size=300) | mutations())
def test_any_bytes_are_an_equal_record_or_an_error_of_ours(raw):
    try:
        record = validate(raw, KEY.name, now_ns=NOW_NS)
    except BusError:
        return
    # Nothing that is signed can have changed.
    made = make(KEY)
    assert (record.facts, record.data) == (made.facts, made.data)


@settings(max_examples=200)
@given(st.recursive(st.none() | st.booleans() | st.integers(-(1 << 64), (1 << 64) - 1) | st.binary() | st.text(),
                    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)))  # fmt: skip
def test_any_signed_document_is_a_record_or_an_error_of_ours(content):
    for raw in (
        signed(KEY, content),
        signed(KEY, document(Value=content)),
        signed(KEY, document(more=content)),
    ):
        try:
            validate(raw, KEY.name, now_ns=NOW_NS)
        except BusError:
            continue


def test_hostile_records_take_little_memory():
    tracemalloc.start()
    for data in (b"\x81" * 10_000 + b"\x80", b"\x9a\x00\x00\x26\x00" + b"\x80" * 9728, b"\x5b" + b"\x7f" * 8):
        refusal(message({"signatureV2": b"x", "data": data}), KEY)
    refusal(b"\x28\x01" * 5000, KEY)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20


def test_what_is_made_and_what_is_read_are_one(key):
    made = make(key)
    assert decode(made.raw) == made
    assert replace(made, raw=b"") != made
    assert made.ttl_ns == records.DEFAULT_TTL_NS
