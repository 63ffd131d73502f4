"""Pictures inside a page."""

import base64


def data_uri(content: bytes, kind: str) -> str:
    """Bytes as the source of an image; `kind` is their media type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"
