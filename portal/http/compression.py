"""Long answers of the API are compressed.

Pages are not: they carry secrets (the CSRF token), and whoever can have them send back chosen words could
guess a secret by the length of what is compressed with it (BREACH). The API takes no cookie: nobody else can
have a browser ask it in a program's name. Photos are compressed already.
"""

from __future__ import annotations

from flask import Flask, Response, request
from flask_compress import Compress

from portal.http.security import API_PREFIX

MIN_BYTES = 1000


def init_app(app: Flask) -> None:
    """Compress what the API answers, by zstd or gzip, as the program asks (`Accept-Encoding`)."""
    app.config.update(
        COMPRESS_REGISTER=False,
        COMPRESS_MIMETYPES=["application/json", "text/csv", "text/html"],
        COMPRESS_ALGORITHM=["zstd", "gzip"],
        COMPRESS_ALGORITHM_STREAMING=["zstd", "gzip"],
        COMPRESS_MIN_SIZE=MIN_BYTES,
    )
    compress = Compress()
    compress.init_app(app)

    @app.after_request
    def shorten(response: Response) -> Response:
        return compress.after_request(response) if request.path.startswith(API_PREFIX) else response
