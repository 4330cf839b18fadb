# SPDX-License-Identifier: Apache-2.0
from django.conf import settings
from django.contrib import admin
from django.http import HttpResponse
from django.urls import path, re_path
from django.views.static import serve

from .models import Book


def titles(request):
    return HttpResponse("\n".join(Book.objects.order_by("title").values_list("title", flat=True)))


urlpatterns = [
    path("admin/", admin.site.urls),
    path("titles", titles),
    re_path(r"^media/(?P<path>.*)$", serve, {"document_root": settings.MEDIA_ROOT}),
]
