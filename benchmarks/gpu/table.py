"""The results of run.sh as Markdown, for the table in benchmarks/README.md.

python -m benchmarks.gpu.table OUT
"""

import json
import sys
from pathlib import Path
from typing import Any

STEPS = ("environment", "throughput", "sweep", "demo", "generation", "adapters", "profile")
TRAINING = {
    "samples/s": lambda found: f"{found['samples_per_second']:.1f}",
    "real tokens/s": lambda found: f"{found['tokens_per_second']:,.0f}",
    "utilization": lambda found: "-" if found.get("flops_utilization") is None else f"{found['flops_utilization']:.1%}",
    "peak GB": lambda found: f"{found['peak'] / 1e9:.1f}",
    "forecast GB": lambda found: f"{found['forecast'] / 1e9:.1f}" if "forecast" in found else "-",
    "wait for data": lambda found: f"{found['data_wait_share']:.0%}",
    "where the time goes": lambda found: shares(found["seconds"]),
}
GENERATION = {
    "first token s": lambda found: f"{found['seconds_to_first_token']:.3f}",
    "tokens/s": lambda found: f"{found['tokens_per_second']:,.0f}",
    "peak GB": lambda found: f"{found['peak'] / 1e9:.1f}" if found.get("peak") else "-",
}


def main() -> int:
    folder = Path(sys.argv[1])
    found = {step: read(folder / f"{step}.json") for step in STEPS}
    known = [content for content in found.values() if content]
    if not known:
        print(f"there are no results in {folder}", file=sys.stderr)
        return 1
    machine = known[0]["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    print(f"{machine.get('card', 'no card')}, {machine['cores']} cores, {packages}, commit {machine['commit'][:10]}, {machine['date']}")
    for step, content in found.items():
        print_step(step, content)
    return 0


def read(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def print_step(step: str, content: dict[str, Any] | None) -> None:
    if content is None:
        print(f"\n{step}: nothing was measured")
        return
    print(f"\n{step} ({content['seconds']:.0f} s{'' if content['finished'] else ', not whole'})")
    results = content["results"]
    if step in ("throughput", "sweep", "adapters"):
        print_rows(results, TRAINING, "samples_per_second", "seconds")
    elif step == "generation":
        print_rows(results, GENERATION, "tokens_per_second", "seconds_to_first_token")
    for name, figures in results.items():
        if not isinstance(figures, dict) or not is_row(figures):
            print(f"- {name}: {json.dumps(short(figures), ensure_ascii=False)}")


def print_rows(results: dict[str, Any], columns: dict[str, Any], *needed: str) -> None:
    rows = {name: figures for name, figures in results.items() if all(key in figures for key in needed)}
    if not rows:
        return
    print(f"| | {' | '.join(columns)} |\n|{' --- |' * (len(columns) + 1)}")
    for name, figures in rows.items():
        print(f"| {name} | {' | '.join(show(figures) for show in columns.values())} |")


def is_row(figures: dict[str, Any]) -> bool:
    """Whether it stands in a table already."""
    return {"samples_per_second", "seconds"} <= figures.keys() or {"tokens_per_second", "seconds_to_first_token"} <= figures.keys()


def short(figures: Any) -> Any:
    """Rounded, and only the first of a long list."""
    if isinstance(figures, float):
        return float(f"{figures:.4g}")
    if isinstance(figures, dict):
        return {name: short(value) for name, value in figures.items() if name != "by_task"}
    return [short(value) for value in figures[:5]] if isinstance(figures, list) else figures


def shares(seconds: dict[str, float]) -> str:
    total = sum(seconds.values())
    return ", ".join(f"{name} {spent / total:.0%}" for name, spent in seconds.items())


if __name__ == "__main__":
    sys.exit(main())
