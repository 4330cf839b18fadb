# SPDX-License-Identifier: Apache-2.0
"""The packages on a fresh Debian: installed, used, upgraded under load, removed, purged. Takes root, and minutes."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from apache.process import wait_until
from platforms import installation

from .machine import Machine, run, switched_on

pytestmark = [
    pytest.mark.machine,
    pytest.mark.skipif(os.geteuid() != 0, reason="makes installations with debootstrap and chroot, as root"),
    pytest.mark.timeout(3600),
]

MODULE = "/usr/lib/apache2/modules/mod_sluice.so"
OLD = "0.0.9"
CHANGING = re.compile(
    r"/(proc|sys|dev|tmp|srv|root)(/|$)|/run/(?!apache2/wsgi)|/var/(log|tmp)/|/var/cache/(apt|debconf|ldconfig)/|/var/lib/(apt|dpkg)/"
)
"""Paths that the machine and its package manager write while they run."""


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def release(request: pytest.FixtureRequest) -> str:
    return request.param


def of_version(text: str, version: str) -> str:
    """The text of a file that says the version of the project, with another one in its place."""
    text = re.sub(r"(project\(sluice VERSION )[\d.]+", rf"\g<1>{version}", text)
    for name, number in zip(("MAJOR", "MINOR", "PATCH"), version.split("."), strict=True):
        text = re.sub(rf"(#define SLUICE_VERSION_{name} )\d+", rf"\g<1>{number}", text)
    return text


@pytest.fixture(scope="module")
def built(release: str) -> dict[str, Path]:
    """The folder of this version's packages and that of an older one's, as `make packages` makes them on the release."""
    system = installation.fresh(release, f"{release}-build")
    sources = system.root / installation.SOURCES
    current = {path: path.read_text(encoding="utf-8") for path in (sources / "CMakeLists.txt", sources / "core/include/sluice/version.hpp")}
    folders = {}
    for name, version in (("new", None), ("old", OLD)):
        for path, text in current.items():
            path.write_text(of_version(text, version) if version else text, encoding="utf-8")
        run(*system.command("make", "packages", "EXTRA_PYTHONS="))
        folders[name] = installation.WORK / f"{release}-packages" / name
        shutil.rmtree(folders[name], ignore_errors=True)
        shutil.copytree(sources / "build/packages", folders[name])
    return folders


@pytest.fixture(scope="module")
def machine(release: str, built: dict[str, Path]) -> Iterator[Machine]:
    """A fresh minimal installation that has fetched what the packages depend on, and is no longer connected."""
    system = installation.fresh(release, f"{release}-machine")
    for name, folder in built.items():
        shutil.copytree(folder, system.root / "root" / name)
    everything = [f"/root/new/{path.name}" for path in built["new"].glob("*.deb")]
    run(*system.command("apt-get", "update"))
    for packages in (everything, [path for path in everything if "libapache2" in path], ["g++", "cmake", "pkgconf"]):
        run(*system.command("apt-get", "install", "-y", "--download-only", *packages))
    # There is no init, so that nothing would start services but for this.
    policy = system.root / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 0\n", encoding="utf-8")
    policy.chmod(0o755)
    with switched_on(system) as running:
        yield running


def package(machine: Machine, age: str, name: str) -> str:
    (file,) = (machine.root / "root" / age).glob(f"{name}_*.deb")
    return f"/root/{age}/{file.name}"


def readme_block(language: str) -> str:
    """The block of the README's first five minutes in this language."""
    text = (installation.PROJECT / "README.md").read_text(encoding="utf-8")
    minutes = text[text.index("## Five minutes") :]
    block = re.search(rf"^( *)```{language}\n(.*?)^\1```", minutes, re.MULTILINE | re.DOTALL)
    assert block is not None
    return re.sub(rf"^{block[1]}", "", block[2], flags=re.MULTILINE)


def add_site_of_readme(machine: Machine) -> None:
    """The site of the README, and the same application in daemon processes at /daemon."""
    machine.write("/srv/hello/wsgi.py", readme_block("python"))
    site = readme_block("apache").partition("\n")[2]  # the package loads the module
    daemon = "WSGIDaemonProcess hello processes=2 threads=4\n" + (
        "WSGIScriptAlias /daemon /srv/hello/wsgi.py process-group=hello application-group=%{GLOBAL}\n"
    )
    machine.write("/etc/apache2/sites-available/hello.conf", daemon + site)
    machine.run("a2dissite", "000-default")
    machine.run("a2ensite", "hello")
    machine.run("apache2ctl", "graceful")


def open_endpoint(machine: Machine) -> None:
    """Takes the comment signs from the endpoint of the configuration that comes with the package."""
    path = "/etc/apache2/mods-available/sluice.conf"
    text = machine.read(path)
    block = re.search(r"^    #<Location.*?^    #</Location>", text, re.MULTILINE | re.DOTALL)
    assert block is not None
    machine.write(path, text.replace(block[0], block[0].replace("#", "")))
    machine.run("apache2ctl", "graceful")


def scrape(machine: Machine) -> str:
    status, text = machine.fetch("/sluice-metrics")
    assert status == 200, text
    return text


def requests_counted(machine: Machine) -> int:
    counts = re.findall(r'^sluice_server_requests_total\{status_class="2xx"\} (\S+)', scrape(machine), re.MULTILINE)
    return int(sum(map(float, counts)))


def requests_counted_at_rest(machine: Machine) -> int:
    """The same when nobody asks, and no request is left that was answered and is still to be counted."""
    idle = re.compile(r"^sluice_server_active_requests 0$", re.MULTILINE)
    wait_until(lambda: idle.search(scrape(machine)), "a server at rest")
    return requests_counted(machine)


def servers_with_module(machine: Machine, suffix: str = "") -> list[str]:
    """The processes that have the module mapped; with the suffix " (deleted)" those that have an older one."""
    script = f"grep -l ' {re.escape(MODULE)}{re.escape(suffix)}$' /proc/[0-9]*/maps || true"
    return machine.run("sh", "-c", script).split()


def wait_for_hello(machine: Machine) -> None:
    for path in ("/", "/daemon"):
        wait_until(lambda path=path: machine.fetch(path) == (200, "Hello World!"), f"an answer at {path}", 60)


def test_one_command_installs_a_module_that_serves(machine: Machine) -> None:
    machine.run("apt-get", "install", "-y", package(machine, "new", "libapache2-mod-sluice"))
    assert "enabled by maintainer script" in machine.run("a2query", "-m", "sluice")
    wait_until(lambda: servers_with_module(machine), "servers with the module")
    assert machine.fetch("/sluice-metrics")[0] == 404  # closed
    add_site_of_readme(machine)
    wait_for_hello(machine)
    open_endpoint(machine)
    wait_until(lambda: machine.fetch("/sluice-metrics")[0] == 200, "the endpoint")
    before = requests_counted_at_rest(machine)
    assert [machine.fetch(path) for path in ["/", "/daemon"] * 5] == [(200, "Hello World!")] * 10
    assert requests_counted_at_rest(machine) == before + 10


def test_removal_and_purge_leave_a_server_that_runs_without_it(machine: Machine) -> None:
    machine.run("a2dissite", "hello")
    machine.run("apt-get", "remove", "-y", "libapache2-mod-sluice")
    wait_until(lambda: not servers_with_module(machine), "servers without the module")
    assert machine.fetch("/")[0] in (200, 403, 404)
    assert not (machine.root / MODULE.lstrip("/")).exists()
    assert (machine.root / "etc/apache2/mods-available/sluice.conf").exists()  # a configuration that was changed
    machine.run("apt-get", "purge", "-y", "libapache2-mod-sluice")
    left = [path for path in machine.files() if re.search(r"sluice|mod_wsgi|/wsgi\.", path) and not CHANGING.match(path)]
    assert left == []


def test_an_upgrade_under_load_fails_no_request_and_the_purge_leaves_nothing(machine: Machine) -> None:
    machine.run("a2dismod", "reqtimeout")  # reqtimeout would disconnect the slow clients
    before = machine.files()
    machine.run("apt-get", "install", "-y", package(machine, "old", "libapache2-mod-sluice"))
    machine.run("a2ensite", "hello")
    open_endpoint(machine)
    wait_for_hello(machine)
    counted = requests_counted_at_rest(machine)
    with machine.load("/", "/daemon") as clients, machine.slow_client("/") as slow, machine.slow_client("/daemon") as slower:
        wait_until(lambda: requests_counted(machine) > counted + 200, "load")
        old = servers_with_module(machine)
        machine.run("apt-get", "install", "-y", package(machine, "new", "libapache2-mod-sluice"))
        wait_until(lambda: set(servers_with_module(machine)) - set(old), "new processes", 120)
        for client in (slow, slower):  # each has its request read by an old process now
            assert client.communicate("\r\n", timeout=120)[0].startswith("HTTP/1.1 200 OK"), client.args
        wait_until(lambda: not servers_with_module(machine, " (deleted)"), "the end of the old processes", 120)
        served = requests_counted(machine)
        wait_until(lambda: requests_counted(machine) > served + 200, "load on the new version")
        said, _ = clients.communicate("", timeout=120)
    outcome = json.loads(said)
    assert outcome["wrong"] == []
    # The counts go on where they were.
    assert requests_counted_at_rest(machine) == counted + outcome["right"] + 2

    machine.run("a2dissite", "hello")
    machine.run("apt-get", "purge", "-y", "libapache2-mod-sluice")
    wait_until(lambda: not servers_with_module(machine), "servers without the module")
    left = {path for path in machine.files() - before if not CHANGING.match(path)}
    assert left == set()


def test_the_python_package_serves_tests_and_leaves_nothing(machine: Machine, version: str) -> None:
    before = machine.files()
    machine.run("apt-get", "install", "-y", package(machine, "new", "python3-sluice"))
    assert machine.run("sluice", "--version") == f"sluice {version}\n"
    script = (
        "from sluice.testing import Host; import importlib.metadata as m\n"
        "host = Host(threads=2); host.mod_wsgi.start_recording_metrics(); host.request(1, status=200, application=1500)\n"
        "print(host.mod_wsgi.request_metrics()['request_count'], m.version('sluice'))"
    )
    assert machine.run("python3", "-c", script) == f"1 {version}\n"
    machine.run("apt-get", "purge", "-y", "python3-sluice")
    machine.run("apt-get", "autoremove", "--purge", "-y")
    left = {path for path in machine.files() - before if not CHANGING.match(path)}
    assert left == set()


def test_the_library_is_found_by_cmake_and_pkg_config(machine: Machine) -> None:
    machine.run("apt-get", "install", "-y", "g++", "cmake", "pkgconf", package(machine, "new", "libsluice-dev"))
    project = (
        "cmake_minimum_required(VERSION 3.25)\nproject(consumer CXX)\nfind_package(sluice REQUIRED)\n"
        "add_executable(consumer consumer.cpp)\ntarget_link_libraries(consumer sluice::core)\n"
    )
    consumer = (installation.PROJECT / "tests/consumers/consumer.cpp").read_text(encoding="utf-8")
    machine.write("/srv/consumer/CMakeLists.txt", project)
    machine.write("/srv/consumer/consumer.cpp", consumer)
    machine.run("sh", "-ec", "cd /srv/consumer; cmake -B build; cmake --build build; build/consumer")
    machine.run("sh", "-ec", "cd /srv/consumer; g++ -std=c++20 consumer.cpp $(pkg-config --cflags --libs sluice); ./a.out")
