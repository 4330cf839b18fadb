# SPDX-License-Identifier: Apache-2.0
"""A small Flask application."""

from flask import Flask, Response, jsonify, request, stream_with_context

application = Flask(__name__)


@application.get("/")
def index():
    return "flask"


@application.get("/items/<int:number>")
def item(number):
    return jsonify(number=number, square=number * number)


@application.post("/echo")
def echo():
    return Response(request.get_data(), mimetype="application/octet-stream")


@application.get("/stream")
def stream():
    return Response(stream_with_context(f"part {number};" for number in range(5)))


@application.get("/error")
def error():
    raise RuntimeError("flask, as asked")
