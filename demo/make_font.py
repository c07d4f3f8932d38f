"""Cuts the demo's font down to the characters it prints.

    pip install fonttools && python demo/make_font.py NotoSansCJKtc-DemiLight.otf

Needed once, when the project was made: the small font is committed. The large one comes from
https://github.com/notofonts/noto-cjk (also in the PyPI package cvttf-notosanscjk-demilight).
"""

import sys

from fontTools import subset

from smvl.demo_scenes.paint import FONT
from smvl.demo_scenes.words import CHARACTERS, DIGITS


def main(source: str) -> None:
    options = subset.Options()
    options.layout_features = []  # the characters are set one by one: no kerning, no ligatures
    options.name_IDs = [0, 1, 2, 13, 14]  # whose font it is and its licence stay inside
    font = subset.load_font(source, options)
    cutter = subset.Subsetter(options)
    cutter.populate(text=CHARACTERS + DIGITS + "元")
    cutter.subset(font)
    subset.save_font(font, str(FONT), options)


if __name__ == "__main__":
    main(sys.argv[1])
