"""Gathers the fonts that nano's pages are drawn in, beside the one that pip brings.

    pip install fonttools brotli
    npm pack @fontsource/{long-cang,zhi-mang-xing,liu-jian-mao-cao,zcool-kuaile,zcool-qingke-huangyou,zcool-xiaowei,ma-shan-zheng}
    python -m nano.make_fonts output/nano/fonts fontsource-*.tgz NotoSerifSC-Regular.otf LXGWWenKai-Regular.ttf

Of each package its simplified Chinese font becomes a TTF; font files are copied as they are. Two families are held out of all training,
so that reading is also measured in fonts that were never seen. All of them are under the SIL Open Font License 1.1; Noto Serif SC is in
the PyPI package `pylopdf-fonts-zh-cn`, LXGW WenKai in Debian's `fonts-lxgw-wenkai`."""

import argparse
import io
import shutil
import tarfile
from pathlib import Path

HELD_OUT = ("zcool-xiaowei", "ma-shan-zheng")
"""A printed face and one of the brush."""
_MEMBER = "-chinese-simplified-400-normal.woff2"


def gather(out: Path, files: list[Path]) -> None:
    """Write `out/train` and `out/heldout`.

    Raises:
        ValueError: an archive holds no simplified Chinese font.
    """
    for name in ("train", "heldout"):
        (out / name).mkdir(parents=True, exist_ok=True)
    for file in files:
        held_out = any(family in file.name.lower() for family in HELD_OUT)
        folder = out / ("heldout" if held_out else "train")
        if file.suffix in (".tgz", ".gz"):
            _unpack(file, folder)
        else:
            shutil.copy(file, folder / file.name)


def _unpack(archive: Path, folder: Path) -> None:
    from fontTools.ttLib import TTFont

    with tarfile.open(archive) as package:
        member = next((member for member in package.getmembers() if member.name.endswith(_MEMBER)), None)
        if member is None:
            raise ValueError(f"{archive.name} holds no file *{_MEMBER}; expected a package @fontsource/... as npm packs it.")
        font = TTFont(io.BytesIO(package.extractfile(member).read()))
    font.flavor = None
    font.save(folder / f"{Path(member.name).name.removesuffix(_MEMBER)}.ttf")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("files", type=Path, nargs="+")
    options = parser.parse_args()
    gather(options.out, options.files)


if __name__ == "__main__":
    main()
