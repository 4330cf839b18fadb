# SPDX-License-Identifier: Apache-2.0
"""`sluice serve` as the first process of a container with a read-only root, and the image of examples/container."""

from __future__ import annotations

import json
import os
import pwd
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from apache.client import fetch
from apache.config import module_under_test
from apache.process import free_port, wait_until

from .dockerfile import Container, Image
from .served import ROOT, SERVING, command, environment

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="makes namespaces and mounts, as root")

ORPHANS = """\
import json
import os
import subprocess

def application(environ, start_response):
    if environ["PATH_INFO"] == "/orphan":
        # The shell ends at once, and leaves its child to the first process.
        subprocess.run(["sh", "-c", "sleep 0.1 & echo $!"], check=True)
    try:
        with open("/var/tmp/sluice-test", "w"):
            written = True
    except OSError as error:
        written = error.strerror
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({"uid": os.geteuid(), "written": written}).encode()]
"""


@pytest.fixture
def containers(folder: Path) -> Iterator[list[Container]]:
    running: list[Container] = []
    yield running
    for container in running:
        container.discard()


def wait_until_it_serves(container: Container) -> None:
    wait_until(lambda: SERVING.search(container.log()) or container.process.poll() is not None, "a line that says that it serves")
    assert container.process.poll() is None, container.log()


def check_the_end(container: Container, requests: int) -> None:
    """SIGTERM, as `docker stop` sends it, ends it in good order."""
    os.kill(container.first, signal.SIGTERM)
    assert container.process.wait(60) == 0, container.log()
    assert container.log().splitlines()[-1] == f"sluice: stopped; {requests} requests served"


def test_the_first_process_reaps_orphans_on_a_read_only_root(containers: list[Container], folder: Path) -> None:
    (folder / "orphans.py").write_text(ORPHANS, encoding="utf-8")
    port = free_port()
    line = command("serve", folder / "orphans.py", "--module", module_under_test(), "--port", port)
    container = Container(Path("/"), folder, *line, environment=environment())
    containers.append(container)
    wait_until_it_serves(container)
    assert fetch(port, "/").status == 200  # both of Apache's processes have begun
    before = set(container.states())
    assert 1 in before
    for _ in range(5):
        assert fetch(port, "/orphan").json() == {"uid": pwd.getpwnam("www-data").pw_uid, "written": "Read-only file system"}
    wait_until(lambda: set(container.states()) == before, "the end of the orphans")
    check_the_end(container, 6)


@pytest.mark.parametrize("user", ["0", "12345"])
def test_a_volume_that_everybody_can_write_to_is_a_runtime_directory(containers: list[Container], folder: Path, user: str) -> None:
    """An emptyDir of Kubernetes belongs to root, and its mode is 777. The user of a container may have no name.

    That user's server has the arguments of the manifest in examples/container/README.md.
    """
    manifest = (ROOT / "examples/container/README.md").read_text(encoding="utf-8")
    (arguments,) = re.findall(r"^  args: (\[.*\])$", manifest, re.MULTILINE)
    options = json.loads(arguments)[1:] if user != "0" else []
    (folder / "orphans.py").write_text(ORPHANS, encoding="utf-8")
    port = free_port()
    as_user = ["setpriv", f"--reuid={user}", "--regid=12345", "--clear-groups"] if user != "0" else []
    line = [*as_user, *command("serve", folder / "orphans.py", *options, "--module", module_under_test(), "--port", port)]
    container = Container(Path("/"), folder, *line, environment=environment(), mode="777")
    containers.append(container)
    wait_until_it_serves(container)
    assert fetch(port, "/").json()["uid"] == (int(user) or pwd.getpwnam("www-data").pw_uid)
    run = Path(f"/proc/{container.first}/root/run")
    assert run.stat().st_mode & 0o7777 == (0o1777 if user == "0" else 0o777)
    assert len(list(run.glob("sluice-*"))) == 1
    assert ("set the sticky bit of /run" in container.log()) == (user == "0"), container.log()
    assert ("warning: /run can be written by other users" in container.log()) == (user != "0"), container.log()
    check_the_end(container, 1)


@pytest.mark.machine
@pytest.mark.timeout(3600)
def test_the_dockerfile_builds_an_image_that_serves(containers: list[Container], folder: Path) -> None:
    image = Image(ROOT / "examples/container/Dockerfile", "container")
    port = free_port()
    variables = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root"}
    more = ("--host", "127.0.0.1", "--port", port)
    container = Container(image.root, folder, *image.command, *more, environment=variables)
    containers.append(container)
    wait_until_it_serves(container)
    assert fetch(port, "/").text == "Hello from a container!\n"
    assert "sluice_requests_total" in fetch(port, "/sluice-metrics").text
    assert set(container.states().values()) <= {"S", "R"}
    check_the_end(container, 1)
