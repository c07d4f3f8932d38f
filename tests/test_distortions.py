"""Distortions do what their names say, in the camera's order, and cut nothing off."""

import dataclasses
import random

import numpy as np
import pytest
from PIL import Image, ImageDraw

from smvl.augment.camera import draw_view
from smvl.augment.distortions import PHONE, augment_image, distort, draw_strengths
from smvl.augment.textures import PAPERS, SURROUNDINGS, paper, surroundings
from smvl.config import DistortionConfig, ImageAugmentConfig

NAMES = [field.name for field in dataclasses.fields(DistortionConfig)]


def page(size: tuple[int, int] = (300, 200)) -> Image.Image:
    image = Image.new("RGB", size, (250, 250, 250))
    pen = ImageDraw.Draw(image)
    for row in range(10, size[1], 20):
        pen.line([(10, row), (size[0] - 10, row)], fill=(20, 20, 20), width=3)
    return image


def only(**strengths: float) -> DistortionConfig:
    return DistortionConfig(**strengths)


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


def test_no_strength_gives_the_very_image_back():
    for image in (page(), page().convert("L"), page().convert("RGBA")):
        assert distort(image, DistortionConfig(), random.Random(1)) is image


@pytest.mark.parametrize("name", NAMES)
def test_each_strength_alone_changes_the_pixels_more_the_stronger_it_is_and_keeps_the_size(name: str):
    image = page()
    weak, strong = (distort(image, only(**{name: strength}), random.Random(3)) for strength in (0.2, 1.0))
    assert weak.size == strong.size == image.size and weak.mode == strong.mode == "RGB"
    change = [np.abs(pixels(changed) - pixels(image)).mean() for changed in (weak, strong)]
    assert 0 < change[0] < change[1]


@pytest.mark.parametrize("name", NAMES)
def test_the_same_seed_gives_the_same_bytes(name: str):
    first, again, other = (distort(page(), only(**{name: 0.7}), random.Random(seed)).tobytes() for seed in (5, 5, 6))
    assert first == again
    assert first != other or name == "jpeg"  # JPEG leaves nothing to chance


@pytest.mark.parametrize("size", [(1, 1), (3, 7), (1600, 20), (20, 1600), (1100, 1300)])
def test_any_size_and_mode_can_be_distorted(size: tuple[int, int]):
    for mode in ("RGB", "L", "RGBA", "P"):
        assert distort(Image.new(mode, size), dataclasses.replace(PHONE, noise=1.0), random.Random(2)).size == size


@pytest.mark.parametrize("size", [(400, 300), (200, 500), (600, 120)])
def test_nothing_is_cut_off_however_strongly_a_page_is_turned_and_bent(size: tuple[int, int]):
    """All around the photograph there is a rim that shows no page, and inside it every part of the page."""
    for seed in range(60):
        generator = random.Random(seed)
        strengths = {name: generator.choice((0.0, 0.5, 1.0)) for name in ("perspective", "tilt", "curl")}
        x, y = draw_view(size, **strengths, generator=generator).page_points()
        inside = (x > 0.5) & (x < size[0] - 1.5) & (y > 0.5) & (y < size[1] - 1.5)
        assert not (inside[0].any() or inside[-1].any() or inside[:, 0].any() or inside[:, -1].any()), (seed, strengths)
        cells = set(zip((x[inside] * 8 // size[0]).astype(int), (y[inside] * 8 // size[1]).astype(int)))
        assert len(cells) == 64, (seed, strengths)


def test_a_view_without_bending_shows_the_page_upright_and_only_a_little_smaller():
    x, y = draw_view((300, 200), perspective=0.0, tilt=0.0, curl=0.0, generator=random.Random(1)).page_points()
    assert np.ptp(np.diff(x, axis=1)) < 1e-3 and np.ptp(np.diff(y, axis=0)) < 1e-3
    assert 1.0 < np.diff(x, axis=1).mean() < 1.07


def test_at_the_strengths_of_a_phone_a_stroke_still_stands_out_from_its_paper():
    """Strokes three pixels wide, as type of 24 pixels has them, keep a third of their contrast under everything at once but bending."""
    image = page()
    ink, blank = pixels(image)[:, :, 0] < 100, np.zeros((200, 300), dtype=bool)
    blank[20::20, 15:285] = True
    settings = dataclasses.replace(PHONE, perspective=0.0, tilt=0.0, curl=0.0)
    for seed in range(30):
        seen = pixels(distort(image, settings, random.Random(seed))).mean(axis=2)
        assert seen[ink].mean() < 0.67 * seen[blank].mean(), seed
        assert seen[blank].mean() > 40, seed


def test_grain_comes_after_the_lens_so_that_blur_does_not_smooth_it():
    flat = Image.new("RGB", (200, 200), (128, 128, 128))
    grain, both = (pixels(distort(flat, settings, random.Random(4))).std() for settings in (only(noise=0.5), only(noise=0.5, blur=1.0)))
    assert grain > 10 and both == pytest.approx(grain, rel=0.03)


def test_without_bending_every_line_stays_where_it_was():
    image = Image.new("RGB", (200, 200), (255, 255, 255))
    ImageDraw.Draw(image).ellipse([90, 50, 110, 70], fill=(0, 0, 0))
    for seed in range(20):
        seen = 255 - pixels(distort(image, only(blur=1.0, jpeg=0.5), random.Random(seed))).mean(axis=2)
        rows, columns = np.mgrid[0:200, 0:200]
        seen = np.where(seen > 40, seen, 0)
        assert (seen * columns).sum() / seen.sum() == pytest.approx(100, abs=1)
        assert (seen * rows).sum() / seen.sum() == pytest.approx(60, abs=1)


def test_strengths_are_drawn_up_to_the_settings_and_three_in_ten_are_none():
    generator = random.Random(0)
    drawn = [draw_strengths(PHONE, generator) for _ in range(500)]
    for name in NAMES:
        values = [getattr(strengths, name) for strengths in drawn]
        assert max(values) <= getattr(PHONE, name) and max(values) > 0.9 * getattr(PHONE, name)
        assert 100 < values.count(0.0) < 200
    assert draw_strengths(DistortionConfig(), generator) == DistortionConfig()


def test_augmentation_changes_its_share_of_images_and_spares_tasks_by_their_first_part():
    image, settings = page((60, 40)), ImageAugmentConfig(blur=1.0, noise=1.0, share=0.25, spare=["chart", "dial/read"])

    def changed(task: str) -> int:
        generator = random.Random(7)
        return sum(augment_image(image, settings, task=task, generator=generator) is not image for _ in range(400))

    assert 40 < changed("receipt/json") < 100  # a quarter, less those for which every strength came out as none
    assert changed("chart") == changed("chart/read") == changed("dial/read") == 0
    assert changed("charts/read") > 0 and changed("dial/json") > 0 and changed("") > 0


def test_augmentation_off_leaves_every_image():
    image = page((60, 40))
    for settings in (ImageAugmentConfig(share=1.0), ImageAugmentConfig(blur=1.0, share=0.0)):
        assert all(augment_image(image, settings, task="x", generator=random.Random(seed)) is image for seed in range(30))


@pytest.mark.parametrize("make, names", [(paper, PAPERS), (surroundings, SURROUNDINGS)])
def test_textures_have_the_size_asked_for_and_differ(make, names):
    made = {name: make(name, (210, 120), random.Random(1)) for name in names}
    assert all(texture.size == (210, 120) and texture.mode == "RGB" for texture in made.values())
    assert len({texture.tobytes() for texture in made.values()}) == len(names)


def test_paper_is_light_enough_to_print_on():
    for name in PAPERS:
        for seed in range(10):
            assert pixels(paper(name, (100, 100), random.Random(seed))).mean() > 150


def test_an_unknown_paper_is_refused_by_name():
    with pytest.raises(ValueError, match="there is no paper 'silk'; expected one of plain, tinted, lined, kraft, worn."):
        paper("silk", (10, 10), random.Random(1))
