# SPDX-License-Identifier: Apache-2.0
"""A fresh minimal installation of a Debian release in a folder, with what this machine's network needs, and the sources."""

import dataclasses
import os
import shutil
import subprocess
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
WORK = PROJECT / "build" / "platforms"
SOURCES = "srv/sluice"
BASE_DAYS = 7
"""An older base is made anew, so that installing does not begin with upgrades."""
BASE_PACKAGES = "ca-certificates,make"
"""An installation as it is before the first command of the README."""
CONFIGURATION = [
    *("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/etc/npmrc", "/usr/etc/npmrc"),
    *("~/.config/pip/pip.conf", "~/.pip/pip.conf", "~/.npmrc"),
]
CERTIFICATES = Path("usr/local/share/ca-certificates")
PROXIES = [name for word in ("http_proxy", "https_proxy", "no_proxy") for name in (word, word.upper())]
CERTIFICATE_FILES = ["SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS"]
CLIENTS = ["PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_DEFAULT_TIMEOUT", "NPM_CONFIG_REGISTRY", "npm_config_registry"]


class InstallationError(Exception):
    """Says in one line why there is no installation."""


@dataclasses.dataclass(frozen=True)
class Source:
    """A line of sources.list of this machine: where a suite is fetched, and what follows the release in its name."""

    uri: str
    suffix: str
    components: str

    def line(self, release: str) -> str:
        return f"deb {self.uri} {release}{self.suffix} {self.components}"


def host_sources() -> list[Source]:
    """The sources of apt on this machine that are of Debian."""
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME) $(COMPONENT)", "Created-By: Packages", "Origin: Debian"]
    lines = _output(command).splitlines()
    components = {}
    for line in lines:
        uri, codename, component = line.split()
        components.setdefault((uri, "".join(codename.partition("-")[1:])), []).append(component)
    return [Source(uri, suffix, " ".join(dict.fromkeys(names))) for (uri, suffix), names in components.items()]


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def fresh(release: str, name: str | None = None) -> "Installation":
    """Makes an installation of a release, in place of the one of that name of an earlier run."""
    root = WORK / (name or release)
    base = _base(release)
    _remove(root)
    subprocess.run(["cp", "-a", "--reflink=auto", base, root], check=True)
    installation = Installation(root)
    installation.configure()
    installation.copy_sources()
    return installation


def _base(release: str) -> Path:
    """The release as debootstrap makes it, kept for the next run."""
    base = WORK / "base" / release
    if base.is_dir() and time.time() - base.stat().st_mtime < BASE_DAYS * 86400:
        return base
    _remove(base)
    sources = host_sources()
    main = next((source for source in sources if not source.suffix), None)
    if main is None:
        raise InstallationError("apt has no index of a Debian mirror here; apt-get update may bring it")
    partial = base.with_suffix(".partial")
    _remove(partial)
    partial.mkdir(parents=True)
    log = WORK / f"{release}.debootstrap.log"
    with log.open("wb") as output:
        command = ["debootstrap", "--variant=minbase", f"--include={BASE_PACKAGES}", release, partial, main.uri]
        if subprocess.run(["unshare", "--mount", *command], stdout=output, stderr=output, check=False).returncode:
            raise InstallationError(f"debootstrap failed; {log.relative_to(PROJECT)} ends with: {last_lines(log, 1)}")
    lines = "\n".join(source.line(release) for source in sources)
    (partial / "etc/apt/sources.list").write_text(lines + "\n", encoding="utf-8")
    partial.touch()
    partial.rename(base)
    return base


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


def last_lines(path: Path, count: int) -> str:
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])


@dataclasses.dataclass(frozen=True)
class Installation:
    root: Path

    def command(self, *words: str) -> list[str]:
        """The command line that runs a command in the sources' folder, as root with little more than a login's variables."""
        variables = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            **{"HOME": "/root", "TERM": "dumb"},
            **{name: os.environ[name] for name in PROXIES + CLIENTS if name in os.environ},
            **{name: os.environ[name] for name in CERTIFICATE_FILES if self._has(os.environ.get(name))},
        }
        return [
            *("unshare", "--mount", "--pid", "--fork", "--kill-child", str(HERE / "enter.sh"), str(self.root)),
            *("/usr/bin/env", "-i", f"--chdir=/{SOURCES}", *(f"{name}={value}" for name, value in variables.items())),
            *words,
        ]

    def _has(self, path: str | None) -> bool:
        return bool(path) and (self.root / path.lstrip("/")).exists()

    def configure(self) -> None:
        """Copies what this machine needs to reach the mirrors."""
        for name in CONFIGURATION:
            original = Path(name).expanduser()
            if original.is_file():
                copy = self.root / name.replace("~", "root").lstrip("/")
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(original, copy)
        options = _output(["apt-config", "dump", "Acquire"]).splitlines()
        kept = [line for line in options if not line.startswith(("Acquire::IndexTargets", "Acquire::Changelogs"))]
        (self.root / "etc/apt/apt.conf.d/90host").write_text("\n".join(kept) + "\n", encoding="utf-8")
        # The installation is thrown away, so dpkg need not wait for the disk.
        (self.root / "etc/dpkg/dpkg.cfg.d/unsafe-io").write_text("force-unsafe-io\n", encoding="utf-8")
        (self.root / SOURCES).mkdir(parents=True)
        if any(Path("/", CERTIFICATES).rglob("*.crt")):
            shutil.copytree(Path("/", CERTIFICATES), self.root / CERTIFICATES, dirs_exist_ok=True)
            subprocess.run(self.command("update-ca-certificates"), check=True, capture_output=True)

    def copy_sources(self) -> None:
        """Copies the files that a commit of the whole work tree would have, as this machine's user may have changed them."""
        for name in _source_names():
            copy = self.root / SOURCES / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(PROJECT / name, copy, follow_symlinks=False)


def _source_names() -> list[str]:
    if (PROJECT / ".git").exists():
        listed = _output(["git", "-C", str(PROJECT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        names = dict.fromkeys(listed.split("\0")[:-1])
    else:
        names = [str(path.relative_to(PROJECT)) for path in PROJECT.rglob("*") if not path.is_relative_to(PROJECT / "build")]
    return [name for name in names if os.path.islink(PROJECT / name) or (PROJECT / name).is_file()]
