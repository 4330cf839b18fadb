# SPDX-License-Identifier: Apache-2.0
"""Flask with a session, a template, an upload and a stream."""

import hashlib

from flask import Flask, Response, redirect, render_template_string, request, session

application = Flask(__name__)
application.secret_key = "only for tests"


@application.route("/")
def index():
    return render_template_string("Hello {{ name }}", name=session.get("name", "<nobody>"))


@application.post("/login")
def login():
    session["name"] = request.form["name"]
    return redirect("/")


@application.post("/upload")
def upload():
    return {"sha256": hashlib.sha256(request.files["file"].read()).hexdigest(), "note": request.form["note"]}


@application.route("/stream")
def stream():
    return Response((f"line {number}\n" for number in range(1000)), content_type="text/plain")
