# SPDX-License-Identifier: Apache-2.0
"""The configuration of a private Apache, written from the settings. docs/configuration.md has the directives of the module."""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from sluice.commands import CommandError, module
from sluice.commands.apache import Apache
from sluice.commands.quoting import checked, folder, quoted
from sluice.commands.serve import static
from sluice.commands.serve.addresses import listening_address
from sluice.commands.serve.layout import FIRST_WORDS, Layout
from sluice.commands.serve.options import DEFAULT_FORMAT, FORMATS
from sluice.commands.serve.settings import Settings

GROUP = "app"
LEAST_WORKERS = 32
WORKERS_OF_A_PROCESS = 64
MOST_PROCESSES = 64
SILENT_SECONDS = 60
COMPRESSED = (
    "text/html text/plain text/css text/xml text/javascript application/javascript application/json application/xml image/svg+xml"
)

TEMPLATE = """\
{first_words}, which replaces it at its next start.
ServerRoot {root}
DefaultRuntimeDir {root}
PidFile {pid_file}
ServerName localhost
ServerTokens Prod
ServerSignature Off
TraceEnable Off
{identity}

# Apache's modules
{modules}

# Addresses
{addresses}

# Processes and threads of Apache: {purpose}
{workers}

# Logs
ErrorLog {error_log}
ErrorLogFormat "[%{{cu}}t] [%-m:%l] [pid %P] %M"
LogLevel {log_level}
{access_log}

# Limits
Timeout {silent_seconds}
KeepAliveTimeout 5
MaxKeepAliveRequests 0
GracefulShutdownTimeout {graceful_timeout}
{limits}

# Nothing is served but what is named below.
<Directory />
    AllowOverride None
    Options SymLinksIfOwnerMatch
    Require all denied
</Directory>
DocumentRoot {documents}
<Directory {documents}>
    Require all granted
</Directory>

# Python
WSGIPythonHome {python_home}
{reloading}
WSGIPassAuthorization On
{python}

# The application
{application}
<Directory {root}>
    <Files {script_name}>
        Require all granted
    </Files>
</Directory>
{urls}
"""

RELOADING = """\
WSGIScriptReloading On
# Python takes a compiled file for that of any source of the same second and the same length.
WSGIDontWriteBytecode On"""

METRICS = """\
<Location "{path}">
    SetHandler sluice-metrics
    Require local
{networks}</Location>"""

HTTPS = """\
<VirtualHost *:{port}>
    SSLEngine on
    SSLCertificateFile {certificate}
{key}{files}</VirtualHost>
SSLProtocol -all +TLSv1.2 +TLSv1.3
SSLSessionCache {session_cache}"""


def render(settings: Settings, apache: Apache, module_file: Path, layout: Layout) -> str:
    """Return the configuration."""
    options = settings.options
    return TEMPLATE.format(
        first_words=FIRST_WORDS,
        root=folder(layout.root, "the runtime directory"),
        pid_file=quoted(layout.pid_file, "the runtime directory"),
        identity=_identity(settings),
        modules="\n".join(_modules(settings, apache, module_file)),
        addresses="\n".join(_addresses(settings, layout)),
        purpose="they run the application" if settings.embedded else "they pass requests to the daemon processes",
        workers="\n".join(_workers(settings)),
        error_log=quoted(layout.error_log, "the error log"),
        log_level=options.log_level,
        access_log=_access_log(settings, layout),
        graceful_timeout=max(options.graceful_timeout, 1),
        limits=_limits(settings),
        silent_seconds=SILENT_SECONDS,
        documents=folder(layout.documents, "the runtime directory"),
        python_home=quoted(module.python_home(), "the prefix of Python"),
        reloading=RELOADING if options.reload else "WSGIScriptReloading Off",
        python="\n".join(_python(settings)),
        application=_application(settings, layout),
        script_name=quoted(layout.script.name, "the script"),
        urls="\n".join(_urls(settings)),
    )


def _identity(settings: Settings) -> str:
    if settings.identity is None:
        return "# Not started by root: all processes run as the user who has started Apache."
    return f"User {quoted(settings.identity.user, '--user')}\nGroup {quoted(settings.identity.group, '--group')}"


def _modules(settings: Settings, apache: Apache, module_file: Path) -> list[str]:
    options = settings.options
    names = ["mpm_event", "unixd", "log_config", "authz_core", "authz_host", "reqtimeout"]
    names += static.modules(options.static, options.mount)
    if options.compress:
        names += ["filter", "deflate"]
    if options.https_port is not None:
        names += ["socache_shmcb", "ssl"]
    if options.http2:
        names += ["http2"]
    return [*apache.load(*names), f"LoadModule wsgi_module {quoted(module_file, '--module')}"]


def _addresses(settings: Settings, layout: Layout) -> list[str]:
    options = settings.options
    lines = []
    if options.port is not None:
        lines += _listen(options.addresses, options.port, "http")
    if options.socket:
        group = f" group={quoted(options.socket_group, '--socket-group')}" if options.socket_group else ""
        lines.append(f"WSGIListenSocket {quoted(options.socket, '--socket')} mode={options.socket_mode:03o}{group}")
    if options.http2:
        lines.append("Protocols h2 h2c http/1.1")
    if options.https_port is not None:
        lines += _listen(options.addresses, options.https_port, "https")
        key = f"    SSLCertificateKeyFile {quoted(options.key.resolve(), '--key')}\n" if options.key else ""
        lines.append(HTTPS.format(
            port=options.https_port, key=key, certificate=quoted(options.certificate.resolve(), "--certificate"),
            files=static.lines_of_virtual_host(options.static, options.mount),
            session_cache=quoted(f"shmcb:{layout.root}/tls(512000)", "the runtime directory"),
        ))  # fmt: skip
    if options.trust_proxy:
        lines.append("WSGITrustedProxyHeaders X-Forwarded-For X-Forwarded-Host X-Forwarded-Port X-Forwarded-Proto")
        lines.append(f"WSGITrustedProxies {' '.join(options.trust_proxy)}")
    return lines


def _listen(addresses: list[str], port: int, protocol: str) -> list[str]:
    return [f"Listen {checked(listening_address(address, port), '--host')} {protocol}" for address in addresses]


def _workers(settings: Settings) -> list[str]:
    """Return the size of the server: that of the application, or enough workers that requests wait in its queue."""
    processes, threads = settings.options.processes, settings.options.threads
    if not settings.embedded:
        workers = max(LEAST_WORKERS, 2 * processes * threads)
        # More than so many processes get more threads instead, because Apache cuts their number in silence.
        threads = min(workers, max(WORKERS_OF_A_PROCESS, -(-workers // MOST_PROCESSES)))
        processes = -(-workers // threads)
    return [
        # The old and the new processes overlap during a graceful restart.
        f"ServerLimit {2 * processes}",
        f"StartServers {processes}",
        f"ThreadLimit {threads}",
        f"ThreadsPerChild {threads}",
        f"MaxRequestWorkers {processes * threads}",
        "MinSpareThreads 1",
        f"MaxSpareThreads {processes * threads}",
    ]


def _access_log(settings: Settings, layout: Layout) -> str:
    if settings.options.access_log is None:
        return "# No access log: --access-log"
    form = settings.options.log_format or DEFAULT_FORMAT
    form = FORMATS.get(form) or checked(form, "--log-format").replace("\\", "\\\\").replace('"', '\\"')
    path = quoted(settings.access_log or layout.access_log, "--access-log")
    return f'LogFormat "{form}" sluice\nCustomLog {path} sluice'


def _limits(settings: Settings) -> str:
    limit = settings.options.limit_body
    lines = ["RequestReadTimeout header=20-40,MinRate=500 body=20,MinRate=500"]
    return "\n".join([*lines, *([f"LimitRequestBody {limit}"] if limit is not None else [])])


def _search_path(settings: Settings) -> str:
    paths = [checked(path, "--python-path") for path in settings.python_path]
    for path in paths:
        if ":" in path:
            raise CommandError(f"a directory of sys.path cannot have a colon in its name: {path}")
    return ":".join(paths)


def _python(settings: Settings) -> list[str]:
    """Return where the application runs."""
    options, path = settings.options, _search_path(settings)
    if settings.embedded:
        return [f"WSGIPythonPath {quoted(path, '--python-path')}"] if path else []
    lines = [
        f"WSGIDaemonProcess {GROUP}",
        f"processes={options.processes} threads={options.threads} display-name=%{{GROUP}}",
        f"home={quoted(settings.working_directory, '--working-directory')}",
        *([f"python-path={quoted(path, '--python-path')}"] if path else []),
        f"request-timeout={options.request_timeout} queue-timeout={options.queue_timeout}",
        f"graceful-timeout={options.graceful_timeout} socket-timeout={_socket_timeout(options)}",
    ]
    return ["WSGIRestrictEmbedded On", " \\\n    ".join(lines)]


def _socket_timeout(options: argparse.Namespace) -> int:
    """Return how long Apache waits for a response: until the request timeout, which grows with the threads, has replaced the process."""
    if not options.request_timeout:
        return SILENT_SECONDS
    scaled = math.ceil(options.request_timeout * (1 + math.log(options.threads)))
    longest: int = options.queue_timeout + scaled + options.graceful_timeout
    return max(SILENT_SECONDS, longest)


def _application(settings: Settings, layout: Layout) -> str:
    group = "%{GLOBAL}" if settings.embedded else GROUP
    script = quoted(layout.script, "the runtime directory")
    return f'WSGIScriptAlias "{settings.options.mount}" {script} process-group={group} application-group=%{{GLOBAL}}'


def _urls(settings: Settings) -> list[str]:
    options = settings.options
    parts = static.lines(options.static, options.mount)
    if options.metrics:
        networks = "".join(f"    Require ip {network}\n" for network in options.metrics_from)
        parts.append(METRICS.format(path=options.metrics, networks=networks))
    if options.telemetry:
        parts.append(f"WSGITelemetryService {quoted(f'unix:{options.telemetry}', '--telemetry')}")
    if options.compress:
        parts.append(f"AddOutputFilterByType DEFLATE {COMPRESSED}")
    parts += [f"Include {_included(path)}" for path in options.include]
    return parts


def _included(path: Path) -> str:
    return folder(path, "--include")
