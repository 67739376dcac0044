"""Forms are taken apart as they arrive, whatever the chunks, and refused where they break."""

import logging
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cidbus.actors.ipfs.unixfs import multipart
from cidbus.actors.ipfs.unixfs.multipart import Form, is_form
from cidbus.schemas.errors import BadRequest, TooLarge

BOUNDARY = "----cidbus1234"
TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def part(body: bytes, disposition: str = 'name="file"; filename="f"', kind: str = "") -> bytes:
    headers = f"Content-Disposition: form-data; {disposition}\r\n"
    headers += f"Content-Type: {kind}\r\n" if kind else ""
    return f"--{BOUNDARY}\r\n{headers}\r\n".encode() + body + b"\r\n"


def form(*parts: bytes, end: bytes = f"--{BOUNDARY}--\r\n".encode()) -> bytes:
    return b"".join(parts) + end


async def read(body: bytes, chunk_bytes: int = 1 << 16, content_type: str = TYPE, **options):
    """Every part as (path, kind, content), and the fields."""

    async def chunks():
        for start in range(0, len(body), chunk_bytes):
            yield body[start : start + chunk_bytes]

    opened = Form(chunks(), content_type, **options)
    return [(p.path, p.kind, await p.read(1 << 30)) async for p in opened.parts()], opened.fields


async def only_path(disposition: str, **options) -> str | None:
    ((path, _, _),), _ = await read(form(part(b"", disposition)), **options)
    return path


async def test_files_directories_and_links_come_in_order():
    body = form(
        part(b"", 'name="file"; filename="dir"', "application/x-directory"),
        part(b"content", 'name="file"; filename="dir%2Ffile.txt"', "text/plain"),
        part(b"file.txt", 'name="file"; filename="dir%2Flink"', "application/symlink"),
    )
    parts, fields = await read(body)
    assert parts == [
        ("dir", "directory", b""),
        ("dir/file.txt", "file", b"content"),
        ("dir/link", "symlink", b"file.txt"),
    ]
    assert fields == {}


contents = st.binary(max_size=200) | st.sampled_from(
    [f"\r\n--{BOUNDARY}"[:n].encode() for n in range(1, len(BOUNDARY) + 4)]
    + [f"\r\n--{BOUNDARY}x".encode(), f"--{BOUNDARY}--".encode(), b"\r\n" * 50, b"\r\r\r\n\n--" * 20]
)


@settings(max_examples=200)
@given(bodies=st.lists(contents, max_size=5), chunk_bytes=st.integers(1, 100))
async def test_any_content_in_any_chunks_is_read_as_it_was_sent(bodies, chunk_bytes):
    parts, _ = await read(form(*map(part, bodies)), chunk_bytes)
    assert [content for _, _, content in parts] == bodies


async def test_small_fields_are_kept_wherever_they_stand():
    body = form(part(b"before", 'name="a"'), part(b"x"), part("ä".encode(), 'name="b"'))
    parts, fields = await read(body)
    assert (len(parts), fields) == (1, {"a": "before", "b": "ä"})


@pytest.mark.parametrize("field", ["content", "file"])
async def test_content_without_a_filename_is_a_file_without_a_path(field):
    body = form(part(b"hi", f'name="{field}"'), part(b"hi.txt", 'name="filename"'))
    assert await read(body) == ([(None, "file", b"hi")], {"filename": "hi.txt"})


@pytest.mark.parametrize(
    ("filename", "path"),
    [
        ("plain.txt", "plain.txt"),
        ("a%20b%2Bc", "a b+c"),
        ("a+b", "a+b"),
        ("%C3%A4", "ä"),
        ("ä", "ä"),
        ("100%", "100%"),
        ("/abs/path/", "abs/path"),
        ("../up", "../up"),
        (r"quote\"d", 'quote"d'),
        ("", None),
    ],
)
async def test_a_filename_is_a_percent_encoded_path(filename, path):
    assert await only_path(f'name="file"; filename="{filename}"') == path


async def test_plus_is_a_space_where_query_encoding_is_expected():
    assert await only_path('name="file"; filename="a+b%2Bc"', like_kubo=True) == "a b+c"


async def test_header_names_are_read_in_any_case():
    body = f"--{BOUNDARY}\r\ncOnTeNt-DiSpOsItIoN: form-data; name=file; filename=x\r\n\r\nhi\r\n".encode()
    assert await read(form(body)) == ([("x", "file", b"hi")], {})


async def test_a_part_that_is_not_read_is_skipped():
    body = form(part(b"x" * 1000), part(b"y", 'name="file"; filename="second"'))

    async def chunks():
        for byte in body:
            yield bytes([byte])

    assert [p.path async for p in Form(chunks(), TYPE).parts()] == ["f", "second"]


async def test_an_empty_form_has_no_parts():
    assert await read(form()) == ([], {})


async def test_what_follows_the_last_boundary_is_skipped_up_to_a_limit():
    assert (await read(form(part(b"x")) + b"\r\nepilogue", 10))[0] == [("f", "file", b"x")]
    with pytest.raises(BadRequest, match="last boundary"):
        await read(form(part(b"x")) + bytes(100_000), 1000)


@settings(max_examples=60)
@given(st.data())
async def test_a_form_that_is_cut_short_anywhere_is_refused(data):
    body = form(part(b"x" * 20), part(b"y"))
    end = data.draw(st.integers(0, len(body) - len("--\r\n") - 1))
    with pytest.raises(BadRequest, match="cut short"):
        await read(body[:end], data.draw(st.integers(1, 50)))


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"no form at all", "form"),
        (b"--other\r\n\r\n", "form"),
        (f"--{BOUNDARY}\r\nBad Header: x\r\n\r\n".encode(), "invalid character"),
        (form(f"--{BOUNDARY}\r\n\r\nhi\r\n".encode()), "Content-Disposition"),
        (
            form(f"--{BOUNDARY}\r\nContent-Disposition: attachment\r\n\r\nhi\r\n".encode()),
            "Content-Disposition",
        ),
        (form(part(b"", 'filename="x"')), "Content-Disposition"),
        (form(part(b"", 'name="file"; filename="%ff"')), "filename: not UTF-8"),
        (form(part(b"\xff", 'name="field"')), "field: not UTF-8"),
        (form(part(b"", "name=a") + b""), None),
    ],
)
async def test_a_broken_form_is_refused_with_the_reason(body, problem, caplog):
    caplog.set_level(logging.CRITICAL, "python_multipart")
    if problem is None:
        assert await read(body) == ([], {"a": ""})
        return
    with pytest.raises(BadRequest, match=problem):
        await read(body)


@pytest.mark.parametrize(
    ("content_type", "problem"),
    [
        ("text/plain", "not multipart"),
        ("multipart/mixed; boundary=x", "not multipart"),
        ("multipart/form-data", "boundary of 0"),
        ("multipart/form-data; boundary=", "boundary of 0"),
        (f"multipart/form-data; boundary={'x' * 71}", "boundary of 71"),
    ],
)
async def test_a_type_that_is_no_form_is_refused(content_type, problem):
    with pytest.raises(BadRequest, match=problem) as caught:
        await read(b"", content_type=content_type)
    assert caught.value.field == "content_type"


def test_a_form_is_known_by_its_type():
    assert is_form("Multipart/Form-Data; boundary=x")
    assert not is_form("multipart/mixed; boundary=x")
    assert not is_form(None)


@pytest.mark.parametrize(
    "headers",
    [
        "X: " + "x" * 9000 + "\r\n",
        "X: " + "x" * 5000 + "\r\nY: " + "y" * 5000 + "\r\n",
        "".join(f"X-{i}: x\r\n" for i in range(100)),
        "X" * 9000,
    ],
)
@pytest.mark.parametrize("chunk_bytes", [7, 100_000])
async def test_headers_beyond_their_limit_are_refused(headers, chunk_bytes):
    body = f"--{BOUNDARY}\r\n{headers}\r\n".encode()
    with pytest.raises((BadRequest, TooLarge), match="form"):
        await read(body, chunk_bytes)


async def test_fields_beyond_a_mebibyte_are_refused():
    with pytest.raises(TooLarge):
        await read(form(part(b"x" * (1 << 19), 'name="a"'), part(b"x" * (1 << 19), 'name="b"')))


async def test_more_parts_than_the_limit_are_refused(monkeypatch):
    monkeypatch.setattr(multipart, "MAX_PARTS", 3)
    with pytest.raises(TooLarge, match="3 parts"):
        await read(form(*[part(b"")] * 4))


async def test_a_large_part_is_never_held_whole():
    async def chunks():
        yield part(b"")[:-2]
        for _ in range(64):
            yield bytes(1 << 20)
        yield f"\r\n--{BOUNDARY}--".encode()

    tracemalloc.start()
    total = 0
    async for one in Form(chunks(), TYPE).parts():
        async for piece in one:
            total += len(piece)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 64 << 20
    assert peak < 8 << 20


async def test_reading_a_part_stops_at_its_limit():
    async def chunks():
        yield form(part(b"x" * 100))

    async for one in Form(chunks(), TYPE).parts():
        with pytest.raises(TooLarge, match="target: more than 50"):
            await one.read(50, "target")
