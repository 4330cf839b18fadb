# SPDX-License-Identifier: Apache-2.0
"""Requests for a range of a file that an application returns."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from .client import Response
from .httpd import Httpd, StartHttpd

SIZES = {"small": 30_000, "big": 3_000_000}


@pytest.fixture(scope="module", params=["embedded", "daemon"])
def server(request: pytest.FixtureRequest, start_shared_httpd: StartHttpd) -> Httpd:
    group = "%{GLOBAL}" if request.param == "embedded" else "ranges"
    server = start_shared_httpd(
        "WSGIDaemonProcess ranges threads=4",
        f"WSGIScriptAlias /objects ${{APPS}}/file_objects_app.py process-group={group} application-group=%{{GLOBAL}}",
        f"WSGIScriptAlias / ${{APPS}}/replaced_head_app.py process-group={group} application-group=%{{GLOBAL}}",
    )
    for name, size in SIZES.items():
        path = Path(server.out / name)
        path.write_bytes(content(size))
        path.chmod(0o644)
    server.mode = request.param  # type: ignore[attr-defined]
    return server


def content(size: int) -> bytes:
    return b"".join(b"%09d\n" % number for number in range(size // 10))


def ask(server: Httpd, name: str, byte_range: str | None, **headers: str) -> Response:
    fields = {**({"Range": byte_range} if byte_range else {}), **headers}
    return server.get(f"/?file={server.out / name}", fields)


@pytest.mark.parametrize("name", SIZES)
def test_the_same_range_is_answered_every_time(server: Httpd, name: str) -> None:
    whole = content(SIZES[name])
    for _ in range(20):
        response = ask(server, name, "bytes=100-199")
        assert (response.status, response.body) == (206, whole[100:200])
        assert response.header("Content-Range") == f"bytes 100-199/{len(whole)}"
        assert response.header("Content-Length") == "100"


@pytest.mark.parametrize("name", SIZES)
def test_without_a_range_the_whole_file_has_its_length(server: Httpd, name: str) -> None:
    for _ in range(5):
        response = ask(server, name, None)
        assert (response.status, response.body) == (200, content(SIZES[name]))
        assert response.header("Content-Length") == str(SIZES[name])


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize(
    ("byte_range", "begin", "end"),
    [("bytes=-50", -50, None), ("bytes=29000-", 29_000, None), ("bytes=0-0", 0, 1), ("bytes=20000-99999999", 20_000, None)],
)
def test_open_ends_and_last_bytes(server: Httpd, name: str, byte_range: str, begin: int, end: int | None) -> None:
    response = ask(server, name, byte_range)
    assert (response.status, response.body) == (206, content(SIZES[name])[begin:end])


@pytest.mark.parametrize("name", SIZES)
def test_several_ranges_and_ranges_behind_the_end(server: Httpd, name: str) -> None:
    several = ask(server, name, "bytes=0-9,100-109")
    behind = ask(server, name, "bytes=99999999-")
    if server.mode == "embedded":  # type: ignore[attr-defined]
        assert several.status == 206
        assert several.header("Content-Type").startswith("multipart/byteranges")
        assert behind.status == 416
    else:
        assert (several.status, several.body) == (200, content(SIZES[name]))
        assert (behind.status, behind.body) == (200, content(SIZES[name]))


@pytest.mark.parametrize("byte_range", ["bytes=", "bytes=a-b", "bytes=5-1", "items=0-5", "bytes=-0", "bytes=1-2-3"])
def test_a_range_that_is_none_gives_the_whole_or_nothing(server: Httpd, byte_range: str) -> None:
    response = ask(server, "small", byte_range)
    assert response.status in (200, 416)
    assert response.status == 416 or response.body == content(SIZES["small"])


def test_a_range_applies_to_no_other_status(server: Httpd) -> None:
    response = server.get(f"/?file={server.out / 'small'}&status=404 Not Found".replace(" ", "%20"), {"Range": "bytes=0-9"})
    assert (response.status, response.body) == (404, content(SIZES["small"]))


def test_a_request_on_the_same_connection_follows_a_range(server: Httpd) -> None:
    for _ in range(3):
        assert ask(server, "big", "bytes=5-9").body == content(SIZES["big"])[5:10]
        assert ask(server, "small", None).body == content(SIZES["small"])


PLAIN = ["open", "unbuffered", "temporary", "proxy", "proxy-of-proxy", "proxy-of-temporary", "opening"]


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("kind", PLAIN)
def test_an_object_that_reads_as_its_file_does_has_ranges_and_a_length(server: Httpd, kind: str, name: str) -> None:
    whole = content(SIZES[name])
    url = f"/objects/{kind}?file={server.out / name}"
    response = server.get(url)
    assert (response.status, response.body) == (200, whole)
    assert response.header("Content-Length") == str(len(whole))
    response = server.get(url, {"Range": "bytes=100-199"})
    assert (response.status, response.body) == (206, whole[100:200])


def test_a_range_counts_from_the_position_of_the_file_in_an_object(server: Httpd) -> None:
    response = server.get(f"/objects/tail?file={server.out / 'small'}", {"Range": "bytes=100-199"})
    assert (response.status, response.body) == (206, content(SIZES["small"])[1100:1200])
    assert response.header("Content-Range") == f"bytes 100-199/{SIZES['small'] - 1000}"


def test_what_was_written_to_a_file_is_in_its_response(server: Httpd) -> None:
    path = server.out / "written"
    path.write_bytes(content(1000))
    path.chmod(0o666)
    response = server.get(f"/objects/written?file={path}")
    assert response.body == b"written!!\n" + content(1000)[10:]
    assert response.header("Content-Length") == "1000"


@pytest.mark.parametrize("kind", ["shouting", "decorated", "replaced-method", "compressed", "lines", "failing"])
def test_an_object_that_may_read_something_else_is_read_in_blocks(server: Httpd, kind: str) -> None:
    whole = content(SIZES["small"])
    if kind in ("shouting", "decorated", "replaced-method"):
        whole = whole.replace(b"\n", b"!")
    response = server.get(f"/objects/{kind}?file={server.out / 'small'}")
    assert (response.status, response.body) == (200, whole)
    assert response.header("Content-Length") is None


def test_a_range_of_a_file_without_blocks_is_answered(server: Httpd) -> None:
    response = server.get("/objects/sparse?file=-", {"Range": "bytes=3000000000-3000000099"})
    assert (response.status, response.body) == (206, bytes(100))
    assert response.header("Content-Range") == f"bytes 3000000000-3000000099/{3 << 30}"


@pytest.mark.parametrize("path", ["/sys/kernel/mm/transparent_hugepage/enabled", "/proc/self/status"])
def test_a_file_that_the_kernel_generates_is_read_in_blocks(server: Httpd, path: str) -> None:
    if not Path(path).exists():
        pytest.skip(f"the machine has no {path}")
    response = server.get(f"/objects/open?file={path}")
    assert response.status == 200
    assert response.header("Content-Length") in (None, str(len(response.body)))
    assert response.body.endswith(b"\n")


def test_other_responses_have_ranges_if_their_length_is_known(server: Httpd) -> None:
    whole = server.get("/?body=0123456789&header=Content-Length:10", {"Range": "bytes=2-4"})
    assert (whole.status, whole.body) == (206, b"234")
    blocks = server.get("/?body=0123456789&pieces=1", {"Range": "bytes=2-4"})
    assert (blocks.status, blocks.body) == (200, b"0123456789")
    known = server.get("/?body=0123456789&pieces=1&header=Content-Length:10", {"Range": "bytes=2-4"})
    embedded = server.mode == "embedded"  # type: ignore[attr-defined]
    assert (known.status, known.body) == ((200, b"0123456789") if embedded else (206, b"234"))


@pytest.mark.parametrize("pieces", ["", "&pieces=1"])
@pytest.mark.parametrize("byte_range", ["bytes=2-4", "bytes=0-1,4-5", "bytes=99-"])
def test_a_response_of_unknown_length_is_whole_however_it_arrives(server: Httpd, byte_range: str, pieces: str) -> None:
    if server.mode == "embedded" and not pieces:  # type: ignore[attr-defined]
        pytest.skip("the server has all of the body at once")
    for _ in range(20):
        response = server.get(f"/?body=0123456789{pieces}", {"Range": byte_range})
        assert (response.status, response.body) == (200, b"0123456789")


@pytest.mark.parametrize(("version", "requests"), [("--http1.1", 2), ("--http2-prior-knowledge", 1)])
@pytest.mark.parametrize("query", ["body=0123456789", "file={}/small"])
def test_a_connection_goes_on_after_a_range_behind_the_end(
    start_httpd: StartHttpd, query: str, version: str, requests: int
) -> None:
    server = start_httpd(
        "Protocols h2c http/1.1",
        "WSGIProcessGroup %{GLOBAL}",
        "WSGIScriptAlias / ${APPS}/replaced_head_app.py",
        modules=["http2"],
    )
    (server.out / "small").write_bytes(content(30_000))
    url = f"http://localhost:{server.port}/?{query.format(server.out)}"
    command = ["curl", "-sS", version, "-r", "99999-", "-w", "%{http_code} %{num_connects}\n"]
    for _ in range(requests):
        command += ["-o", server.out / "body", url]
    run = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert (run.stdout, run.stderr) == ("416 1\n416 0\n" if requests == 2 else "416 1\n", "")
    assert not server.log_lines("SLC0125")


@pytest.mark.parametrize("query", ["body=0123456789", "body=0123456789&header=Content-Length:10", "file={}/small"])
def test_a_range_applies_to_no_other_method_than_get(server: Httpd, query: str) -> None:
    response = server.request("POST", "/?" + query.format(server.out), {"Range": "bytes=2-4"})
    assert response.status == 200
    assert response.body in (b"0123456789", content(SIZES["small"]))
