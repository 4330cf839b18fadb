# SPDX-License-Identifier: Apache-2.0
"""The script that looks for Debian packages goes on where there are none, and removes none for another."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).with_name("need.sh")


def test_a_system_without_apt_get_is_told_the_packages_and_goes_on(tmp_path: Path) -> None:
    done = subprocess.run(["/bin/sh", SCRIPT, "make build", "g++", "cmake"], env={"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "sluice: make build needs the equivalents of these packages of Debian: g++ cmake\n"


# Answers as apt-get does, where catch2 conflicts with two packages that the user has.
APT_GET = """\
case " $* " in
  *" install "*) ;;
  *) exit 0 ;;
esac
echo "$*" >>calls
cat <<'END'
Reading package lists...
The following packages will be REMOVED:
  catch libdear-of-user-dev
  another-one
The following NEW packages will be installed:
  catch2
0 upgraded, 1 newly installed, 3 to remove and 0 not upgraded.
END
case " $* " in
  *" --no-remove "*)
    echo "E: Packages need to be removed but remove is disabled."
    exit 100
    ;;
esac
"""


def test_no_package_of_the_user_is_removed_for_another(tmp_path: Path) -> None:
    for name, text in (("apt-get", APT_GET), ("dpkg-query", "exit 1"), ("id", "echo 0"), ("update-rc.d", "exit 0")):
        tool = tmp_path / name
        tool.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
        tool.chmod(0o755)
    script = tmp_path / "need.sh"
    script.write_text(SCRIPT.read_text(encoding="utf-8").replace("/usr/sbin/policy-rc.d", str(tmp_path / "policy")), encoding="utf-8")
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["/bin/sh", script, "make test", "catch2"], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert "--no-remove" in (tmp_path / "calls").read_text(encoding="utf-8")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        "sluice: apt-get would remove these packages, and nothing was changed: catch libdear-of-user-dev another-one",
        "sluice: if you can do without them: apt-get install --no-install-recommends catch2",
    ]
    assert not (tmp_path / "policy").exists()
