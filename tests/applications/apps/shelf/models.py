# SPDX-License-Identifier: Apache-2.0
from django.db import models


class Book(models.Model):
    title = models.CharField(max_length=100)
    text = models.FileField(upload_to="books")

    def __str__(self):
        return self.title
