# SPDX-License-Identifier: Apache-2.0
"""Applications of PyPI, used as their users do, and then by many clients at a time. Nothing is lost or counted twice."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path
from xml.etree import ElementTree

from apache.process import wait_until

from .site import MIB, Serve, Site, multipart, packages, pattern, program

FORM = "application/x-www-form-urlencoded"
BIG = pattern(3 * MIB)
DIGEST = hashlib.sha256(BIG).hexdigest()
DAV = "{DAV:}"


def upload(site: Site, path: str, fields: dict[str, str], status: int = 200) -> str:
    body, kind = multipart(fields, "file", "big.bin", BIG)
    return site.post(path, body, kind, status).text


# Frameworks


def test_the_administration_of_django(serve: Serve) -> None:
    static = packages() / "django/contrib/admin/static"
    site = serve("django_site.py", f"Alias /static {static}")
    login = site.get("/admin/", 302).header("Location")
    assert login == "/admin/login/?next=/admin/"
    assert site.request("POST", login, b"username=admin&password=secret", {"Content-Type": FORM}).status == 403
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', site.get(login).text)
    assert token is not None
    form = f"csrfmiddlewaretoken={token[1]}&username=admin&password="
    assert "enter the correct username" in site.post(login, f"{form}wrong".encode(), FORM).text
    site.post(login, f"{form}secret".encode(), FORM, 302)
    assert "Site administration" in site.get("/admin/").text
    fields = {"csrfmiddlewaretoken": site.cookie("csrftoken"), "title": "Ein schönes Buch", "_save": "Save"}
    body, kind = multipart(fields, "text", "big.bin", BIG)
    site.post("/admin/shelf/book/add/", body, kind, 302)
    assert "Ein schönes Buch" in site.get("/admin/shelf/book/").text
    assert site.get("/titles").text == "Ein schönes Buch"
    assert site.get("/media/books/big.bin").body == BIG
    style = "/static/admin/css/base.css"
    assert site.server.get(style).body == (static / "admin/css/base.css").read_bytes()
    site.many("/titles", "/admin/login/")
    site.check_counts()


def test_flask(serve: Serve) -> None:
    site = serve("flask_site.py")
    assert site.get("/").text == "Hello &lt;nobody&gt;"
    site.post("/login", b"name=Ada", FORM, 302)
    assert site.get("/").text == "Hello Ada"
    assert json.loads(upload(site, "/upload", {"note": "ü"})) == {"sha256": DIGEST, "note": "ü"}
    assert site.get("/stream").text == "".join(f"line {number}\n" for number in range(1000))
    site.get("/absent", 404)
    site.many("/", "/stream")
    site.check_counts()


def test_bottle(serve: Serve) -> None:
    site = serve("bottle_site.py")
    assert site.get("/hello/<Ada>").text == "Hello &lt;Ada&gt;"
    assert json.loads(upload(site, "/upload", {}, 201)) == {"sha256": DIGEST}
    source = Path(__file__).with_name("apps") / "bottle_site.py"
    whole = site.get("/source")
    assert whole.body == source.read_bytes()
    modified = {"If-Modified-Since": whole.header("Last-Modified") or ""}
    assert site.get("/source", 304, modified).body == b""
    assert site.get("/source", 206, {"Range": "bytes=2-5"}).body == source.read_bytes()[2:6]
    site.get("/absent", 404)
    site.many("/hello/Ada", "/source")
    site.check_counts()


def test_pyramid(serve: Serve) -> None:
    site = serve("pyramid_site.py")
    assert site.get("/count/a").json() == {"count": 1, "name": "a"}
    assert site.get("/count/b%C3%A9").json() == {"count": 2, "name": "bé"}
    assert json.loads(upload(site, "/upload", {})) == {"sha256": DIGEST}
    assert site.get("/old", 302).header("Location") == site.url("/count/old")
    assert site.get("/broken", 500).text == "failed: as asked"
    site.get("/absent", 404)
    site.many("/count/a", "/count/b")
    site.check_counts()


def test_falcon(serve: Serve) -> None:
    site = serve("falcon_site.py")
    site.get("/notes/one", 404)
    put = site.request("PUT", "/notes/one", b'{"text": "first"}', {"Content-Type": "application/json"})
    assert put.status == 201
    assert site.get("/notes/one").json() == {"name": "one", "text": "first"}
    assert json.loads(upload(site, "/upload", {})) == {"name": "file", "sha256": DIGEST}
    assert site.get("/upload").body == b"block;" * 10_000
    assert site.request("DELETE", "/notes/one").status == 405
    site.many("/notes/one", "/upload")
    site.check_counts()


def test_dash(serve: Serve) -> None:
    site = serve("dash_site.py")
    assert "_dash-config" in site.get("/").text
    layout = site.get("/_dash-layout").json()
    assert [child["props"]["id"] for child in layout["props"]["children"]] == ["side", "area"]
    dependency = site.get("/_dash-dependencies").json()[0]
    call = {
        "output": dependency["output"],
        "outputs": {"id": "area", "property": "children"},
        "inputs": [{"id": "side", "property": "value", "value": 12}],
        "changedPropIds": ["side.value"],
    }
    answer = site.post("/_dash-update-component", json.dumps(call).encode(), "application/json").json()
    assert answer["response"] == {"area": {"children": "area 144"}}
    script = re.search(r'src="(/_dash-component-suites/dash/dash-renderer/[^"]+)"', site.get("/").text)
    assert script is not None
    assert len(site.get(script[1]).body) > 10_000
    site.many("/_dash-layout", "/")
    site.check_counts()


# Servers of their own protocols


def test_wsgidav(serve: Serve) -> None:
    site = serve("wsgidav_site.py")
    site.get("/", 401)
    allowed = {"Authorization": "Basic YWRtaW46c2VjcmV0"}

    def ask(method: str, path: str, status: int, body: bytes | None = None, **headers: str) -> bytes:
        response = site.request(method, path, body, {**allowed, **headers})
        assert response.status == status, site.failure(response)
        return response.body

    ask("MKCOL", "/folder/", 201)
    ask("PUT", "/folder/big.bin", 201, BIG)
    assert ask("GET", "/folder/big.bin", 200) == BIG
    assert ask("GET", "/folder/big.bin", 206, Range="bytes=1000000-1000009") == BIG[1_000_000:1_000_010]
    ask("COPY", "/folder/big.bin", 201, Destination=site.url("/folder/copy.bin"))
    ask("MOVE", "/folder/copy.bin", 201, Destination=site.url("/folder/moved.bin"))
    listing = ElementTree.fromstring(ask("PROPFIND", "/folder/", 207, Depth="1"))
    lengths = {
        response.findtext(f"{DAV}href"): response.findtext(f".//{DAV}getcontentlength")
        for response in listing.iter(f"{DAV}response")
    }
    size = str(len(BIG))
    assert lengths == {"/folder/": None, "/folder/big.bin": size, "/folder/moved.bin": size}
    lock = b'<lockinfo xmlns="DAV:"><lockscope><exclusive/></lockscope><locktype><write/></locktype></lockinfo>'
    ask("LOCK", "/folder/big.bin", 200, lock, **{"Content-Type": "text/xml"})
    ask("PUT", "/folder/big.bin", 423, b"other")
    ask("DELETE", "/folder/moved.bin", 204)
    assert (site.out / "files/folder/big.bin").read_bytes() == BIG
    assert not (site.out / "files/folder/moved.bin").exists()
    site.check_counts()


EVENT = b"""BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//tests//EN
BEGIN:VEVENT
UID:one
DTSTAMP:20260101T000000Z
DTSTART:20260102T100000Z
DTEND:20260102T110000Z
SUMMARY:Meeting
END:VEVENT
END:VCALENDAR
""".replace(b"\n", b"\r\n")
QUERY = b"""<?xml version="1.0"?><c:calendar-query xmlns:c="urn:ietf:params:xml:ns:caldav" xmlns="DAV:"><prop><getetag/>
<c:calendar-data/></prop><c:filter><c:comp-filter name="VCALENDAR"><c:comp-filter name="VEVENT"><c:time-range
start="20260102T000000Z" end="20260103T000000Z"/></c:comp-filter></c:comp-filter></c:filter></c:calendar-query>"""


def test_radicale(serve: Serve) -> None:
    site = serve("radicale_site.py")
    allowed = {"Authorization": "Basic YWRhOnNlY3JldA=="}
    mkcalendar = site.request("MKCALENDAR", "/ada/calendar/", b"", allowed)
    assert mkcalendar.status == 201, site.failure(mkcalendar)
    put = site.request("PUT", "/ada/calendar/one.ics", EVENT, {**allowed, "Content-Type": "text/calendar"})
    assert put.status == 201, site.failure(put)
    assert b"SUMMARY:Meeting" in site.get("/ada/calendar/one.ics", headers=allowed).body
    report = site.request("REPORT", "/ada/calendar/", QUERY, {**allowed, "Content-Type": "text/xml", "Depth": "1"})
    assert report.status == 207, site.failure(report)
    assert [href.text for href in ElementTree.fromstring(report.body).iter(f"{DAV}href")] == ["/ada/calendar/one.ics"]
    assert "SUMMARY:Meeting" in report.text
    later = QUERY.replace(b"20260103", b"20270103").replace(b"20260102", b"20270102")
    empty = site.request("REPORT", "/ada/calendar/", later, {**allowed, "Content-Type": "text/xml", "Depth": "1"})
    assert not list(ElementTree.fromstring(empty.body).iter(f"{DAV}response"))
    assert site.request("DELETE", "/ada/calendar/one.ics", headers=allowed).status == 200
    site.get("/ada/calendar/one.ics", 404, headers=allowed)
    site.many("/.web/")
    site.check_counts()


def hg(*arguments: str | Path, folder: Path) -> str:
    command = [program("hg"), "--config", "ui.username=tests", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout


def test_mercurial(serve: Serve, data: Path, tmp_path: Path) -> None:
    repository = data / "repository"
    repository.mkdir()
    hg("init", folder=repository)
    (repository / "big.bin").write_bytes(BIG)
    hg("commit", "-A", "-m", "first", folder=repository)
    (repository / ".hg/hgrc").write_text("[web]\nallow_push = *\npush_ssl = false\n")
    shutil.chown(data, "www-data")
    for path in repository.rglob("*"):
        shutil.chown(path, "www-data")
    shutil.chown(repository, "www-data")
    site = serve("hgweb_site.py", f'CustomLog {data}/access.log "%>s %r"')
    hg("clone", site.url("/"), tmp_path / "clone", folder=tmp_path)
    assert (tmp_path / "clone/big.bin").read_bytes() == BIG
    (tmp_path / "clone/small.txt").write_text("text")
    hg("commit", "-A", "-m", "second", folder=tmp_path / "clone")
    hg("push", folder=tmp_path / "clone")
    assert hg("log", "-T", "{desc},", folder=repository) == "second,first,"
    by_others = len((data / "access.log").read_text().splitlines())
    assert by_others > 4
    assert "second" in site.get("/log").text
    assert site.get("/raw-file/tip/big.bin").body == BIG
    site.many("/log", "/file/tip")
    wait_until(
        lambda: len((data / "access.log").read_text().splitlines()) == by_others + site.statuses.total(), "all lines"
    )
    for line in (data / "access.log").read_text().splitlines()[:by_others]:
        site.statuses[int(line.split()[0])] += 1
    site.check_counts()
