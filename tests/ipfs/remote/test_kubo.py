"""Kubo's RPC as a client, against a server that follows a script: what goes wrong, and what goes both ways."""

import asyncio

import pytest
from aiohttp import web

from cidbus.actors.ipfs.remote.kubo import FilePart, KuboFetcher, KuboRpc
from cidbus.actors.ipfs.unixfs.multipart import Form
from cidbus.schemas.cid import CID, RAW
from cidbus.schemas.errors import (
    BadRequest,
    Busy,
    DeadlineExceeded,
    Forbidden,
    Internal,
    InvalidContent,
    NotFound,
    NotSupported,
    TooLarge,
    Unavailable,
)

CID_OF_BLOCK = CID.of(RAW, b"a block")
HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Stream-Error\r\n\r\n"


@pytest.fixture
async def kubo_at(pauses):
    """`kubo_at(url)` is a client of that URL; pauses between tries take no time."""
    pauses.skip = True
    opened = []

    def client(url, **options):
        opened.append(KuboRpc(url, pause=pauses, **options))
        return opened[-1]

    yield client
    for one in opened:
        await one.close()


@pytest.fixture
def answering(serve, kubo_at):
    """`await answering(text, status=…)`: a client of a Kubo that always answers so, and what it was asked."""

    async def start(text=b"{}", **options):
        asked = []

        async def answer(request):
            asked.append(request)
            await request.read()
            return web.Response(body=text, **{"content_type": "application/json"} | options)

        return kubo_at(await serve(answer)), asked

    return start


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


async def all_of(stream):
    return [one async for one in stream]


# Requests


async def test_a_call_is_a_post_with_repeated_args_and_options_in_kubos_spelling(answering):
    kubo, asked = await answering(b'{"Pins": []}')
    answer = await kubo.call("pin/add", "/ipfs/a b", "c", recursive=True, cid_version=1, name="ü&", skip=None)
    assert answer == {"Pins": []}
    (request,) = asked
    assert (request.method, request.path) == ("POST", "/api/v0/pin/add")
    assert list(request.query.items()) == [
        ("arg", "/ipfs/a b"),
        ("arg", "c"),
        ("recursive", "true"),
        ("cid-version", "1"),
        ("name", "ü&"),
    ]
    assert "Authorization" not in request.headers


async def test_the_authorization_header_goes_with_every_call(serve, kubo_at):
    async def answer(request):
        return web.json_response(request.headers.get("Authorization"))

    kubo = kubo_at(await serve(answer), authorization="Bearer secret")
    assert await kubo.call("version") == "Bearer secret"


@pytest.mark.parametrize("path", ["", "/", "/api/v0", "/api/v0/"])
async def test_the_url_may_have_the_api_path_or_not(serve, kubo_at, path):
    async def answer(request):
        return web.json_response(request.path)

    url = await serve(answer)
    kubo = kubo_at(url + path)
    assert await kubo.call("version") == "/api/v0/version"
    assert kubo.url == url


async def test_a_kubo_behind_a_path_is_called_there(serve, kubo_at):
    async def answer(request):
        return web.json_response(request.path)

    assert await kubo_at(await serve(answer) + "/node/1").call("id") == "/node/1/api/v0/id"


@pytest.mark.parametrize(
    "url", ["", "127.0.0.1:5001", "ftp://host", "http://me:secret@host", "http://host?a=b"]
)
def test_what_is_no_url_of_a_kubo_is_refused(url):
    with pytest.raises(BadRequest) as caught:
        KuboRpc(url)
    assert caught.value.field == "kubo_url"
    assert "secret" not in caught.value.message


# Answers


async def test_an_empty_answer_is_none(answering):
    kubo, _ = await answering(b"\n")
    assert await kubo.call("files/mkdir", "/a") is None


async def test_an_answer_that_is_not_json_is_invalid_content(answering):
    kubo, _ = await answering(b"<html>")
    with pytest.raises(InvalidContent, match="Kubo's answer to id is not JSON"):
        await kubo.call("id")


async def test_an_answer_without_end_is_cut(serve, kubo_at):
    async def answer(request):
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(bytes(1 << 20))

    kubo = kubo_at(await serve(answer))
    with pytest.raises(TooLarge) as caught:
        await kubo.call("pin/ls")
    assert (caught.value.field, caught.value.limit) == ("pin/ls", 16 << 20)
    with pytest.raises(TooLarge) as caught:
        await all_of(kubo.lines("pin/ls"))
    assert (caught.value.field, caught.value.limit) == ("line", 4 << 20)
    with pytest.raises(TooLarge) as caught:
        await KuboFetcher(kubo).fetch(CID_OF_BLOCK)
    assert (caught.value.field, caught.value.limit) == ("block", 2 << 20)


async def test_lines_arrive_one_by_one_before_the_answer_has_ended(serve, kubo_at):
    go = asyncio.Event()

    async def answer(request):
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b'{"n": 1}\n{"n"')
        await go.wait()
        await response.write(b': 2}\n\n{"n": 3}')
        return response

    lines = kubo_at(await serve(answer)).lines("pin/ls", stream=True)
    assert await anext(lines) == {"n": 1}
    go.set()
    assert await all_of(lines) == [{"n": 2}, {"n": 3}]


async def test_an_error_among_the_lines_is_raised_after_those_before_it(answering):
    kubo, _ = await answering(
        b'{"Type": "recursive"}\n{"Message": "context canceled", "Code": 0, "Type": "error"}\n'
    )
    lines = kubo.lines("pin/ls")
    assert await anext(lines) == {"Type": "recursive"}
    with pytest.raises(Unavailable, match="context canceled"):
        await anext(lines)


async def test_a_reader_that_leaves_early_gives_its_connection_back(serve, kubo_at):
    left = asyncio.Event()

    async def answer(request):
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(bytes(1 << 16))
        finally:
            left.set()

    kubo = kubo_at(await serve(answer), connections=1)
    for _ in range(3):
        left.clear()
        stream = kubo.read("cat", "x")
        await anext(stream)
        await stream.aclose()
        await left.wait()


# Errors


@pytest.mark.parametrize(
    ("status", "text", "error", "words"),
    [
        (500, b'{"Message":"blah blah","Code":0,"Type":"error"}', Internal, "Kubo failed at id: blah blah"),
        (400, b'{"Message":"blah blah","Code":1,"Type":"error"}', BadRequest, "blah blah"),
        (500, b'{"Message":"blah","Code":3,"Type":"error"}', Busy, "blah"),
        (500, b'{"Message":"blah","Code":4,"Type":"error"}', Forbidden, "blah"),
        (500, b'{"Message":"not implemented","Code":0,"Type":"error"}', NotSupported, "not implemented"),
        (400, b'argument "key" is required', BadRequest, 'argument "key" is required'),
        (401, b"", Forbidden, "does not let us call id"),
        (403, b"403 - Forbidden", Forbidden, "403 - Forbidden"),
        (404, b"404 page not found", NotSupported, "has no command id"),
        (405, b"", NotSupported, "has no command id"),
        (429, b"", Busy, "is busy"),
        (502, b"<h1>Bad Gateway</h1>", Unavailable, "answered 502 to id"),
        (500, b"not json", Unavailable, "answered 500 to id"),
        (302, b"", Unavailable, "answered 302 to id"),
    ],
)
async def test_a_refusal_becomes_our_own_error_with_kubos_words(answering, status, text, error, words):
    kubo, _ = await answering(text, status=status)
    with pytest.raises(error) as caught:
        await kubo.call("id")
    assert type(caught.value) is error
    assert words in caught.value.message


async def test_nobody_there_is_unavailable_names_the_url_and_is_not_tried_again(kubo_at, pauses):
    with pytest.raises(Unavailable) as caught:
        await kubo_at("http://127.0.0.1:1").call("version")
    assert caught.value.url == "http://127.0.0.1:1"
    assert "http://127.0.0.1:1 cannot be reached" in caught.value.message
    assert pauses.asked == []


async def test_a_silent_kubo_is_given_up_after_the_time_the_call_allows(serve, kubo_at):
    async def answer(request):
        await asyncio.Event().wait()

    kubo = kubo_at(await serve(answer))
    with pytest.raises(DeadlineExceeded) as caught:
        await kubo.call("pin/add", "x", timeout_s=0.05)
    assert caught.value.timeout_s == 0.05
    with pytest.raises(DeadlineExceeded):
        await KuboFetcher(kubo, timeout_s=0.05).fetch(CID_OF_BLOCK)


# Trailers: an error in the middle of a stream


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("size", [0, 5, 200_000])
async def test_an_error_in_the_trailer_is_raised_after_the_bytes_before_it(talk, kubo_at, together, size):
    body = chunk(b"x" * size) if size else b""
    trailer = b"0\r\nX-Stream-Error: ipld: could not find bafyx\r\n\r\n"

    async def say(reader, writer):
        while True:
            await reader.readuntil(b"\r\n\r\n")
            for piece in [HEAD + body + trailer] if together else [HEAD, body, trailer[:9], trailer[9:]]:
                writer.write(piece)
                await writer.drain()

    kubo = kubo_at(await talk(say))
    received = 0
    with pytest.raises(NotFound) as caught:
        async for piece in kubo.read("cat", "bafyroot"):
            received += len(piece)
    assert (received, caught.value.name) == (size, "bafyx")
    with pytest.raises(NotFound):
        await kubo.call("cat", "bafyroot")


async def test_an_answer_without_an_error_in_its_trailer_is_whole_also_on_the_same_connection(talk, kubo_at):
    connections = 0

    async def say(reader, writer):
        nonlocal connections
        connections += 1
        for trailer in (b"X-Stream-Error: gone\r\n", b"", b"X-Other: X-Stream-Error: no\r\n"):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(
                HEAD + chunk(b"X-Stream-Error: only content\r\n0\r\n") + b"0\r\n" + trailer + b"\r\n"
            )

    kubo = kubo_at(await talk(say))
    with pytest.raises(Internal, match="gone"):
        await all_of(kubo.read("block/put"))
    for _ in range(2):
        assert b"".join(await all_of(kubo.read("block/put"))) == b"X-Stream-Error: only content\r\n0\r\n"
    assert connections == 1


async def test_a_slow_reader_still_gets_the_error_of_its_own_answer(talk, kubo_at):
    """The connection is free, and used again, before the first answer's bytes have been taken."""

    async def say(reader, writer):
        for trailer in (b"X-Stream-Error: first\r\n", b""):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(HEAD + chunk(b"a" * 100) + chunk(b"b" * 100) + b"0\r\n" + trailer + b"\r\n")
        await reader.read()

    kubo = kubo_at(await talk(say), connections=1)
    slow = kubo.read("block/put")
    await anext(slow)
    assert len(b"".join(await all_of(kubo.read("block/put")))) == 200
    with pytest.raises(Internal, match="first"):
        await all_of(slow)


async def test_a_trailer_longer_than_what_is_remembered_is_still_an_error(talk, kubo_at):
    async def say(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(HEAD + chunk(b"x") + b"0\r\nX-Stream-Error: " + b"long " * 1000 + b"\r\n\r\n")
        await reader.read()

    with pytest.raises(Internal, match="long long"):
        await all_of(kubo_at(await talk(say)).read("block/put"))


# Broken connections and trying again


def hanging_up(times, after=b""):
    """A Kubo that hangs up on the first connections, having said something or nothing."""
    calls = []

    async def say(reader, writer):
        calls.append(await reader.readuntil(b"\r\n\r\n"))
        if len(calls) <= times:
            writer.write(after)
            await writer.drain()
        else:
            writer.write(HEAD + chunk(b'{"ok": true}') + b"0\r\n\r\n")
            await reader.read()

    return say, calls


async def test_a_call_that_only_reads_is_sent_again_when_it_broke_off(talk, kubo_at, pauses):
    say, calls = hanging_up(2)
    assert await kubo_at(await talk(say)).call("version") == {"ok": True}
    assert (len(calls), pauses.asked) == (3, [0.1, 0.4])


async def test_a_stream_is_begun_again_only_while_nothing_was_handed_on(talk, kubo_at):
    say, calls = hanging_up(1, HEAD)
    assert b"".join(await all_of(kubo_at(await talk(say)).read("cat", "x"))) == b'{"ok": true}'
    assert len(calls) == 2
    say, calls = hanging_up(1, HEAD + chunk(b"first"))
    stream = kubo_at(await talk(say)).read("cat", "x")
    assert await anext(stream) == b"first"
    with pytest.raises(Unavailable, match="broke off"):
        await anext(stream)
    assert len(calls) == 1


async def test_trying_again_has_an_end(talk, kubo_at):
    say, calls = hanging_up(100)
    with pytest.raises(Unavailable):
        await kubo_at(await talk(say)).call("version")
    assert len(calls) == 3


async def test_a_call_that_changes_something_is_sent_once(talk, kubo_at):
    say, calls = hanging_up(100)
    kubo = kubo_at(await talk(say))
    for attempt in (kubo.call("pin/add", "x"), all_of(kubo.lines("add", upload=[FilePart("a", b"1")]))):
        calls.clear()
        with pytest.raises(Unavailable):
            await attempt
        assert len(calls) == 1


# Uploads


async def test_a_tree_is_uploaded_as_a_form_that_our_own_parser_reads_back(serve, kubo_at):
    seen = []

    async def answer(request):
        form = Form(request.content.iter_any(), request.headers["Content-Type"])
        async for part in form.parts():
            content = b"".join([bytes(piece) async for piece in part])
            seen.append((part.field, part.path, part.kind, content))
        return web.json_response({"ok": True})

    async def pieces():
        yield b"he"
        yield b""
        yield b"llo"

    async def parts():
        yield FilePart("dir", kind="directory")
        yield FilePart('dir/a "quoted"\r\nü+%.txt', pieces(), mode=0o644, mtime=1700000000)
        yield FilePart("dir/link", b"target", "symlink")

    assert await kubo_at(await serve(answer)).call("add", upload=parts()) == {"ok": True}
    assert seen == [
        ("file", "dir", "directory", b""),
        ("file?mode=0644&mtime=1700000000", 'dir/a "quoted"\r\nü+%.txt', "file", b"hello"),
        ("file", "dir/link", "symlink", b"target"),
    ]


async def test_answers_arrive_while_the_upload_is_still_on_its_way(serve, kubo_at):
    second = asyncio.Event()

    async def answer(request):
        response = web.StreamResponse()
        await response.prepare(request)
        received = b""
        async for piece in request.content.iter_any():
            received += piece
            await response.write(b'{"Bytes": %d}\n' % len(received))
        return response

    async def pieces():
        yield b"x" * 1000
        await second.wait()
        yield b"y" * 1000

    lines = kubo_at(await serve(answer)).lines("add", upload=[FilePart("a", pieces())])
    assert (await anext(lines))["Bytes"] > 0
    second.set()
    assert (await all_of(lines))[-1]["Bytes"] > 2000


async def test_an_upload_is_not_read_faster_than_it_is_sent(serve, kubo_at):
    read, go = 0, asyncio.Event()
    begun = asyncio.Event()

    async def answer(request):
        begun.set()
        await go.wait()
        size = 0
        async for piece in request.content.iter_any():
            size += len(piece)
        return web.json_response(size)

    async def pieces():
        nonlocal read
        for _ in range(256):
            read += 1 << 18
            yield bytes(1 << 18)

    calling = asyncio.create_task(kubo_at(await serve(answer)).call("add", upload=[FilePart("a", pieces())]))
    await begun.wait()
    before = -1
    while read != before:  # until the buffers on the way are full
        before = read
        for _ in range(50):
            await asyncio.sleep(0)
    assert read < 32 << 20
    go.set()
    assert await calling > 64 << 20


async def test_content_that_fails_ends_the_upload_with_its_own_error_and_the_form_is_not_completed(
    serve, kubo_at
):
    ended = asyncio.Queue()

    async def answer(request):
        try:
            ended.put_nowait(await request.read())
        except BaseException as error:
            ended.put_nowait(error)
            raise
        return web.json_response({})

    async def pieces():
        yield b"some"
        raise InvalidContent("content", "the client went away")

    with pytest.raises(InvalidContent, match="the client went away"):
        await kubo_at(await serve(answer)).call("add", upload=[FilePart("a", pieces())])
    assert isinstance(await ended.get(), BaseException)


async def test_an_upload_that_is_refused_at_once_gives_kubos_reason(serve, kubo_at):
    async def answer(request):
        return web.json_response({"Message": "invalid chunker", "Code": 0, "Type": "error"}, status=500)

    async def pieces():
        for _ in range(4):
            yield bytes(1 << 10)

    with pytest.raises(BadRequest) as caught:
        await kubo_at(await serve(answer)).call("add", upload=[FilePart("a", pieces())])
    assert caught.value.field == "chunker"


async def test_a_closed_client_says_so(kubo_at):
    kubo = kubo_at("http://127.0.0.1:1")
    await kubo.close()
    with pytest.raises(Unavailable, match="closed"):
        await kubo.call("version")
