# SPDX-License-Identifier: Apache-2.0
"""Libraries with extension modules: tells as JSON what each computes, or the error that it raises."""

import base64
import io
import json


def use_numpy():
    import numpy

    matrix = numpy.arange(9.0).reshape(3, 3) + numpy.eye(3)
    return [round(float(numpy.linalg.det(matrix)), 6), (matrix @ matrix).sum().item()]


def use_pandas():
    import pandas

    frame = pandas.DataFrame({"group": list("aabb"), "value": [1, 2, 3, 4]})
    return frame.groupby("group")["value"].sum().to_dict()


def use_lxml():
    from lxml import etree

    root = etree.fromstring("<a><b c='1'/><b c='2'/></a>")
    transform = etree.XSLT(
        etree.XML(
            "<xsl:stylesheet version='1.0' xmlns:xsl='http://www.w3.org/1999/XSL/Transform'>"
            "<xsl:output method='text'/><xsl:template match='/'><xsl:value-of select='sum(//@c)'/></xsl:template>"
            "</xsl:stylesheet>"
        )
    )
    return [root.xpath("//b/@c"), str(transform(root))]


def use_psycopg2():
    import psycopg2
    from psycopg2 import extensions

    try:
        psycopg2.connect("host=127.0.0.1 port=1 connect_timeout=2")
    except psycopg2.OperationalError as error:
        refused = "refused" in str(error)
    return [refused, extensions.adapt([1, 2.5, True]).getquoted().decode()]


def use_cryptography():
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    fernet = Fernet(base64.urlsafe_b64encode(bytes(32)))
    sealed = AESGCM(bytes(16)).encrypt(bytes(12), b"text", b"more")
    return [fernet.decrypt(fernet.encrypt(b"secret")).decode(), sealed.hex()]


def use_pydantic():
    from pydantic import BaseModel, ValidationError

    class Point(BaseModel):
        x: int
        y: float = 0.5

    try:
        Point(x="no number")
    except ValidationError as error:
        errors = [entry["type"] for entry in error.errors()]
    return [Point(x="3").model_dump(), errors]


def use_pillow():
    from PIL import Image, ImageFilter

    image = Image.new("RGB", (40, 20), (255, 0, 0)).filter(ImageFilter.BLUR).resize((20, 10))
    file = io.BytesIO()
    image.save(file, "PNG")
    file.seek(0)
    return [Image.open(file).size, list(image.getpixel((5, 5)))]


LIBRARIES = {
    "numpy": use_numpy,
    "pandas": use_pandas,
    "lxml": use_lxml,
    "psycopg2": use_psycopg2,
    "cryptography": use_cryptography,
    "pydantic": use_pydantic,
    "pillow": use_pillow,
}


def outcome(use):
    try:
        return {"result": use()}
    except BaseException as error:
        return {"error": f"{type(error).__name__}: {error}"}


def application(environ, start_response):
    body = json.dumps(outcome(LIBRARIES[environ["PATH_INFO"][1:]])).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
