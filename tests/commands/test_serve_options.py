# SPDX-License-Identifier: Apache-2.0
"""Each option of `sluice serve` does what its help says, as requests to a real Apache show."""

from __future__ import annotations

import gzip
import os
import re
import socket
import subprocess
import urllib.parse
from pathlib import Path

import pytest
from apache.client import fetch
from apache.config import APACHE, module_under_test
from apache.process import clean_environment, free_port, wait_until

from .conftest import Serve
from .served import SERVING, Served, command, environment, sluice


def curl(*words: object) -> str:
    done = subprocess.run(["curl", "--silent", "--show-error", "--fail", *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done
    return done.stdout


def test_processes_threads_and_what_python_sees(serve: Serve, application: Path, folder: Path) -> None:
    (folder / "lib").mkdir()
    (folder / "work dir").mkdir()
    server = serve(
        application, "--processes", 2, "--threads", 3, "--python-path", folder / "lib", "--working-directory", folder / "work dir",
        "--envvar", "GREETING=a \"b\" $c ${d}", "--mount", "/shop", "--runtime-directory", folder,
    )  # fmt: skip
    facts = server.get("/shop/cart").json()
    assert facts["variables"]["GREETING"] == "a \"b\" $c ${d}"
    assert facts["directory"] == str(folder / "work dir")
    assert {str(folder), str(folder / "lib"), str(folder / "work dir")} <= set(facts["path"])
    assert (facts["environ"]["SCRIPT_NAME"], facts["environ"]["PATH_INFO"]) == ("/shop", "/cart")
    assert facts["threads"] is True
    assert server.runtime.parent == folder
    assert server.url.endswith("/shop/")
    assert server.get("/elsewhere").status == 404
    group = next(line for line in server.configuration().splitlines() if "processes=2" in line)
    assert "threads=3" in group


@pytest.mark.parametrize("size", [(1, 15), (10, 100), (32, 1000), (1000, 32), (1, 1000)])
@pytest.mark.parametrize("mode", [(), ("--embedded",)], ids=["daemon", "embedded"])
def test_apache_has_as_many_workers_as_it_is_configured_for(
    application: Path, folder: Path, size: tuple[int, int], mode: tuple[str, ...]
) -> None:
    """Apache cuts numbers that are too great, and says so when it reads the configuration."""
    words = ("--processes", size[0], "--threads", size[1], *mode, "--setup-only", folder / "etc", "--port", free_port())
    done = sluice("serve", application, "--module", module_under_test(), *words)
    assert done.returncode == 0, done
    tested = subprocess.run([APACHE, "-t", "-f", folder / "etc/httpd.conf"], env=clean_environment(), capture_output=True, text=True)
    assert (tested.returncode, tested.stderr) == (0, "Syntax OK\n")
    text = (folder / "etc/httpd.conf").read_text(encoding="utf-8")
    limit, threads, most = (int(re.findall(rf"^{name} (\d+)$", text, re.MULTILINE)[0])
                            for name in ("ServerLimit", "ThreadsPerChild", "MaxRequestWorkers"))  # fmt: skip
    assert most >= size[0] * size[1] * (1 if mode else 2)
    assert limit * threads >= 2 * most and most % threads == 0
    assert mode or limit <= 128


def test_files_compression_and_limits(serve: Serve, application: Path, folder: Path) -> None:
    (folder / "files").mkdir()
    (folder / "files/style.css").write_text("body { color: red }\n" * 100, encoding="utf-8")
    (folder / "files/secret").symlink_to("/etc/hostname")
    if os.geteuid() == 0:
        os.lchown(folder / "files/secret", 12345, -1)
    server = serve(application, "--static", f"/static={folder}/files", "--compress", "--limit-body", "1K")
    answer = server.get("/static/style.css", headers={"Accept-Encoding": "gzip"})
    assert (answer.header("Content-Type"), answer.header("Content-Encoding")) == ("text/css", "gzip")
    assert gzip.decompress(answer.body) == (folder / "files/style.css").read_bytes()
    assert server.get("/", headers={"Accept-Encoding": "gzip"}).header("Content-Encoding") == "gzip"
    assert server.get("/static/").status in (403, 404)
    if os.geteuid() == 0:
        assert server.get("/static/secret").status == 403
    assert server.get("/static/missing").status == 404
    assert server.get("/", method="POST", body=b"x" * 1024).json()["body"] == 1024
    assert server.get("/", method="POST", body=b"x" * 1025).status == 413


@pytest.mark.parametrize("mode", [(), ("--embedded",)], ids=["daemon", "embedded"])
def test_a_directory_of_files_has_an_index_and_the_application_none(
    serve: Serve, application: Path, folder: Path, mode: tuple[str, ...]
) -> None:
    (folder / "files/sub").mkdir(parents=True)
    (folder / "files/empty").mkdir()
    for name in ("index.html", "sub/index.html"):
        (folder / "files" / name).write_text(name, encoding="utf-8")
    server = serve(application, "--static", f"/static={folder}/files", "--mount", "/shop", *mode)
    assert [server.get(f"/static/{path}").text for path in ("", "sub/")] == ["index.html", "sub/index.html"]
    for path in ("/static/sub", "/static/empty/"):  # no redirect, which behind a proxy would name another scheme; no list of files
        assert server.get(path).status in (403, 404)
    for path in ("", "/", "/sub", "/sub/", "/sub//", "/index.html"):
        environ = server.get(f"/shop{path}?a=b").json()["environ"]
        assert (environ["SCRIPT_NAME"], environ["PATH_INFO"], environ["QUERY_STRING"]) == ("/shop", path.replace("//", "/"), "a=b")
    assert server.get("/").status in (403, 404)


@pytest.mark.parametrize(("files", "warns"), [(".", True), ("..", True), ("files", False)])
def test_a_directory_with_the_code_of_the_application_is_warned_of(application: Path, folder: Path, files: str, warns: bool) -> None:
    (folder / "files").mkdir()
    done = sluice("serve", application, "--module", module_under_test(), "--static", f"/={folder / files}", "--print-config")
    assert done.returncode == 0, done
    assert ("serves the code of the application" in done.stderr) == warns, done.stderr


@pytest.mark.parametrize("mount", ["/", "/shop.d"])
def test_files_at_the_url_of_the_application_come_first(
    serve: Serve, application: Path, folder: Path, certificate: tuple[Path, Path], mount: str
) -> None:
    root, other = folder / 'a $1 %{x} "b', folder / "other"
    for file in (root / "page.html", root / "sub/style.css", root / "static/x.css", root / "sluice-metrics", other / "x.css"):
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(file.name if file.parent != other else "other", encoding="utf-8")
    (folder / "secret").write_text("secret", encoding="utf-8")
    base = mount.rstrip("/")
    https = ("--https-port", 0, "--certificate", certificate[0], "--key", certificate[1])
    options = ("--static", f"{mount}={root}", "--static", f"{base}/static={other}", "--metrics", "--compress", *https)
    server = serve(application, "--mount", mount, *options)
    answer = server.get(f"{base}/page.html")
    assert (answer.text, answer.header("Content-Type")) == ("page.html", "text/html")
    assert server.get(f"{base}/sub/style.css").text == "style.css"
    assert server.get(f"{base}/static/x.css").text == "other"
    assert server.get(f"{base}/static/y.css").status == 404
    secure = server.errors().partition(" and ")[2].partition(";")[0].replace("127.0.0.1", "localhost")
    assert curl("--cacert", certificate[0], f"{secure}page.html") == "page.html"
    assert '"wsgi.url_scheme": "https"' in curl("--cacert", certificate[0], f"{secure}page")
    for path in ("/", "/missing", "/sub", "/sub/", "/page.html/more", "/page%2ehtml2", "/%24x", "/sub/..%2f..%2fsecret"):
        answer = server.get(base + path)
        assert answer.status == 404 if "%2f" in path else answer.json()["environ"]["PATH_INFO"] == urllib.parse.unquote(path)
    assert "sluice_requests_total" in server.get("/sluice-metrics").text


def test_files_above_the_url_of_the_application_do_not_hide_it(serve: Serve, application: Path, folder: Path) -> None:
    (folder / "files/shop").mkdir(parents=True)
    for name in ("page.html", "shop/page.html"):
        (folder / "files" / name).write_text(name, encoding="utf-8")
    server = serve(application, "--mount", "/shop", "--static", f"/={folder}/files")
    assert server.get("/page.html").text == "page.html"
    assert server.get("/shop/page.html").json()["environ"]["PATH_INFO"] == "/page.html"
    assert [server.get(path).status for path in ("/missing", "/shopping", "/shop")] == [404, 404, 200]
    (folder / "files/index.html").write_text("index", encoding="utf-8")
    assert server.get("/").text == "index"


def test_logs_go_to_the_terminal_or_to_a_file(serve: Serve, application: Path, folder: Path) -> None:
    server = serve(application, "--access-log", "--log-level", "info")
    server.get("/seen")
    wait_until(lambda: '"GET /seen HTTP/1.1" 200' in server.output(), "a line of the access log")
    server.wait_for("SLC")  # a line at the level info
    assert "GET" not in server.errors()
    server.stop()
    assert len(server.output().splitlines()) == 1  # not the question for the number of requests
    form = '%m "%U" \\ %>s'
    server = serve(application, "--access-log", folder / "access.log", "--log-format", form)
    server.get("/seen")
    server.stop()
    assert (folder / "access.log").read_text(encoding="utf-8") == 'GET "/seen" \\ 200\n'
    assert server.output() == ""


@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1"])
def test_the_standard_output_may_be_a_pipe(application: Path, name: str) -> None:
    """It is one in a container."""
    line = command("serve", application, "--module", module_under_test(), "--port", 0, f"--access-log={name}")
    with subprocess.Popen(line, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout and server.stderr
        said = iter(server.stderr.readline, "")
        match = next((match for text in said if (match := SERVING.search(text))), None)
        assert match
        fetch(int(match[1].rsplit(":", 1)[1].strip("/")), "/seen")
        assert '"GET /seen HTTP/1.1" 200' in server.stdout.readline()
        server.terminate()
        server.communicate(timeout=60)


def test_metrics_and_telemetry(serve: Serve, application: Path, folder: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as service:
        service.bind(str(folder / "service"))
        (folder / "service").chmod(0o777)
        service.settimeout(30)
        server = serve(application, "--metrics", "--metrics-from", "192.0.2.0/24", "--telemetry", folder / "service")
        server.get()
        text = server.get("/sluice-metrics").text
        assert 'sluice_requests_total{process_group="app",status_class="2xx"} 1' in text
        assert service.recv(65536)
    server.stop()
    server = serve(application, "--metrics", "/-/metrics")
    assert "sluice_requests_total" in server.get("/-/metrics").text
    assert server.get("/sluice-metrics").json()["environ"]["PATH_INFO"] == "/sluice-metrics"


def test_https_and_http2(serve: Serve, application: Path, certificate: tuple[Path, Path]) -> None:
    server = serve(application, "--https-port", 0, "--certificate", certificate[0], "--key", certificate[1], "--http2")
    https = server.errors().partition(" and ")[2].partition(";")[0]
    trusted = ("--cacert", certificate[0], "--write-out", "\\n%{http_version}", https.replace("127.0.0.1", "localhost"))
    body, _, version = curl("--http2", *trusted).rpartition("\n")
    assert '"wsgi.url_scheme": "https"' in body and version == "2"
    assert curl("--http1.1", *trusted).endswith("\n1.1")
    assert curl("--http2-prior-knowledge", "--write-out", "\\n%{http_version}", server.url).endswith("\n2")
    assert server.stop() == "stopped; 3 requests served"


def test_the_headers_of_a_proxy_count_when_it_is_trusted(serve: Serve, application: Path) -> None:
    headers = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "shop.example"}

    def seen(server: Served) -> tuple[str, str]:
        environ = server.get("/", headers=headers).json()["environ"]
        return environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]

    assert seen(serve(application)) == ("127.0.0.1", "http")
    assert seen(serve(application, "--trust-proxy", "192.0.2.0/24")) == ("127.0.0.1", "http")
    assert seen(serve(application, "--trust-proxy", "127.0.0.0/8", "--trust-proxy", "::1")) == ("192.0.2.7", "https")


def test_a_request_that_takes_too_long_replaces_its_process(serve: Serve, folder: Path) -> None:
    (folder / "slow.py").write_text(
        "import os, time\n\ndef application(environ, start_response):\n"
        "    time.sleep(60 if environ['PATH_INFO'] == '/slow' else 0)\n"
        "    start_response('200 OK', [])\n    return [str(os.getpid()).encode()]\n",
        encoding="utf-8",
    )
    server = serve(folder / "slow.py", "--threads", 1, "--request-timeout", 1, "--graceful-timeout", 1)
    old = server.get().text
    assert server.get("/slow").status in (502, 504)
    wait_until(lambda: server.get().text != old, "another process")


@pytest.mark.parametrize("options, seconds", [
    ((), 60), (("--request-timeout", 5), 60), (("--request-timeout", 100), 386), (("--request-timeout", 100, "--threads", 1), 115),
])  # fmt: skip
def test_apache_waits_for_a_response_as_long_as_the_request_timeout(application: Path, options: tuple[object, ...], seconds: int) -> None:
    """15 threads multiply it by 1 + ln(15), and the requests beside it have the graceful timeout of 15 seconds."""
    done = sluice("serve", application, "--module", module_under_test(), "--print-config", *options)
    assert f"socket-timeout={seconds}\n" in done.stdout, done


def test_a_request_that_waits_too_long_is_answered(serve: Serve, folder: Path) -> None:
    (folder / "slow.py").write_text(
        "import time\n\ndef application(environ, start_response):\n    time.sleep(2.5)\n"
        "    start_response('200 OK', [])\n    return [b'']\n",
        encoding="utf-8",
    )
    server = serve(folder / "slow.py", "--threads", 1, "--queue-timeout", 1, "--metrics")
    with socket.create_connection(("127.0.0.1", server.port)) as first:
        first.sendall(b"GET / HTTP/1.0\r\n\r\n")
        active = "sluice_server_active_requests 1\n"
        wait_until(lambda: active in server.get("/sluice-metrics").text, "a request in flight")
        assert server.get().status == 504


def test_a_configuration_of_ones_own_is_included(serve: Serve, application: Path, folder: Path) -> None:
    (folder / "more.conf").write_text('<Location "/gone">\n    Redirect 410 /\n</Location>\n', encoding="utf-8")
    (folder / "alias.conf").write_text("LoadModule alias_module /usr/lib/apache2/modules/mod_alias.so\n", encoding="utf-8")
    server = serve(application, "--include", folder / "alias.conf", "--include", folder / "more.conf")
    assert server.get("/gone").status == 410


def test_every_address_can_be_listened_at(serve: Serve, application: Path) -> None:
    server = serve(application, "--host", "0.0.0.0")
    assert fetch(server.port, "/").status == 200
    assert server.stop() == "stopped; 1 requests served"
