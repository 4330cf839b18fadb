# SPDX-License-Identifier: Apache-2.0
"""Registers handlers of signals when it is loaded and when it is asked to, and tells of the processes that it starts."""

import faulthandler
import json
import os
import signal
import subprocess
import threading
from pathlib import Path

signal.signal(signal.SIGTERM, lambda *a: None)
signal.signal(signal.SIGUSR1, lambda *a: None)

SHOW = "grep -E 'SigBlk|SigIgn' /proc/self/status"
OUT = Path(__file__).parent.parent / "out"


def register():
    signal.signal(signal.SIGINT, lambda *a: None)


def restore():
    old = signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, lambda *a: None)
    signal.signal(signal.SIGINT, old)


def in_a_thread(function):
    failures = []

    def run():
        try:
            function()
        except Exception as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failures:
        raise failures[0]


def raises(error, function):
    try:
        function()
    except error:
        return
    raise AssertionError(f"{function} raised nothing")


def other_ways():
    assert signal.set_wakeup_fd(3) == -1
    signal.siginterrupt(signal.SIGTERM, True)
    assert signal.alarm(1) == 0
    assert signal.setitimer(signal.ITIMER_REAL, 0.1) == (0.0, 0.0)
    faulthandler.register(signal.SIGUSR2)
    assert signal.set_wakeup_fd(-1) == -1
    assert signal.alarm(0) == 0


def wrong_arguments():
    raises(TypeError, lambda: signal.signal(signal.SIGTERM))
    raises(TypeError, lambda: signal.signal(signal.SIGTERM, "x"))
    raises(ValueError, lambda: signal.signal(1000, signal.SIG_IGN))


def forked():
    """The ends of two forked processes that get the signal: one has registered a handler, one has not."""
    answers = []
    for register in (True, False):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                if register:
                    signal.signal(signal.SIGTERM, lambda *a: os.write(writer, b"handled"))
                os.kill(os.getpid(), signal.SIGTERM)
                os.write(writer, b" survived")
            finally:
                os._exit(0)
        os.close(writer)
        answers.append(os.read(reader, 100).decode() + (os.read(reader, 100).decode() if register else ""))
        answers.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        os.close(reader)
    return json.dumps(answers)


def output_of_fork():
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.dup2(writer, 1)
        os.execvp("sh", ["sh", "-c", SHOW])
    os.close(writer)
    os.waitpid(child, 0)
    with open(reader, encoding="ascii") as file:
        return file.read()


def output_of(start):
    """The output of a process that `start` starts with a file for its output."""
    path = f"{OUT}/status-{os.getpid()}-{threading.get_ident()}"
    start(path)
    with open(path, encoding="ascii") as file:
        return file.read()


def spawn(path):
    action = [(os.POSIX_SPAWN_OPEN, 1, path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)]
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", SHOW], os.environ, file_actions=action)
    os.waitpid(pid, 0)


def statuses():
    def popen(**options):
        return subprocess.run(SHOW, shell=True, capture_output=True, text=True, check=True, **options).stdout

    return {
        "popen": popen(),
        "popen without restore_signals": popen(restore_signals=False),
        "popen with preexec_fn": popen(preexec_fn=os.getpid),
        "system": output_of(lambda path: os.system(f"{SHOW} > {path}")),
        "popen of os": os.popen(SHOW).read(),
        "posix_spawn": output_of(spawn),
        "fork and exec": output_of_fork(),
    }


def ends():
    """The ends of processes that get the signals which end processes, one each."""
    answers = {}
    for number in sorted(signal.valid_signals()):
        name = signal.Signals(number).name if number in set(signal.Signals) else ""
        if name in {"", "SIGCHLD", "SIGCONT", "SIGURG", "SIGWINCH", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU"}:
            continue
        child = subprocess.Popen(["sleep", "60"])
        child.send_signal(number)
        answers[name] = -child.wait() == number
    return json.dumps(answers)


def multiprocess():
    import multiprocessing
    import time

    process = multiprocessing.get_context("fork").Process(target=time.sleep, args=(60,))
    process.start()
    process.terminate()
    process.join()
    return str(process.exitcode)


def in_threads(function):
    answers = {}
    thread = threading.Thread(target=lambda: answers.update(value=function()))
    thread.start()
    thread.join()
    return answers["value"]


ACTIONS = {
    "/": lambda: str(os.getpid()),
    "/register": register,
    "/thread": lambda: in_a_thread(register),
    "/restore": restore,
    "/other": other_ways,
    "/wrong": wrong_arguments,
    "/forked": forked,
    "/statuses": lambda: json.dumps(statuses()),
    "/statuses-in-a-thread": lambda: json.dumps(in_threads(statuses)),
    "/ends": ends,
    "/multiprocessing": multiprocess,
}


def application(environ, start_response):
    body = str(ACTIONS[environ["PATH_INFO"]]() or "ok").encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
