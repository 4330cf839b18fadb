# SPDX-License-Identifier: Apache-2.0
"""`sluice serve` says in one line why it cannot serve."""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
from pathlib import Path

import pytest
from apache.config import module_under_test
from sluice.commands import CommandError
from sluice.commands.serve import checks, layout
from sluice.commands.serve.settings import Settings
from sluice.commands.serve.target import Target

from .conftest import Serve
from .served import PLAIN_USER, command, environment, refusal, sluice

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="starts servers as several users, as root")


def serve_refusal(*arguments: object, **options: str) -> str:
    return refusal("serve", "--module", module_under_test(), *arguments, **options)


def test_a_port_in_use(application: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert serve_refusal(application, "--port", port) == f"port {port} of 127.0.0.1 is in use: choose another one with --port"


@as_root
def test_a_port_of_root(application: Path) -> None:
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text(encoding="ascii")) < 2:
        pytest.skip("every user may listen at every port here")
    assert "port 1 is for root" in serve_refusal(application, "--port", 1, user=PLAIN_USER)


@as_root
def test_an_access_log_that_the_user_cannot_write(application: Path, folder: Path) -> None:
    (folder / "old").touch()
    for name in ("old", "new"):
        said = serve_refusal(application, "--access-log", folder / name, "--port", 0, user=PLAIN_USER)
        assert said == f"this user cannot write to {folder / name}: choose another file with --access-log"


def test_a_size_that_apache_does_not_take(application: Path) -> None:
    words = ("serve", application, "--module", module_under_test(), "--print-config", "--limit-body")
    assert f"LimitRequestBody {2**63 - 1}\n" in sluice(*words, 2**63 - 1).stdout
    done = sluice(*words, "8589934592G")
    assert (done.returncode, done.stderr.splitlines()[-1]) == (
        2, "sluice serve: error: argument --limit-body: more than 9223372036854775807 bytes: 8589934592G",
    )  # fmt: skip


def test_no_apache(application: Path, folder: Path) -> None:
    """Apache is found in fixed folders too, so the machine has to hide it: in a mount namespace, with an empty folder on top."""
    (folder / "empty").mkdir()
    script = f'for hidden in /usr/sbin /usr/lib/apache2; do mount --bind {folder}/empty "$hidden"; done; exec "$@"'
    unshare = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"])]
    if subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this machine lets nobody have mounts of their own")
    words = [*unshare, "sh", "-ec", script, "sh"]
    done = subprocess.run(
        [*words, *command("serve", application, "--module", module_under_test())],
        env=environment(), capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1, done
    (line,) = done.stderr.splitlines()
    assert line.startswith("sluice: there is no Apache here: install it"), line


def test_a_module_for_another_python(application: Path, folder: Path) -> None:
    other = folder / "mod_sluice.so"
    other.write_bytes(module_under_test().read_bytes().replace(b"\0libpython3.", b"\0libpython9."))
    assert f"{other} embeds Python 9." in refusal("serve", application, "--module", other)
    assert refusal("serve", application, "--module", folder / "none") == f"there is no module {folder}/none"


def test_a_script_that_does_not_load_is_told_with_its_traceback(folder: Path) -> None:
    broken = folder / "broken.py"
    broken.write_text("def f():\n    import no_such_module\n\nf()\n", encoding="utf-8")
    for mode in ([], ["--embedded"]):
        done = sluice("serve", broken, "--module", module_under_test(), "--port", 0, *mode)
        assert done.returncode == 1
        assert done.stderr.splitlines()[-1] == f"sluice: {broken} does not load: ModuleNotFoundError: No module named 'no_such_module'"
        traceback = done.stderr.partition("Traceback (most recent call last):")[2]
        assert f'File "{broken}", line 2, in f' in traceback
        assert "importlib" not in traceback


def test_a_script_without_a_callable(folder: Path) -> None:
    (folder / "empty.py").write_text("", encoding="utf-8")
    line = sluice("serve", folder / "empty.py", "--module", module_under_test(), "--port", 0).stderr.splitlines()[-1]
    assert line.endswith("empty.py has no callable application or app")


def test_an_application_that_is_not_callable(folder: Path) -> None:
    (folder / "number.py").write_text("app = 5\n", encoding="utf-8")
    done = sluice("serve", folder / "number.py", "--module", module_under_test(), "--port", 0)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(f"does not load: TypeError: app of {folder}/number.py is not callable, but of type int")


def test_a_certificate_that_is_missing_or_wrong(application: Path, folder: Path) -> None:
    https = (application, "--https-port", 0, "--certificate")
    assert serve_refusal(*https, folder / "none.pem") == f"there is no file {folder}/none.pem (--certificate)"
    assert "cannot be used as a certificate" in serve_refusal(*https, application)
    assert "needs a certificate" in serve_refusal(application, "--https-port", 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "there is no application"),
        (["none.py"], "there is no file none.py"),
        ([":app"], "':app' names a callable, but no file, directory or module before it"),
        (["APP", "--telemetry", "/run/" + "x" * 103], "too long for the path of a socket (--telemetry)"),
        (["APP", "--django", "a.b"], "two applications"),
        (["APP", "--static", "/s=/none"], "there is no directory /none"),
        (["APP", "--include", "/none"], "there is no file /none"),
        (["APP", "--embedded", "--reload"], "--reload needs daemon processes"),
        (["APP", "--embedded", "--request-timeout", "1"], "--request-timeout needs daemon processes"),
        (["APP", "--host", "192.0.2.1"], "this machine does not have the address 192.0.2.1"),
        (["APP", "--access-log", "/none/log"], "there is no directory /none"),
        (["APP", "--access-log", "/dev/stderr"], "not to /dev/stderr: --access-log=- is the output"),
        (["APP", "--access-log", "/tmp/log"], "/tmp can be written by other users"),
        (["APP", "--setup-only", "/tmp"], "/tmp can be written by other users"),
        (["APP", "--log-format", "combined"], "--log-format is for the access log"),
        (["APP", "--processes", "1000", "--threads", "1000"], "--processes times --threads is 1000000, which is more than 32768"),
        (["APP", "--key", "/none"], "--key belongs to a certificate"),
        (["APP", "--metrics-from", "10.0.0.0/8"], "--metrics-from is for the metrics: turn them on with --metrics"),
        (["APP", "--metrics", "/"], "--metrics / would answer in place of the application at /: choose another path"),
        (["APP", "--metrics", "/shop", "--mount", "/shop/eu"], "--metrics /shop would answer in place of the application at /shop/eu"),
    ],
)
def test_a_mistake_in_the_options(application: Path, arguments: list[str], words: str) -> None:
    assert words in serve_refusal(*[str(application) if word == "APP" else word for word in arguments])


@as_root
def test_a_file_that_the_user_of_the_processes_cannot_read(application: Path, folder: Path) -> None:
    application.chmod(0o600)
    assert serve_refusal(application).startswith(f"user 'www-data' has no access to {application}")
    application.chmod(0o644)
    folder.chmod(0o700)
    assert "has no access" in serve_refusal(application)
    folder.chmod(0o755)


@as_root
def test_root_loads_no_module_that_another_user_could_replace(start: Serve, application: Path, folder: Path) -> None:
    module = folder / "modules/mod_sluice.so"
    module.parent.mkdir()
    shutil.copy(module_under_test(), module)
    serve = ("serve", application, "--print-config", "--module")
    assert str(module) in sluice(*serve, module).stdout
    (folder / "link").symlink_to(module)
    for path, owner, mode, said in [
        (module, 65534, 0o755, f"{module} belongs to another user"),
        (module, 0, 0o757, f"{module} can be written by other users"),
        (module.parent, 0, 0o777, f"{module.parent} can be written by other users"),
        (module.parent, 65534, 0o755, f"{module.parent} belongs to another user"),
    ]:
        os.chown(path, owner, -1)
        path.chmod(mode)
        for argument in (module, folder / "link"):
            assert refusal(*serve, argument) == f"{said}, who could replace {argument} (--module)"
        os.chown(path, 0, -1)
        path.chmod(0o755)


@as_root
def test_files_that_another_user_could_replace_are_not_trusted(application: Path, folder: Path) -> None:
    (folder / "more.conf").write_text("", encoding="utf-8")
    shutil.chown(folder / "more.conf", PLAIN_USER)
    assert "belongs to another user" in serve_refusal(application, "--include", folder / "more.conf")
    (folder / "theirs").mkdir()
    shutil.chown(folder / "theirs", PLAIN_USER)
    for option in ("--runtime-directory", "--setup-only"):
        assert "belongs to another user" in serve_refusal(application, option, folder / "theirs")


@pytest.mark.parametrize("option", ["--metrics", "--access-log"])
def test_an_application_behind_an_option_that_takes_it_for_its_value(application: Path, option: str) -> None:
    expected = f"{option} took '{application}' for its value: put the application in front of it"
    assert serve_refusal(option, application) == expected


def test_a_directory_whose_name_is_too_long_for_sockets(application: Path, folder: Path) -> None:
    long = folder / ("d" * 80)
    long.mkdir()
    for option in ("--runtime-directory", "--setup-only"):
        assert "too long for the path of a socket" in serve_refusal(application, option, long)


def test_a_mistake_that_only_apache_finds(start: Serve, application: Path, folder: Path) -> None:
    (folder / "more.conf").write_text("NoSuchDirective\n", encoding="utf-8")
    server = start(application, "--include", folder / "more.conf")
    assert server.end() == 1
    assert "NoSuchDirective" in server.errors()
    assert "Apache has ended by itself, with status 1" in server.errors().splitlines()[-1]


@pytest.mark.parametrize("option", ["APP", "--include", "--working-directory", "--python-path", "--access-log", "--static", "--module"])
def test_a_name_that_no_file_can_have(application: Path, option: str) -> None:
    name = "x" * 5000
    words = [name] if option == "APP" else [application, option, f"/s={name}" if option == "--static" else name]
    assert serve_refusal(*words).endswith("xxx: File name too long")


@as_root
def test_what_this_user_cannot_search(application: Path, folder: Path) -> None:
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    shutil.copy(application, closed)
    assert serve_refusal(closed / application.name, user=PLAIN_USER) == f"{closed / application.name}: Permission denied"
    line = serve_refusal(application, "--working-directory", closed, user=PLAIN_USER)
    assert line == f"{closed} cannot be entered: Permission denied (--working-directory)"


def test_a_terminal_gets_no_escape_sequence_from_an_exception(folder: Path) -> None:
    """Root may start the command, and the application is that of another user."""
    broken = folder / "broken.py"
    broken.write_text('raise ValueError("\\x1b]0;title\\x07\\x9b2J\\nsluice: all is well")\n', encoding="utf-8")
    said = sluice("serve", broken, "--module", module_under_test(), "--port", 0).stderr
    line = said.splitlines()[-1]
    assert line.startswith(f"sluice: {broken} does not load: ValueError: ") and line.endswith("sluice: all is well")
    assert not set("\x1b\x07\x9b") & set(said)


def test_the_owner_of_a_volume_that_everybody_can_write_to_sets_the_sticky_bit(serve: Serve, application: Path, folder: Path) -> None:
    volume = folder / "volume"
    volume.mkdir()
    volume.chmod(0o777)
    server = serve(application, "--runtime-directory", volume)
    assert server.errors().startswith(f"sluice: set the sticky bit of {volume}, ")
    assert volume.stat().st_mode & 0o7777 == 0o1777
    server.stop()
    assert "sticky" not in (serve(application, "--runtime-directory", volume)).errors()


@as_root
def test_a_plain_user_is_warned_of_a_volume_that_others_can_write_to(serve: Serve, application: Path, folder: Path) -> None:
    volume = folder / "volume"
    volume.mkdir()
    volume.chmod(0o777)
    said = serve(application, "--runtime-directory", volume, user=PLAIN_USER).errors()
    assert said.startswith(f"sluice: warning: {volume} can be written by other users, who could replace the files of the server")
    folder.chmod(0o777)
    said = serve_refusal(application, "--runtime-directory", volume, user=PLAIN_USER)
    assert said.startswith(f"{folder} can be written by other users")


@pytest.mark.parametrize("first", [False, True])
def test_a_usual_directory_has_no_other_writers_except_in_a_container(folder: Path, monkeypatch: pytest.MonkeyPatch, first: bool) -> None:
    (folder / "volume").mkdir()
    (folder / "volume").chmod(0o777)
    monkeypatch.setattr(layout, "_usual_folders", lambda: [str(folder / "volume")])
    monkeypatch.setattr(layout, "FIRST_PROCESS", os.getpid() if first else 1)
    if first:
        assert layout.temporary(None, None).root.parent == folder / "volume"
    else:
        with pytest.raises(CommandError, match="volume can be written by other users"):
            layout.temporary(None, None)


@as_root
def test_the_first_process_is_warned_of_a_volume_that_another_container_may_have(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    folder.chmod(0o777)
    monkeypatch.setattr(layout, "_usual_folders", lambda: [str(folder)])
    monkeypatch.setattr(layout, "FIRST_PROCESS", os.getpid())
    monkeypatch.setattr(os, "geteuid", lambda: 12345)  # not the owner, which is root
    layout.temporary(None, None)
    assert capfd.readouterr().err.startswith(f"sluice: warning: {folder} can be written by other users")


@as_root
def test_a_temporary_directory_that_another_user_could_replace_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = folder / "theirs"
    theirs.mkdir()
    shutil.chown(theirs, PLAIN_USER)
    monkeypatch.setattr(layout, "_usual_folders", lambda: [str(theirs)])
    with pytest.raises(CommandError, match="belongs to another user"):
        layout.temporary(None, None)
    assert list(theirs.iterdir()) == []


@pytest.mark.parametrize("use", ["--setup-only", "--runtime-directory", "--access-log", "--include"])
def test_a_link_that_changes_after_the_check_leads_nowhere_else(folder: Path, use: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files are used by the path that was checked, which has no symbolic links."""
    for name in ("safe", "other"):
        (folder / name).mkdir()
        if use != "--setup-only":  # A setup takes no directory with files.
            (folder / name / "file").touch()
    link = folder / "link"
    link.symlink_to(folder / "safe")

    def check_then_change(path: Path, option: str, **rules: bool) -> Path:
        checked = trusted(path, option, **rules)
        link.unlink()
        link.symlink_to(folder / "other")
        return checked

    trusted = layout.trusted
    for module in (layout, checks):
        monkeypatch.setattr(module, "trusted", check_then_change)
    arguments = argparse.Namespace(
        certificate=None, include=[], access_log=None, key=None, socket=None, static=[], host="127.0.0.1", port=None, https_port=None,
        telemetry=None,
    )  # fmt: skip
    settings = Settings(arguments, Target("module", "m"), None, folder, (), None)
    if use == "--setup-only":
        used = layout.permanent(link, None).root
    elif use == "--runtime-directory":
        used = layout.temporary(link, None).root.parent
    elif use == "--access-log":
        arguments.access_log = str(link / "new")
        checks.check(settings)
        assert settings.access_log is not None
        used = settings.access_log.parent
    else:
        arguments.include = [link / "file"]
        checks.check(settings)
        used = arguments.include[0].parent
    assert used.resolve() == folder / "safe"
