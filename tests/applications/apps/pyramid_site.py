# SPDX-License-Identifier: Apache-2.0
"""Pyramid with routes, renderers, an exception view and a transaction of a cookie."""

import hashlib

from pyramid.config import Configurator
from pyramid.httpexceptions import HTTPFound
from pyramid.response import Response
from pyramid.session import SignedCookieSessionFactory


def count(request):
    request.session["count"] = request.session.get("count", 0) + 1
    return {"count": request.session["count"], "name": request.matchdict["name"]}


def upload(request):
    return {"sha256": hashlib.sha256(request.POST["file"].file.read()).hexdigest()}


def old(request):
    return HTTPFound(request.route_path("count", name="old"))


def failed(error, request):
    return Response(f"failed: {error}", status=500)


def broken(request):
    raise ValueError("as asked")


with Configurator(session_factory=SignedCookieSessionFactory("only for tests")) as config:
    for name, view, pattern in (
        ("count", count, "/count/{name}"),
        ("upload", upload, "/upload"),
        ("old", old, "/old"),
        ("broken", broken, "/broken"),
    ):
        config.add_route(name, pattern)
        config.add_view(view, route_name=name, renderer="json")
    config.add_exception_view(failed, context=ValueError)
    application = config.make_wsgi_app()
