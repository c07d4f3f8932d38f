"""Using the page in web/ in headless Chromium. For tests and for benchmarks."""

import base64
import io
import json
import shutil
import subprocess
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from tests.transformers_js import PACKAGE, find_modules, what_is_missing

WEB = Path(__file__).parent.parent / "web"
PACKAGES = (PACKAGE, "puppeteer-core")
PROGRAM = Path(__file__).with_name("web_page.mjs")
BROWSER = next(filter(shutil.which, ("chromium", "chromium-browser", "google-chrome")), "chromium")

Step = dict[str, Any]
"""What is done on the page: its kind, and a question or a file; the kinds are those of web_page.mjs."""


def what_is_missing_for_the_page() -> str | None:
    """Why the page cannot be used here, for people; None where it can."""
    return what_is_missing(*PACKAGES, programs=("node", BROWSER))


def build_site(folder: Path) -> Path:
    """The page with what it runs on, as `npm run gather` gathers it; exports are for the caller to put beside it."""
    shutil.copytree(WEB, folder, ignore=shutil.ignore_patterns("node_modules", "runtime", "model"))
    subprocess.run(["node", folder / "gather.mjs", find_modules(*PACKAGES)], check=True, stdout=subprocess.PIPE)
    return folder


def ask(question: str) -> Step:
    return {"kind": "ask", "question": question}


def drop(image: Image.Image) -> Step:
    content = io.BytesIO()
    image.save(content, "PNG")
    return drop_bytes(f"{image.width}.png", content.getvalue())


def drop_bytes(name: str, content: bytes) -> Step:
    return {"kind": "drop", "file": {"name": name, "type": "image/png", "base64": base64.b64encode(content).decode()}}


def visit(site: Path, visits: Mapping[str, tuple[str, Sequence[Step]]], bare: Collection[str] = ()) -> dict[str, Any]:
    """Open the page once for each visit (what follows `?` in its address, and steps), and do them.

    Args:
        bare: visits under the page's own policy alone, as from a server of files that sends no headers.

    Returns:
        `visits`, by name: what the page showed at its opening and after each step; `asked`: addresses of other hosts that it wanted;
        `reached`: what another host was asked for.

    Raises:
        RuntimeError: a step could not be done; with what the page showed.
    """
    job = {name: {"address": f"?{address}", "steps": steps, "bare": name in bare} for name, (address, steps) in visits.items()}
    path = site.parent / "job.json"
    path.write_text(json.dumps({"site": str(site), "browser": shutil.which(BROWSER), "visits": job}), encoding="utf-8")
    done = subprocess.run(["node", PROGRAM, find_modules(*PACKAGES), path], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the page could not be used: {done.stderr[-3000:]}")
    return json.loads(done.stdout)
