"""Where this machine keeps fonts that may hold Chinese. Which of them can write what is for the reader to see."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

SUBSET_FILE = Path(__file__).parent / "demo_scenes/NotoSansCJK-demo-subset.otf"
"""Comes with the code and has the 70 characters that the demo prints."""

SUFFIXES = {".ttf", ".otf", ".ttc", ".otc"}

_FOLDERS = {
    "darwin": ("/System/Library/Fonts", "/Library/Fonts", "~/Library/Fonts"),
    "win32": ("${WINDIR}/Fonts", "${LOCALAPPDATA}/Microsoft/Windows/Fonts"),
}
_LINUX_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "~/.local/share/fonts", "~/.fonts")
_LEAST_BYTES = 1_000_000
"""Outlines of 3,755 characters take more than this; what is smaller is not opened."""


def pip_font_file() -> Path:
    """Noto Sans CJK, a variable font, from the package that requirements.txt names (SIL Open Font License 1.1).

    Raises:
        ImportError: the package is not installed.
    """
    import manimgx_fonts_cjk

    return next(Path(manimgx_fonts_cjk.__file__).parent.glob("*.ttc"))


def machine_font_files() -> list[Path]:
    """Font files of this machine that may hold Chinese, in a fixed order."""
    if shutil.which("fc-list"):
        listed = subprocess.run(["fc-list", "--format", "%{file}\n", ":lang=zh"], capture_output=True, text=True, check=True).stdout
        files = {Path(line) for line in listed.splitlines() if line}
    else:
        folders = _FOLDERS.get(sys.platform, _LINUX_FOLDERS)
        files = {file for folder in folders for file in Path(os.path.expandvars(folder)).expanduser().rglob("*")}
    fonts = (file for file in files if file.suffix.lower() in SUFFIXES and file.is_file())  # fontconfig may list what is gone
    return sorted(file for file in fonts if file.stat().st_size >= _LEAST_BYTES)
