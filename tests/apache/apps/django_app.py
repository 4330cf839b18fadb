# SPDX-License-Identifier: Apache-2.0
"""A small Django application in one file."""

from django.conf import settings

settings.configure(
    ALLOWED_HOSTS=["*"],
    DEBUG=False,
    LOGGING_CONFIG=None,
    ROOT_URLCONF=__name__,
    SECRET_KEY="only for tests",
)

import django  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.http import HttpResponse, JsonResponse, StreamingHttpResponse  # noqa: E402
from django.urls import path  # noqa: E402


def index(request):
    return HttpResponse("django")


def item(request, number):
    return JsonResponse({"number": number, "square": number * number})


def echo(request):
    return HttpResponse(request.body, content_type="application/octet-stream")


def stream(request):
    return StreamingHttpResponse(f"part {number};" for number in range(5))


def error(request):
    raise RuntimeError("django, as asked")


urlpatterns = [
    path("", index),
    path("items/<int:number>", item),
    path("echo", echo),
    path("stream", stream),
    path("error", error),
]

django.setup(set_prefix=False)
application = get_wsgi_application()
