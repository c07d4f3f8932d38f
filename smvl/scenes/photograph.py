"""From a clean drawing to the picture that goes on disk: paper, camera, file."""

import io
import random
from dataclasses import dataclass, replace

from PIL import Image, ImageChops

from smvl.augment.distortions import ITSELF, distort, draw_strengths
from smvl.augment.textures import SURROUNDINGS, paper
from smvl.config import DistortionConfig
from smvl.scenes.scene import Drawing, Kind

_QUALITY = (82, 95)
"""Of the JPEG that is written; what spoils a picture is the distortion's `jpeg`."""


@dataclass(frozen=True)
class Photograph:
    image: Image.Image
    crisp: bool
    """Nothing was done to it: worth a lossless file."""


def take_photograph(
    drawing: Drawing, kind: Kind, distortions: DistortionConfig, clean_share: float, generator: random.Random
) -> Photograph:
    """Print a drawing on paper and photograph it; a share of them stays as it is, as a screenshot would be."""
    if generator.random() < clean_share:
        return Photograph(drawing.image, crisp=True)
    image = drawing.image
    if kind.papers:
        image = ImageChops.multiply(image, paper(generator.choice(kind.papers), image.size, generator))
    strengths = draw_strengths(distortions, generator)
    around = SURROUNDINGS if kind.papers else (ITSELF,)
    return Photograph(distort(image, _unbent(strengths, kind), generator, around=around), crisp=False)


def _unbent(strengths: DistortionConfig, kind: Kind) -> DistortionConfig:
    """Without what cannot or must not happen to this kind: only paper curls."""
    if not kind.bends:
        return replace(strengths, perspective=0.0, tilt=0.0, curl=0.0)
    return strengths if kind.papers else replace(strengths, curl=0.0)


def encode_photograph(photograph: Photograph, generator: random.Random) -> tuple[str, bytes]:
    """(suffix, bytes) of the file: PNG for crisp pictures of few colours, where it is small too, and JPEG for all others."""
    file = io.BytesIO()
    if photograph.crisp and photograph.image.getcolors(maxcolors=4096):
        photograph.image.save(file, "PNG", compress_level=1)
        return ".png", file.getvalue()
    photograph.image.save(file, "JPEG", quality=95 if photograph.crisp else generator.randint(*_QUALITY))
    return ".jpg", file.getvalue()
