"""Lines of text that an OCR reads off the pictures of nano/score.py; needs nothing else of this project.

python -m nano.ocr output/nano/score rapidocr       # PP-OCRv6, as the package rapidocr brings it (with onnxruntime)
python -m nano.ocr output/nano/score tesseract      # where tesseract with chi_sim is installed
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

QUESTIONS = "questions.jsonl"


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write_lines(path: Path, entries: Sequence[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(entry, ensure_ascii=False) + "\n" for entry in entries), encoding="utf-8")


def rapidocr() -> Callable[[Path], list[str]]:
    """PP-OCRv6 small, as the package `rapidocr` brings it."""
    from rapidocr import RapidOCR

    engine = RapidOCR()
    return lambda path: list(engine(str(path)).txts or ())


def tesseract() -> Callable[[Path], list[str]]:
    """Tesseract's simplified Chinese, one block of text (psm 6)."""

    def read(path: Path) -> list[str]:
        command = ["tesseract", str(path), "-", "-l", "chi_sim", "--psm", "6"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split("\n")

    return read


READERS = {"rapidocr": rapidocr, "tesseract": tesseract}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("reader", choices=list(READERS))
    options = parser.parse_args()
    read = READERS[options.reader]()
    entries = read_lines(options.folder / QUESTIONS)
    write_lines(
        options.folder / f"{options.reader}.jsonl",
        [{"id": entry["id"], "lines": read(options.folder / entry["image"])} for entry in entries],
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
