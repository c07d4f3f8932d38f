"""Bytes that stand in a text: data: URLs (RFC 2397), in the forms in which people write their base64."""

import base64
from urllib.parse import unquote

_FROM_URL_SAFE = str.maketrans("-_", "+/")


def is_data_url(text: str) -> bool:
    """Whether a text is a data: URL and no path."""
    return text[:5].lower() == "data:"


def decode_data_url(url: str) -> bytes:
    """What a data: URL holds, whose base64 may be in lines, in the alphabet for URLs, or without the padding at its end.

    Raises:
        ValueError: the base64 is damaged, or the URL holds none.
    """
    header, comma, payload = url.partition(",")
    if not comma or not header.rstrip().lower().endswith(";base64"):
        raise ValueError("a data: URL must read data:image/...;base64,DATA")
    plain = "".join((unquote(payload) if "%" in payload else payload).split()).translate(_FROM_URL_SAFE)
    try:
        return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except ValueError as error:  # binascii.Error is one; so is what a character outside of ASCII raises
        raise ValueError(f"the base64 of this data: URL is damaged ({error})") from error
