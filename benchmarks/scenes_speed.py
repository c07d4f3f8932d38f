"""How many scenes one core draws in a second, by kind, and where the time goes.

    python -m benchmarks.scenes_speed                         # every kind, 200 pictures each, 512 pixels
    python -m benchmarks.scenes_speed --kinds receipt --n 500 --longest-edge 1024

Counted is the processor time of this one process, so that what else the machine does changes little; images a second by the clock stand
beside it, with the machine's load. A picture is drawn, photographed with the default distortions, asked about and encoded, as
`python -m smvl scenes` does it; only the writing of files is left out. The last lines time each distortion alone at its default
strength, beside the same with Pillow and numpy where these have it.
"""

import argparse
import dataclasses
import os
import random
import resource
import time
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageFilter

from smvl.augment.distortions import PHONE, distort
from smvl.config import DistortionConfig
from smvl.scenes.contents import TRAIN, Contents
from smvl.scenes.conversation import talk
from smvl.scenes.fonts import Fonts, machine_fonts, pip_fonts
from smvl.scenes.kinds import KINDS
from smvl.scenes.photograph import encode_photograph, take_photograph

TARGET = 40.0
"""Images a second and core."""
WARM_UP = 100
"""Pictures before the first that counts: characters are rendered once and kept, and a run is long."""
PHASES = ("draw", "photograph", "ask", "encode")


def time_kind(name: str, num: int, longest_edge: int, fonts: Fonts) -> tuple[dict[str, float], float, float]:
    """(processor milliseconds of each phase, of a picture in all, milliseconds by the clock)."""
    kind = KINDS[name]
    spent = dict.fromkeys(PHASES, 0.0)
    clock = 0.0
    for number in range(-WARM_UP, num):
        contents, generator = Contents(f"speed {number}", TRAIN, fonts), random.Random(number)
        begun, times = time.perf_counter(), [time.process_time()]
        drawing = kind.draw(contents, longest_edge)
        times.append(time.process_time())
        photograph = take_photograph(drawing, kind, PHONE, 0.15, generator)
        times.append(time.process_time())
        talk(kind, [drawing], [contents], generator)
        times.append(time.process_time())
        encode_photograph(photograph, generator)
        times.append(time.process_time())
        if number >= 0:
            clock += time.perf_counter() - begun
            for phase, (before, after) in zip(PHASES, zip(times, times[1:])):
                spent[phase] += after - before
    milliseconds = {phase: seconds / num * 1e3 for phase, seconds in spent.items()}
    return milliseconds, sum(milliseconds.values()), clock / num * 1e3


def time_alone(act: Callable[[], object], num: int = 40) -> float:
    """Processor milliseconds of one call."""
    act()
    begun = time.process_time()
    for _ in range(num):
        act()
    return (time.process_time() - begun) / num * 1e3


def plain_ways(image: Image.Image) -> dict[str, Callable[[], object]]:
    """The same distortions with Pillow and numpy, as they would be written first."""
    size, pixels = image.size, np.asarray(image)
    generator = np.random.default_rng(0)
    coefficients = (1.05, 0.02, -3, 0.01, 1.04, -4, 1e-5, 2e-5)
    field = np.linspace(0.5, 1, pixels.shape[1], dtype=np.float32)[None, :, None]
    return {
        "perspective": lambda: image.transform(size, Image.Transform.PERSPECTIVE, coefficients, Image.Resampling.BICUBIC),
        "tilt": lambda: image.rotate(5, Image.Resampling.BICUBIC, fillcolor=(90, 90, 90)),
        "blur": lambda: image.filter(ImageFilter.GaussianBlur(1.0)),
        "dim": lambda: (pixels * field).astype(np.uint8),
        "noise": lambda: np.clip(pixels + generator.normal(0, 12, pixels.shape), 0, 255).astype(np.uint8),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kinds", default=",".join(KINDS))
    parser.add_argument("--n", type=int, default=200)
    parser.add_argument("--longest-edge", type=int, default=512)
    parser.add_argument("--plain-fonts", action="store_true")
    arguments = parser.parse_args(arguments)
    fonts = pip_fonts() if arguments.plain_fonts else machine_fonts()
    print(f"{arguments.n} pictures of each kind, {arguments.longest_edge} pixels; load of the machine {os.getloadavg()[0]:.1f}")
    print(f"{'kind':<15}{''.join(f'{phase:>12}' for phase in PHASES)}{'all, ms':>10}{'images/s':>10}{'by clock':>10}")
    totals = []
    for name in arguments.kinds.split(","):
        phases, total, clock = time_kind(name, arguments.n, arguments.longest_edge, fonts)
        totals.append(total)
        shown = "".join(f"{phases[phase]:>12.1f}" for phase in PHASES)
        remark = "" if 1e3 / total >= TARGET else f"   below {TARGET:g}"
        print(f"{name:<15}{shown}{total:>10.1f}{1e3 / total:>10.0f}{1e3 / clock:>10.0f}{remark}")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"most memory: {memory} MB, of which all processes share the files of the fonts")
    print(f"all kinds, as many of each: {1e3 * len(totals) / sum(totals):.0f} images/s and core (at least {TARGET:g} are asked for)")

    image = KINDS[arguments.kinds.split(",")[0]].draw(Contents("alone", TRAIN, fonts), arguments.longest_edge).image
    plain = plain_ways(image)
    print(f"\none distortion alone, {image.width}x{image.height}: milliseconds, and the plain way's")
    for field in dataclasses.fields(DistortionConfig):
        settings = DistortionConfig(**{field.name: getattr(PHONE, field.name)})
        generator = random.Random(1)
        ours = time_alone(lambda: distort(image, settings, generator))  # noqa: B023
        beside = f"{time_alone(plain[field.name]):>8.1f}" if field.name in plain else ""
        print(f"{field.name:<15}{ours:>8.1f}{beside}")
    generator = random.Random(1)
    print(f"{'all together':<15}{time_alone(lambda: distort(image, PHONE, generator)):>8.1f}")


if __name__ == "__main__":
    main()
