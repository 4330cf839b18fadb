# SPDX-License-Identifier: Apache-2.0
"""The script that starts and stops the Apache of a directory of --setup-only."""

from __future__ import annotations

import shlex

from sluice.commands.apache import Apache
from sluice.commands.serve.layout import Layout
from sluice.commands.serve.settings import Settings

TEMPLATE = """\
#!/bin/sh
# control start|stop|graceful|configtest|status: written by `sluice serve --setup-only`.
set -eu

apache={program}
configuration={configuration}
pid_file={pid_file}
log={log}
stop_seconds={stop_seconds}
cd {working_directory}
# The variables are for the server alone, because this script has names of its own and searches PATH.
run() {{ env{variables} "$apache" -d {root} -f "$configuration" "$@"; }}

# is_server PID: another process may have the number of one that was killed, and one whose end nobody has taken has no command line.
is_server() {{ tr '\\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | grep -qF -- "-f $configuration "; }}

# The pid of the server, nothing when it does not run.
pid() {{
    if [ -s "$pid_file" ]; then
        number=$(cat "$pid_file")
        if is_server "$number"; then echo "$number"; fi
    fi
}}

# wait_until COMMAND...: for as long as a start or a stop may take.
wait_until() {{
    tenths=$((stop_seconds * 10))
    until "$@"; do
        tenths=$((tenths - 1))
        [ "$tenths" -gt 0 ] || return 1
        sleep 0.1
    done
}}
runs() {{ [ -n "$(pid)" ]; }}
is_stopped() {{ ! is_server "$1"; }}

case "${{1:-}}" in
start)
    if runs; then echo "runs already, as process $(pid)"; exit 0; fi
    run -k start
    wait_until runs || {{ echo "does not start; see $log" >&2; exit 1; }}
    echo "started as process $(pid)"
    ;;
stop)
    server=$(pid)
    if [ -z "$server" ]; then echo "does not run"; exit 0; fi
    # The requests in flight are finished first.
    kill -WINCH "$server"
    wait_until is_stopped "$server" || {{ kill -TERM "$server"; wait_until is_stopped "$server"; }} || exit 1
    echo "stopped"
    ;;
graceful)
    runs || {{ echo "does not run" >&2; exit 1; }}
    problem=$(run -t 2>&1) || {{ echo "$problem" >&2; exit 1; }}
    kill -USR1 "$(pid)"
    ;;
configtest)
    run -t
    ;;
status)
    if runs; then echo "runs as process $(pid)"; else echo "does not run"; exit 3; fi
    ;;
*)
    echo "usage: $0 start|stop|graceful|configtest|status" >&2
    exit 2
    ;;
esac
"""


def write(settings: Settings, apache: Apache, place: Layout) -> None:
    """Write the script `control` into the directory."""
    variables = "".join(f" {name}={shlex.quote(value)}" for name, value in settings.options.envvar)
    text = TEMPLATE.format(
        program=shlex.quote(str(apache.program)),
        configuration=shlex.quote(str(place.configuration)),
        pid_file=shlex.quote(str(place.pid_file)),
        log=shlex.quote(str(place.error_log)),
        root=shlex.quote(str(place.root)),
        stop_seconds=settings.options.graceful_timeout + 15,
        working_directory=shlex.quote(str(settings.working_directory)),
        variables=variables,
    )
    place.write(place.root / "control", text, 0o700, None)
