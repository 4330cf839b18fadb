# SPDX-License-Identifier: Apache-2.0
"""Falcon with a resource that keeps what it is given, and a stream of its own."""

import hashlib
import io

import falcon


class Note:
    def __init__(self):
        self.notes = {}

    def on_get(self, request, response, name):
        if name not in self.notes:
            raise falcon.HTTPNotFound(title="no such note")
        response.media = {"name": name, "text": self.notes[name]}

    def on_put(self, request, response, name):
        self.notes[name] = request.media["text"]
        response.status = falcon.HTTP_CREATED


class Upload:
    def on_post(self, request, response):
        for part in request.get_media():
            response.media = {"name": part.name, "sha256": hashlib.sha256(part.stream.read()).hexdigest()}

    def on_get(self, request, response):
        response.stream, response.content_length = io.BytesIO(b"block;" * 10_000), 60_000


application = falcon.App()
application.add_route("/notes/{name}", Note())
application.add_route("/upload", Upload())
