# SPDX-License-Identifier: Apache-2.0
"""The steps of a Dockerfile, executed in installations that debootstrap makes, and the command of the image in a container."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from platforms import installation
from platforms.installation import Installation

INSTRUCTION = re.compile(r"^([A-Z]+) (.*)$")
IMAGE = re.compile(r"debian:(\w+)-slim(?: AS (\w+))?")
COPY = re.compile(r"(?:--from=(\w+) )?(\S+) (\S+)")

ENTER = """\
mount --make-rprivate /
mount --rbind "$1" "$2"
mount -t proc proc "$2/proc"
mount --rbind /dev "$2/dev"
mount -t tmpfs -o "mode=$3" tmpfs "$2/run"
mount -o remount,bind,ro "$2"
root=$2
shift 3
exec chroot "$root" "$@"
"""
"""Shows a root read-only except for /run, and becomes the command in it: the first process of its namespace."""


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """The instructions of a Dockerfile, each with its arguments on one line."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", text, flags=re.MULTILINE))
    for line in filter(None, joined.splitlines()):
        match = INSTRUCTION.fullmatch(line)
        assert match, line
        yield match[1], match[2]


class Image:
    """The last stage of a Dockerfile, once its steps were executed."""

    def __init__(self, dockerfile: Path, name: str) -> None:
        self._name = name
        self._stages: dict[str, Installation] = {}
        self._stage: Installation | None = None
        self._folder = "/"
        self.words: dict[str, list[str]] = {}
        for instruction, arguments in instructions(dockerfile.read_text(encoding="utf-8")):
            getattr(self, f"_{instruction.lower()}")(arguments)

    @property
    def root(self) -> Path:
        assert self._stage is not None
        return self._stage.root

    @property
    def command(self) -> list[str]:
        return [*self.words["ENTRYPOINT"], *self.words["CMD"]]

    def _from(self, arguments: str) -> None:
        match = IMAGE.fullmatch(arguments)
        assert match, arguments
        stage = match[2] or "image"
        self._stage = self._stages[stage] = installation.fresh(match[1], f"{self._name}-{stage}")
        self._folder = "/"

    def _run(self, arguments: str) -> None:
        assert self._stage is not None
        done = subprocess.run(
            self._stage.command("sh", "-ec", f"cd {self._folder}\n{arguments}"), capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{arguments}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"

    def _copy(self, arguments: str) -> None:
        assert self._stage is not None
        match = COPY.fullmatch(arguments)
        assert match, arguments
        stage, source, target = match.groups()
        # The sources of the project are in each installation, as a commit of the work tree would have them.
        start = self._stages[stage].root / source.lstrip("/") if stage else self.root / installation.SOURCES / source
        place = self.root / target.lstrip("/")
        if start.is_dir():
            shutil.copytree(start, place, symlinks=True, dirs_exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(start, place)

    def _workdir(self, arguments: str) -> None:
        self._folder = arguments

    def _expose(self, arguments: str) -> None:
        assert arguments.isdigit()

    def _entrypoint(self, arguments: str) -> None:
        self.words["ENTRYPOINT"] = json.loads(arguments)

    def _cmd(self, arguments: str) -> None:
        self.words["CMD"] = json.loads(arguments)


class Container:
    """A command as the first process of its own namespace, on a read-only root with a writable /run."""

    def __init__(self, root: Path, folder: Path, *command: object, environment: dict[str, str], mode: str = "755") -> None:
        """`mode` is that of /run."""
        self._log = folder / "log"
        (folder / "root").mkdir()
        words = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", ENTER, "sh", root, folder / "root", mode, *command]
        with open(self._log, "wb") as output:
            self.process = subprocess.Popen(
                [str(word) for word in words], env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/"
            )

    @property
    def first(self) -> int:
        """The first process, by its number outside."""
        return int(Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text(encoding="ascii"))

    def log(self) -> str:
        return self._log.read_text(encoding="utf-8", errors="replace")

    def states(self) -> dict[int, str]:
        """The states of the processes inside, by the number inside."""
        space = Path(f"/proc/{self.first}/ns/pid").readlink()
        states = {}
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and (entry / "ns/pid").readlink() == space:
                    status = dict(line.split(":\t", 1) for line in (entry / "status").read_text(encoding="utf-8").splitlines())
                    states[int(status["NSpid"].split()[-1])] = status["State"][0]
        return states

    def discard(self) -> None:
        if self.process.poll() is None:
            self.process.kill()  # the first process inside ends with it
            self.process.wait()
