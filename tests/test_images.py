"""Reading images: whatever the file's mode, the pixels come out upright, in RGB and right, or the file is refused by name.

python -m pytest tests/test_images.py
"""

import base64
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from smvl.processing import images
from smvl.processing.images import ImageError, check_shape, image_size, read_image
from tests.tiny_data import png_declaring

RED, GREEN, BLUE, WHITE, BLACK = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)
EXIF_ORIENTATION = 0x0112


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


# ---- where images are kept ----------------------------------------------------------------------------------------------------


def test_every_kind_of_source_gives_the_same_pixels(tmp_path: Path) -> None:
    image = row_of("RGB", [RED, GREEN])
    data = encoded(image)
    path = tmp_path / "picture.png"
    path.write_bytes(data)
    url = "data:image/png;base64," + base64.b64encode(data).decode()
    sources = [image, data, path, str(path), url, {"bytes": data, "path": None}, {"bytes": None, "path": str(path)}]
    assert all(pixels(source) == [[RED, GREEN]] for source in sources)


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
    monkeypatch.setattr(images, "MAX_PIXELS", 100)
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


def test_texts_that_unfold_in_a_png_are_refused(tmp_path: Path) -> None:
    data = b"zTXtComment\0\0" + zlib.compress(bytes(70_000_000))
    text = struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    png = encoded(Image.new("RGB", (4, 4)))
    with pytest.raises(ImageError, match="an image in memory: .*(large|Decompressed)"):
        read_image(png[:33] + text + png[33:])


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
