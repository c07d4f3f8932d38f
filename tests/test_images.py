"""Reading images: whatever the file's mode, the pixels come out upright, in RGB and right, or the file is refused by name.

python -m pytest tests/test_images.py
"""

import base64
import io
import os
import socket
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from smvl.processing import image_files, images
from smvl.processing.image_files import image_name
from smvl.processing.images import ImageError, check_shape, image_header, image_size, read_image
from tests.tiny_data import dds_of_unknown_kind, ftex_cut_short, icns_of, png_declaring

RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)
EXIF_ORIENTATION = 0x0112
ROOT = Path(__file__).parent.parent


def encoded(image: Image.Image, file_format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def pixels(source: Any) -> list[list[tuple[int, ...]]]:
    """Rows of (red, green, blue)."""
    image = read_image(source)
    assert image.mode == "RGB"
    assert image_size(source) == (image.height, image.width)
    return [[tuple(pixel) for pixel in row] for row in np.asarray(image).tolist()]


def row_of(mode: str, values: list[Any]) -> Image.Image:
    """One row of pixels."""
    image = Image.new(mode, (len(values), 1))
    image.putdata(values)
    return image


# ---- modes --------------------------------------------------------------------------------------------------------------------


def test_a_palette_is_looked_up() -> None:
    image = row_of("P", [2, 0, 1])
    image.putpalette([*RED, *GREEN, *BLUE])
    assert pixels(encoded(image)) == pixels(image) == [[BLUE, RED, GREEN]]


def test_a_transparent_palette_colour_is_white() -> None:
    image = row_of("P", [2, 0, 1])
    image.putpalette([*RED, *GREEN, *BLUE])
    assert pixels(encoded(image, transparency=0)) == [[BLUE, WHITE, GREEN]]
    assert pixels(encoded(image, "GIF", transparency=0)) == [[BLUE, WHITE, GREEN]]
    assert pixels(encoded(image, transparency=bytes([0, 255, 128]))) == [[(127, 127, 255), WHITE, GREEN]]


def test_transparent_colour_is_laid_on_white() -> None:
    image = row_of("RGBA", [(*RED, 255), (*RED, 0), (*BLACK, 51)])
    assert pixels(encoded(image)) == [[RED, WHITE, (204, 204, 204)]]


def test_transparent_grey_is_laid_on_white() -> None:
    image = row_of("LA", [(0, 255), (0, 0), (100, 255), (0, 51)])
    assert pixels(encoded(image)) == pixels(image) == [[BLACK, WHITE, (100,) * 3, (204,) * 3]]


def test_one_colour_marked_as_transparent_is_white() -> None:
    image = row_of("RGB", [RED, GREEN])
    assert pixels(encoded(image, transparency=RED)) == [[WHITE, GREEN]]


def test_cmyk_is_converted() -> None:
    image = row_of("CMYK", [(0, 255, 255, 0), (255, 255, 0, 0), (0, 0, 0, 0), (0, 0, 0, 255)])
    assert pixels(encoded(image, "TIFF")) == [[RED, BLUE, WHITE, BLACK]]


def test_a_cmyk_photo_comes_out_as_it_was_painted() -> None:
    """JPEG stores CMYK inverted, which is easily missed."""
    photo = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=100)
    assert np.abs(np.asarray(read_image(photo)).astype(int) - RED).max() <= 3


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    values = np.array([[0, 257, 32896, 65535]], dtype=np.uint16)
    assert pixels(encoded(Image.fromarray(values))) == [[BLACK, (1,) * 3, (128,) * 3, WHITE]]
    assert pixels(encoded(Image.fromarray(values), "TIFF")) == [[BLACK, (1,) * 3, (128,) * 3, WHITE]]


def test_deep_images_that_use_eight_bits_keep_them() -> None:
    assert pixels(row_of("I", [0, 7, 255])) == [[BLACK, (7,) * 3, WHITE]]


def test_grey_between_zero_and_one_fills_the_range() -> None:
    assert pixels(row_of("F", [0.0, 0.2, 1.0])) == [[BLACK, (51,) * 3, WHITE]]


@pytest.mark.parametrize(("mode", "values"), [("1", [0, 255]), ("L", [0, 255])])
def test_black_and_white_stay_so(mode: str, values: list[int]) -> None:
    assert pixels(encoded(row_of(mode, values))) == [[BLACK, WHITE]]


def test_of_a_moving_picture_the_first_frame_is_read() -> None:
    frames = [Image.new("RGB", (2, 1), colour) for colour in (RED, BLUE)]
    assert pixels(encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])) == [[RED, RED]]


# ---- rotation -----------------------------------------------------------------------------------------------------------------

UPRIGHT = [[RED, GREEN, BLUE], [BLACK, WHITE, RED]]
STORED = {
    1: UPRIGHT,
    2: [row[::-1] for row in UPRIGHT],
    3: [row[::-1] for row in UPRIGHT[::-1]],
    4: UPRIGHT[::-1],
    5: [list(column) for column in zip(*UPRIGHT)],
    6: [list(column) for column in zip(*UPRIGHT)][::-1],
    7: [list(column)[::-1] for column in zip(*UPRIGHT)][::-1],
    8: [list(column)[::-1] for column in zip(*UPRIGHT)],
}
"""How a camera held in each EXIF orientation stores the upright picture."""


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_every_exif_orientation_is_turned_upright(orientation: int, file_format: str) -> None:
    image = Image.fromarray(np.array(STORED[orientation], dtype=np.uint8))
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    assert pixels(encoded(image, file_format, exif=exif)) == UPRIGHT


@pytest.mark.parametrize("orientation", STORED)
def test_the_size_of_a_photo_is_known_from_its_header(orientation: int) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    photo = encoded(Image.effect_noise((60, 40), 90), "JPEG", exif=exif)
    expected = (40, 60) if orientation <= 4 else (60, 40)
    assert image_size(photo) == expected == image_size(photo[:-500]), "no pixel is read"
    assert read_image(photo).size == expected[::-1]


def test_the_size_of_a_png_is_known_without_its_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    photo = encoded(Image.effect_noise((60, 40), 90), exif=exif)
    monkeypatch.setattr(PngImageFile, "load", None)
    assert image_size(photo) == (60, 40)


def test_a_rotation_that_stands_behind_a_pngs_pixels_is_found() -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    photo = encoded(Image.effect_noise((60, 40), 90), exif=exif)
    start = photo.index(b"eXIf") - 4
    end = start + 12 + int.from_bytes(photo[start : start + 4], "big")
    moved = photo[:start] + photo[end:-12] + photo[start:end] + photo[-12:]  # the last 12 bytes are the end chunk
    assert moved.index(b"eXIf") > moved.index(b"IDAT")
    assert image_size(moved) == (60, 40) == read_image(moved).size[::-1]


@pytest.mark.parametrize("orientation", STORED)
def test_a_picture_that_was_turned_is_not_turned_again(orientation: int) -> None:
    image = Image.fromarray(np.array(STORED[orientation], dtype=np.uint8))
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    assert pixels(read_image(encoded(image, exif=exif))) == UPRIGHT


# ---- metadata -----------------------------------------------------------------------------------------------------------------


def chunk(kind: bytes, content: bytes, *, checksum: int | None = None) -> bytes:
    """A chunk of a PNG; a wrong checksum can be given."""
    checksum = zlib.crc32(kind + content) if checksum is None else checksum
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


METADATA = {
    "a long text": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(2_000_000))),
    "a text that unfolds to gigabytes": chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(70_000_000))),
    "a long international text": chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(bytes(2_000_000))),
    "many texts": chunk(b"tEXt", b"Comment\0" + bytes(1_000_000)) * 70,
    "a long ICC profile": chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(2_000_000))),
    "a broken raw EXIF profile": chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n      10\nzz")),
    "a raw EXIF profile that is not compressed": chunk(b"zTXt", b"Raw profile type exif\0\0no zlib"),
    "EXIF that is none": chunk(b"eXIf", b"nonsense"),
    "a text whose check sum is wrong": chunk(b"tEXt", b"Comment\0a", checksum=1),
    "a size in units that is cut short": chunk(b"pHYs", b"\0\0"),
    "a gamma that is cut short": chunk(b"gAMA", b""),
}


@pytest.mark.parametrize("place", ["before the pixels", "behind the pixels"])
@pytest.mark.parametrize("what", METADATA)
def test_good_pixels_are_read_whatever_the_metadata(tmp_path: Path, what: str, place: str) -> None:
    png = encoded(row_of("RGB", [RED, GREEN]))
    split = 33 if place == "before the pixels" else len(png) - 12
    (tmp_path / "a.png").write_bytes(png[:split] + METADATA[what] + png[split:])
    for source in (tmp_path / "a.png", (tmp_path / "a.png").read_bytes()):
        assert pixels(source) == [[RED, GREEN]]


@pytest.mark.parametrize("what", ["a long text", "a long ICC profile"])
def test_a_rotation_beside_metadata_that_is_passed_over_still_counts(what: str) -> None:
    image = Image.fromarray(np.array(STORED[6], dtype=np.uint8))
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    raw = b"\nexif\n%8d\n" % len(exif.tobytes()) + exif.tobytes().hex().encode() + b"\n"
    texts = [
        chunk(b"eXIf", exif.tobytes()[6:]),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp)),
        chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw)),
    ]
    png = encoded(image)
    for text in texts:
        for place in (33, len(png) - 12):
            turned = png[:place] + text + png[place:]
            assert pixels(turned[:33] + METADATA[what] + turned[33:]) == pixels(turned) == UPRIGHT


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_a_photo_with_broken_exif_is_read_as_it_stands() -> None:
    photo = encoded(Image.new("RGB", (16, 8), RED), "JPEG", exif=b"Exif\0\0MM\0*nonsense of sixteen bytes")
    assert read_image(photo).size == (16, 8) and image_size(photo) == (8, 16)


# ---- frames -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file_format", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_frames_the_first_is_read_and_the_header_says_that_there_are_more(file_format: str) -> None:
    frames = [Image.new("RGB", (4, 4), colour) for colour in (RED, BLUE)]
    options = {"lossless": True} if file_format == "WEBP" else {}
    several = encoded(frames[0], file_format, save_all=True, append_images=frames[1:], **options)
    assert pixels(several) == [[RED] * 4] * 4 and image_header(several).has_more_frames
    assert not image_header(encoded(frames[0], file_format)).has_more_frames


# ---- large pictures -----------------------------------------------------------------------------------------------------------

MODES = {
    "1": lambda noise: noise.convert("1"),
    "L": lambda noise: noise,
    "P": lambda noise: noise.convert("P"),
    "LA": lambda noise: Image.merge("LA", (noise, noise)),
    "RGB": lambda noise: Image.merge("RGB", (noise, noise.rotate(90), noise)),
    "RGBA": lambda noise: Image.merge("RGBA", (noise, noise, noise.rotate(90), noise)),
    "CMYK": lambda noise: Image.merge("CMYK", (noise,) * 4),
    "I;16": lambda noise: Image.fromarray(np.asarray(noise, dtype=np.uint16) * 257),
    "I": lambda noise: Image.fromarray(np.asarray(noise, dtype=np.int32) * 257),
    "F": lambda noise: Image.fromarray(np.asarray(noise, dtype=np.float32) / 255),
}


@pytest.mark.parametrize("mode", MODES)
def test_strips_of_a_picture_make_the_picture(monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    image = MODES[mode](Image.effect_noise((31, 31), 90))
    assert image.mode == mode
    whole = pixels(image)
    monkeypatch.setattr("smvl.processing.rgb._STRIP_PIXELS", 100)
    assert pixels(image) == whole


MODES_OF = {
    "PNG": ("L", "RGB", "RGBA", "1", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "JPEG2000": ("L", "RGB", "RGBA", "I;16"),
    "TIFF": ("L", "RGB", "RGBA", "1", "I;16", "F"),
}


@pytest.mark.parametrize(("file_format", "mode"), [(file_format, mode) for file_format, modes in MODES_OF.items() for mode in modes])
def test_a_large_picture_comes_out_at_half_its_size_whatever_holds_it(monkeypatch: pytest.MonkeyPatch, file_format: str, mode: str) -> None:
    ramp = Image.linear_gradient("L").resize((301, 201))
    options = {"quality": 95} if file_format == "JPEG" else {}
    data = encoded(MODES[mode](ramp), file_format, **options)
    whole = np.asarray(read_image(data), dtype=int)
    monkeypatch.setattr(images, "LARGE_PIXELS", 50_000)
    assert read_image(data).size == (151, 101) and image_size(data) == (101, 151) and image_header(data).stored_size == (301, 201)
    halves = np.asarray(Image.fromarray(whole.astype(np.uint8)).reduce(2), dtype=int)
    assert np.abs(np.asarray(read_image(data), dtype=int) - halves).mean() <= 2


@pytest.mark.parametrize("orientation", STORED)
def test_a_large_picture_is_turned_upright_too(monkeypatch: pytest.MonkeyPatch, orientation: int) -> None:
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    stored = Image.fromarray(np.array(STORED[orientation], dtype=np.uint8)).resize((60, 40), Image.Resampling.NEAREST)
    data = encoded(stored, exif=exif)
    whole = read_image(data)
    monkeypatch.setattr(images, "LARGE_PIXELS", 1000)
    assert pixels(data) == pixels(whole.reduce(2))


READ = """
import resource, sys
from smvl.processing.images import read_image
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
size = read_image(sys.argv[1]).size
print(*size, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


DEEP, FAX = ("I;16", "deep.png", {"compress_level": 1}), ("1", "fax.tif", {"compression": "group4"})


@pytest.mark.parametrize(("mode", "name", "options"), [DEEP, FAX])
def test_a_small_file_of_a_hundred_and_twenty_megapixels_takes_no_more_than_half_a_gigabyte(
    tmp_path: Path, mode: str, name: str, options: dict[str, Any]
) -> None:
    Image.new(mode, (10_950, 10_950)).save(tmp_path / name, **options)
    command = [sys.executable, "-W", "ignore", "-c", READ, tmp_path / name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    width, height, megabytes = map(int, done.stdout.split())
    assert (width, height) == (5475, 5475) and megabytes < 500


# ---- transparency -------------------------------------------------------------------------------------------------------------


def drawn(ink: tuple[int, int, int], opaque: int = 255) -> Image.Image:
    image = Image.new("RGBA", (9, 9), (*ink, 0))
    image.paste((*ink, opaque), (3, 3, 6, 6))
    return image


@pytest.mark.parametrize(
    ("image", "ground", "ink"),
    [
        (drawn(WHITE), BLACK, WHITE),
        (drawn((225, 250, 255)), BLACK, (225, 250, 255)),
        (drawn((220, 250, 255)), WHITE, (220, 250, 255)),
        (drawn(WHITE, opaque=128), BLACK, (128,) * 3),
        (drawn(WHITE).convert("LA"), BLACK, WHITE),
        (drawn(BLACK), WHITE, BLACK),
        (drawn((255, 255, 0)), WHITE, (255, 255, 0)),
        (Image.new("RGBA", (9, 9), (*WHITE, 0)), WHITE, WHITE),
        (Image.new("RGBA", (9, 9), (*WHITE, 255)), WHITE, WHITE),
    ],
)
def test_a_drawing_stays_to_be_seen_on_the_ground_that_it_is_laid_on(image: Image.Image, ground: tuple, ink: tuple) -> None:
    rows = pixels(encoded(image))
    assert (rows[0][0], rows[4][4]) == (ground, ink)


def test_numbers_beyond_sixteen_bits_and_no_numbers_at_all_do_not_make_a_picture_blank() -> None:
    assert pixels(row_of("I", [0, 1 << 23, 1 << 24])) == [[BLACK, (128,) * 3, WHITE]]
    assert pixels(row_of("F", [float("nan"), float("inf"), 0.2, 1.0])) == [[BLACK, WHITE, (51,) * 3, WHITE]]


# ---- where images are kept ----------------------------------------------------------------------------------------------------


def test_every_kind_of_source_gives_the_same_pixels(tmp_path: Path) -> None:
    image = row_of("RGB", [RED, GREEN])
    data = encoded(image)
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    sources = [image, data, path, str(path), url, {"bytes": data, "path": None}, {"bytes": None, "path": str(path)}]
    assert all(pixels(source) == [[RED, GREEN]] for source in sources)


URL = "data:image/png;base64,"


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda text: URL + "\r\n".join(text[start : start + 76] for start in range(0, len(text), 76)),
        lambda text: "data:image/png;base64, " + text,
        lambda text: "DATA:IMAGE/PNG;BASE64," + text,
        lambda text: "data:image/png;charset=utf-8;base64," + text,
        lambda text: URL + text.replace("+", "-").replace("/", "_"),
        lambda text: URL + text.rstrip("="),
        lambda text: URL + text.replace("+", "%2B").replace("/", "%2F").replace("=", "%3D"),
    ],
)
def test_base64_gives_the_same_bytes_however_it_is_written(rewrite: Any) -> None:
    for size in (5, 6, 7):  # of each padding
        data = encoded(Image.effect_noise((16, size), 90).convert("RGB"))
        assert pixels(rewrite(base64.b64encode(data).decode())) == pixels(data)


# ---- refusals -----------------------------------------------------------------------------------------------------------------


def refusals(source: Any) -> list[str]:
    """The messages with which `source` is refused, for its size and for its pixels."""
    messages = []
    for read in (image_size, read_image):
        with pytest.raises(ImageError) as error:
            read(source)
        messages.append(str(error.value))
    return messages


@pytest.mark.parametrize("file_format", ["PNG", "JPEG", "GIF", "BMP", "WEBP"])
def test_a_truncated_image_is_refused_by_name(tmp_path: Path, file_format: str) -> None:
    path = tmp_path / f"cut.{file_format.lower()}"
    data = encoded(Image.effect_noise((64, 64), 90), file_format)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError, match=path.name):
        read_image(path)
    path.write_bytes(data[:20])
    assert all(path.name in message for message in refusals(path))


def test_what_is_no_image_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "notes.jpg"
    path.write_text("not a picture", encoding="utf-8")
    assert all("notes.jpg: this is not an image" in message for message in refusals(path))
    path.write_bytes(b"")
    assert all("notes.jpg: the image is empty (0 bytes)" in message for message in refusals(path))
    assert all("the image is empty (0 bytes)" in message for message in refusals(b""))
    assert all(str(tmp_path) in message for message in refusals(tmp_path))


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    assert all(message == f"{tmp_path / 'no.png'}: there is no such image file." for message in refusals(tmp_path / "no.png"))


@pytest.mark.skipif(os.name != "posix", reason="needs permissions")
def test_a_file_that_may_not_be_read_is_refused_by_name() -> None:
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = Path(folder, "a.png")
        Image.new("RGB", (4, 4)).save(path)
        path.chmod(0)
        before = os.geteuid()
        try:
            if before == 0:
                os.seteuid(65534)  # root may read everything
            for read in (read_image, image_size):
                with pytest.raises(ImageError) as error:
                    read(path)
                assert str(error.value) == f"{path}: this is not an image that can be read (Permission denied)."
        finally:
            os.seteuid(before)


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(tmp_path / "socket.png"))
        for path, kind in (("pipe.png", "a named pipe"), ("socket.png", "a socket"), ("/dev/zero", "a device"), (".", "a directory")):
            complaint = f"this is not an image that can be read (it is {kind}; expected a file)."
            assert all(message.endswith(complaint) for message in refusals(tmp_path / path))


IMPOSSIBLE_NAMES = ["x" * 300, "长" * 100 + ".png", "a/" * 3000, "half \ud83d.png", "nul \0.png", "circle.png", "notes.txt/a.png"]


@pytest.mark.parametrize("name", IMPOSSIBLE_NAMES)
def test_a_name_that_no_file_can_have_is_a_missing_image(tmp_path: Path, name: str) -> None:
    (tmp_path / "circle.png").symlink_to(tmp_path / "circle.png")
    (tmp_path / "notes.txt").write_text("!", encoding="utf-8")
    for read in (image_size, read_image):
        with pytest.raises(ImageError, match="there is no such image file") as error:
            read(f"{tmp_path}/{name}")
        assert error.value.rule == "missing image" and str(error.value).encode("utf-8")


def test_names_in_messages_can_be_printed() -> None:
    assert image_name("a\nb\x1b[31m\udcff图.png") == r"a\nb\x1b[31m\udcff图.png"
    assert image_name("图" * 300) == "图" * 40 + "..." + "图" * 40 and image_name(b"") == "an image in memory"


@pytest.mark.parametrize(
    ("beginning", "kind"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "a Git LFS pointer). It only names the file: fetch the files"),
        (b"<!DOCTYPE html>\n<html><body>404", "a web page (HTML)). A server answered with it in place of the file"),
        (b"\xef\xbb\xbf\n<!-- moved --><HTML lang=zh>", "a web page (HTML)). A server answered"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "a HEIC picture, as iPhones write). Save it as PNG or JPEG"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic", "a HEIC picture, as iPhones write). Save it as PNG or JPEG"),
        (b'<?xml version="1.0"?>\n<!-- made by hand -->\n<svg xmlns="http://www.w3.org/2000/svg">', "an SVG drawing). Save it as PNG"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "a JPEG XL picture). Save it as PNG or JPEG"),
        (b"%PDF-1.7\n", "a PDF document). Save its pages"),
        (b"\0\0\0\x20ftypisom\0\0\2\0", "video or sound). Take frames out of it"),
        (b"PK\x03\x04\x14\0", "a zip archive). Unpack it first"),
        (b"\x1f\x8b\x08\0", "packed data). Unpack it first"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code>', "an XML text). A server answered"),
        (b'{"error": "gated"}', "a JSON text). A server answered"),
    ],
)
def test_what_often_stands_in_the_place_of_a_picture_is_called_by_its_name(tmp_path: Path, beginning: bytes, kind: str) -> None:
    (tmp_path / "a.jpg").write_bytes(beginning + bytes(200))
    assert all(f"a.jpg: this is not an image that can be read (it is {kind}" in message for message in refusals(tmp_path / "a.jpg"))
    assert all(kind in message for message in refusals(beginning))


def test_a_program_that_paints_is_not_run() -> None:
    drawing = encoded(Image.new("RGB", (8, 8)), "EPS")
    assert all("EPS needs another program to paint it" in message for message in refusals(drawing))


def test_whatever_pillow_raises_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    unimplemented = "this is not an image that can be read (Unimplemented pixel format"
    assert all(unimplemented in message for message in refusals(dds_of_unknown_kind()))
    with pytest.raises(ImageError, match="3,600,000,000 pixels; at most 120,000,000 are read") as error:
        read_image(icns_of(png_declaring(60_000, 60_000)))
    assert error.value.rule == "image too large"
    for raised in (AssertionError(), RuntimeError("x"), AttributeError("x"), MemoryError()):
        monkeypatch.setattr(PngImageFile, "load", lambda self, raised=raised: (_ for _ in ()).throw(raised))
        with pytest.raises(ImageError, match="damaged or cut short") as error:
            read_image(encoded(Image.new("RGB", (4, 4))))
        assert error.value.rule == "damaged image"


def test_a_reader_that_closes_its_stream_ends_nothing() -> None:
    with pytest.raises(ImageError, match="the image is damaged or cut short") as error:
        read_image(ftex_cut_short())
    assert error.value.rule == "damaged image"


def test_a_webp_of_so_many_pixels_is_refused_as_pillow_needs_four_times_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_files, "_MAX_PIXELS_OF", {"WEBP": 100})
    assert pixels(encoded(Image.new("RGB", (10, 10)), "WEBP")) == [[BLACK] * 10] * 10
    large = encoded(Image.new("RGB", (11, 10)), "WEBP")
    assert all("11 x 10 pixels; at most 100 are read of WEBP." in message for message in refusals(large))


@pytest.mark.parametrize("source", [None, 3, {"bytes": None, "path": None}, np.zeros((2, 2, 3), dtype=np.uint8)])
def test_another_kind_of_source_is_refused_with_what_is_expected(source: Any) -> None:
    assert all("expected a path, bytes, a data: URL or a PIL image" in message for message in refusals(source))


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("data:image/png,plain", "must read data:image/...;base64,DATA"),
        ("data:image/png;base64", "must read data:image/...;base64,DATA"),
        ("data:image/png;base64,@@@", "base64 of this data: URL is damaged"),
        ("data:image/png;base64,aGVsbG8=", "not an image"),
    ],
)
def test_a_damaged_data_url_is_refused_with_what_is_wrong(url: str, complaint: str) -> None:
    assert all(complaint in message for message in refusals(url))


def test_too_many_pixels_are_refused_before_they_are_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image_files, "MAX_PIXELS", 100)
    assert pixels(encoded(Image.new("RGB", (10, 10)))) == [[BLACK] * 10] * 10
    assert all("11 x 10 pixels; at most 100" in message for message in refusals(encoded(Image.new("RGB", (11, 10)))))


def test_a_given_name_is_the_one_in_the_message() -> None:
    with pytest.raises(ImageError, match="row 7, image 2: this is not an image"):
        read_image(b"nonsense", name="row 7, image 2")


# ---- bombs and lines ------------------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(("width", "height", "size"), [(60000, 60000, "3,600,000,000 pixels"), (12000, 10001, "12000 x 10001 pixels")])
def test_a_decompression_bomb_is_refused_by_what_it_declares(width: int, height: int, size: str) -> None:
    bomb = png_declaring(width, height)
    assert len(bomb) < 200
    for message in refusals(bomb):
        assert message.startswith(f"an image in memory: {size}; at most 120,000,000 are read.") and "decompression bomb" in message


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 500), (500, 1), (2, 401), (10_001, 50)])
def test_a_picture_that_is_a_line_is_not_learned_from(height: int, width: int) -> None:
    with pytest.raises(ImageError, match=f"^a: {width} x {height} pixels; expected at least 2 each way, and at most 200 times") as error:
        check_shape(height, width, name="a")
    assert error.value.rule == "image shape"


@pytest.mark.parametrize(("height", "width"), [(2, 2), (2, 400), (100_000, 1080), (32, 32)])
def test_a_long_screenshot_is_no_line(height: int, width: int) -> None:
    check_shape(height, width, name="a")


@pytest.mark.parametrize(
    ("source", "rule"),
    [
        ("no.png", "missing image"),
        (b"", "empty image"),
        (b"nonsense", "unreadable image"),
        (encoded(Image.effect_noise((64, 64), 90))[:500], "damaged image"),
        ("data:image/png;base64,@@@", "image base64"),
        ("data:image/png;base64,图", "image base64"),
        (png_declaring(60000, 60000), "image too large"),
        (3, "image form"),
    ],
)
def test_what_is_wrong_has_a_name(source: Any, rule: str) -> None:
    with pytest.raises(ImageError) as error:
        read_image(source)
    assert error.value.rule == rule


def test_bytes_that_are_no_image_are_told_as_bytes():
    for source in (b"no image at all", {"bytes": b"no image at all", "path": None}):
        with pytest.raises(ImageError) as error:
            read_image(source)
        told = "an image in memory: this is not an image that can be read (cannot identify image file given as bytes)."
        assert str(error.value).startswith(told)
