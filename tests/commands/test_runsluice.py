# SPDX-License-Identifier: Apache-2.0
"""A Django project is served by `sluice serve --django`, and by its own command `runsluice`."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest
from apache.config import module_under_test

from .conftest import Serve
from .served import Served, environment, sluice

pytest.importorskip("django")

SETTINGS = """\
from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_KEY = "for tests alone"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"
INSTALLED_APPS = ["sluice"]
STATIC_URL = "/static/"
STATIC_ROOT = BASE_DIR / "collected"
"""
URLS = """\
import os
from django.http import JsonResponse
from django.urls import path

def tell(request):
    return JsonResponse({"directory": os.getcwd(), "settings": os.environ["DJANGO_SETTINGS_MODULE"], "wrapped": request.META["wrapped"]})

urlpatterns = [path("tell/", tell)]
"""
WSGI = """\
from django.core.wsgi import get_wsgi_application

inner = get_wsgi_application()

def application(environ, start_response):
    return inner(environ | {"wrapped": "yes"}, start_response)
"""
MANAGE = """\
import os, sys
from django.core.management import execute_from_command_line

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")
execute_from_command_line(sys.argv)
"""
PACKAGES = sysconfig.get_path("purelib")


@pytest.fixture
def project(folder: Path) -> Path:
    for name, text in {
        "manage.py": MANAGE, "shop/__init__.py": "", "shop/settings.py": SETTINGS, "shop/urls.py": URLS, "shop/wsgi.py": WSGI,
        "collected/style.css": "body {}\n",
    }.items():  # fmt: skip
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def check(server: Served, project: Path) -> None:
    assert server.get("/tell/").json() == {"directory": str(project), "settings": "shop.settings", "wrapped": "yes"}
    style = server.get("/static/style.css")
    assert (style.text, style.header("Content-Type")) == ("body {}\n", "text/css")
    assert server.get("/missing/").status == 404
    assert server.stop() == "stopped; 2 requests served"


def test_serve_takes_the_settings_of_a_project(serve: Serve, project: Path) -> None:
    path = ("--working-directory", project, "--python-path", PACKAGES)
    check(serve("--django", "shop.settings", "--static", f"/static={project}/collected", *path), project)


def test_the_management_command_serves_the_project_and_its_static_files(start: Serve, project: Path) -> None:
    check(start("--python-path", PACKAGES, program=[sys.executable, project / "manage.py", "runsluice"]).wait(), project)


def manage(project: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, project / "manage.py", "runsluice", *map(str, arguments)],
        env=environment(), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_management_command_has_the_options_of_serve(project: Path) -> None:
    text = manage(project, "--help").stdout
    for option in ("--https-port", "--processes", "--metrics", "--setup-only", "--reload"):
        assert option in text
    printed = manage(project, "--module", module_under_test(), "--threads", 7, "--metrics", "--print-config").stdout
    assert "threads=7" in printed and '<Location "/sluice-metrics">' in printed and 'Alias "/static"' in printed


def test_the_management_command_reports_a_mistake_in_one_line(project: Path) -> None:
    done = manage(project, "--module", module_under_test(), "--embedded", "--reload")
    assert (done.returncode, done.stderr) == (1, "CommandError: --reload needs daemon processes: leave out --embedded\n")


def test_static_files_at_a_relative_url_are_below_the_project_too(start: Serve, project: Path) -> None:
    """Django puts the path that the project is mounted at before a relative STATIC_URL."""
    (project / "shop/settings.py").write_text(SETTINGS.replace('"/static/"', '"static/"'), encoding="utf-8")
    urls = URLS.replace('"wrapped": request', '"style": static("style.css"), "wrapped": request')
    (project / "shop/urls.py").write_text("from django.templatetags.static import static\n" + urls, encoding="utf-8")
    server = start("--python-path", PACKAGES, "--mount", "/shop", program=[sys.executable, project / "manage.py", "runsluice"]).wait()
    style = server.get("/shop/tell/").json()["style"]
    assert style == "/shop/static/style.css"
    assert (server.get(style).text, server.get("/static/style.css").text) == ("body {}\n", "body {}\n")


def test_static_files_of_another_server_or_at_an_odd_url_are_left_out(project: Path) -> None:
    settings = project / "shop/settings.py"
    said = "runsluice: static files are not served, because STATIC_URL is not a plain path of a URL, such as /shop: '/some files/'\n"
    for url, errors in (("//cdn.example.com/static/", ""), ("https://cdn.example.com/", ""), ("/some files/", said)):
        settings.write_text(SETTINGS.replace('"/static/"', f'"{url}"'), encoding="utf-8")
        done = manage(project, "--module", module_under_test(), "--print-config")
        assert (done.returncode, done.stderr) == (0, errors)
        assert "Alias " not in done.stdout.replace("WSGIScriptAlias ", "")


def test_a_directory_of_static_files_with_a_name_that_is_too_long_is_refused_in_one_line(project: Path) -> None:
    settings = project / "shop/settings.py"
    settings.write_text(SETTINGS.replace('"collected"', '("x" * 300)'), encoding="utf-8")
    done = manage(project, "--module", module_under_test(), "--print-config")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert done.stderr.startswith("CommandError: ") and done.stderr.endswith("File name too long\n")


def test_a_project_that_does_not_load(project: Path) -> None:
    (project / "shop/wsgi.py").write_text("import no_such_module\n", encoding="utf-8")
    done = sluice(
        "serve", "--django", "shop.settings", "--module", module_under_test(), "--port", 0, "--working-directory", project,
        "--python-path", PACKAGES,
    )  # fmt: skip
    assert done.returncode == 1
    assert "sluice: shop.settings does not load: " in done.stderr.splitlines()[-1]
    assert "no_such_module" in done.stderr


def test_a_project_without_a_module_of_settings_is_refused_in_one_line(folder: Path) -> None:
    """A project of one file configures its settings itself, so that the server would have none."""
    (folder / "app.py").write_text(
        "import sys\nfrom django.conf import settings\nfrom django.core.management import execute_from_command_line\n"
        'settings.configure(SECRET_KEY="for tests alone", INSTALLED_APPS=["sluice"])\nexecute_from_command_line(sys.argv)\n',
        encoding="utf-8",
    )
    variables = {name: value for name, value in environment().items() if name != "DJANGO_SETTINGS_MODULE"}
    words = [sys.executable, folder / "app.py", "runsluice", "--print-config"]
    done = subprocess.run(words, cwd=folder, env=variables, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "CommandError: the settings of this project are in no module: serve the file with its WSGI application by `sluice serve`, "
        "or set DJANGO_SETTINGS_MODULE\n"
    )
