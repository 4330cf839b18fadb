# SPDX-License-Identifier: Apache-2.0
"""Bottle with a route, a template and an upload."""

import hashlib

from bottle import Bottle, request, response, static_file, template

application = Bottle()


@application.get("/hello/<name>")
def hello(name):
    return template("Hello {{name}}", name=name)


@application.post("/upload")
def upload():
    response.status = 201
    return {"sha256": hashlib.sha256(request.files.file.file.read()).hexdigest()}


@application.get("/source")
def source():
    return static_file(__file__.rpartition("/")[2], root=__file__.rpartition("/")[0], mimetype="text/x-python")
