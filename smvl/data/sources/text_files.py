"""Files of text with a row a line: in UTF-8, and nothing else. Another encoding is refused by its name, before a word of it is learned."""

import codecs
from pathlib import Path

from smvl.data.rules import SampleError
from smvl.processing.file_kinds import JSON, NUM_BYTES, kind_of

_MARKS = (  # the longer ones first: UTF-16's is the beginning of UTF-32's
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_MANY_NULS = 1 / 50
"""Share of the bytes from which NULs tell UTF-16: no text in UTF-8 has any."""
_LOOKED_AT = 4096
"""Bytes of a row that tell its encoding."""
_COMMON = 0.9
"""Share of the characters beyond ASCII that must be common ones, for a text to be taken for Chinese."""


def check_text_file(file: Path) -> None:
    """Raise `ValueError` when a path has no rows of text in UTF-8, but a Git LFS pointer, a web page, or text in UTF-16."""
    with file.open("rb") as content:
        beginning = content.read(NUM_BYTES)
    if encoding := _wide_encoding(beginning):
        raise ValueError(f"{file}: the text is in {encoding}, and rows are read in UTF-8. {_how_to_convert(encoding)}")
    kind = kind_of(beginning)
    if kind not in (None, JSON):
        raise ValueError(f"{file}: this is {kind.name}; expected rows of text. {kind.advice}")


def check_beginning(file: Path) -> None:
    """Raise `ValueError` when the first lines of a file are not in UTF-8."""
    with file.open("rb") as content:
        lines = content.readlines(_LOOKED_AT)
    try:
        decode_row(b"".join(lines))
    except SampleError as error:
        raise ValueError(f"{file}: {error}.") from error


def decode_row(row: bytes) -> str:
    """The text of a row; raises `SampleError` when it is not in UTF-8, with the encoding that it most likely is in."""
    try:
        return row.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        found = f"byte 0x{row[error.start]:02X} at {error.start} is not UTF-8"
        if not _is_chinese(row):
            raise SampleError("text encoding", f"{found}; expected the row in UTF-8") from error
        raise SampleError("text encoding", f"{found} but most likely GB18030 (GBK). {_how_to_convert('GB18030')}") from error


def _wide_encoding(beginning: bytes) -> str | None:
    """UTF-16 or UTF-32, by its mark, or by the NULs that ASCII has in them; else None."""
    if marked := next((name for mark, name in _MARKS if beginning.startswith(mark)), None):
        return marked
    odd, even = beginning[1::2].count(0), beginning[::2].count(0)
    if max(odd, even) < max(2, _MANY_NULS * len(beginning)):
        return None
    if odd and even:
        words = [beginning[start::4].count(0) for start in range(4)]
        is_wide = sum(words) >= len(beginning) / 2 and 0 in (words[0], words[3])
        return f"UTF-32{'LE' if words[0] == 0 else 'BE'}" if is_wide else None
    return "UTF-16LE" if odd else "UTF-16BE"


def _is_chinese(row: bytes) -> bool:
    """Whether a text reads as Chinese in GB18030: as common characters. Any bytes can be read in it, most as rare ones."""
    try:
        text = codecs.getincrementaldecoder("gb18030")().decode(row[:_LOOKED_AT])  # which may end within a character
    except UnicodeDecodeError:
        return False
    foreign = [character for character in text if not character.isascii()]
    common = sum(bool(character.encode("gb2312", errors="ignore")) for character in foreign)
    return bool(foreign) and common >= _COMMON * len(foreign)


def _how_to_convert(encoding: str) -> str:
    return f"Convert the file: iconv -f {encoding} -t UTF-8 OLD > NEW"
