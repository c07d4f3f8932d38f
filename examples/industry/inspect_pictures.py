"""Pictures of an inspection become readings and work orders: gauges with a limit that you say, sheets with limits of their own.

    python -m examples.industry.inspect_pictures --model output/demo --limit 6 gauge.png [more ...]
    python -m examples.industry.inspect_pictures --model output/demo sheet.png [more ...] > orders.json
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from examples.opened_model import look_at, open_model
from smvl import Form
from smvl.infer.loaded_model import LoadedModel

LIMIT_SAID = "上限{limit}。看这个仪表。"
NUMBERS = {"读数": {"type": "integer"}, "上限": {"type": "integer"}}
LINE = {"设备": {"type": "string"}, **NUMBERS}
GAUGE = {"type": "object", "properties": NUMBERS, "required": list(NUMBERS)}
SHEET = {"type": "array", "items": {"type": "object", "properties": LINE, "required": list(LINE)}}
MOST_TOKENS = 600


@dataclass(frozen=True)
class Reading:
    device: str
    value: int
    limit: int

    @property
    def is_above(self) -> bool:
        """Worked out here: comparing is what programs never get wrong, and small models do."""
        return self.value > self.limit


def inspect_gauge(model: LoadedModel, picture: Any, *, device: str, limit: int) -> list[Reading]:
    """The reading of one gauge; its limit is what was said, whatever the model repeats of it."""
    return [Reading(device, _ask(model, picture, LIMIT_SAID.format(limit=limit), GAUGE)["读数"], limit)]


def inspect_sheet(model: LoadedModel, picture: Any) -> list[Reading]:
    """All lines of a sheet."""
    return [Reading(*(row[name] for name in LINE)) for row in _ask(model, picture, "写出这个检查表。", SHEET)]


def work_orders(readings: Sequence[Reading]) -> list[dict[str, Any]]:
    """What is to be repaired."""
    return [asdict(reading) for reading in readings if reading.is_above]


def _ask(model: LoadedModel, picture: Any, question: str, schema: dict[str, Any]) -> Any:
    answer = model.ask(question, [picture], form=Form.json_schema(schema), max_new_tokens=MOST_TOKENS)
    if answer.finish != "stop":
        raise ValueError(f"the answer about {picture} did not come to its end ({answer.finish}).")
    return json.loads(answer.text)


def main(arguments: Sequence[str] | None = None) -> int:
    """Work orders as JSON on standard output, readings on standard error. Exit status: 0 where every picture was read, else 1."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--limit", type=int, help="the pictures are gauges with this limit; without it they are sheets")
    options = parser.parse_args(arguments)
    model, readings, failed = open_model(parser, options.model), [], []

    def look(picture: Path) -> list[Reading]:
        if options.limit is None:
            return inspect_sheet(model, picture)
        return inspect_gauge(model, picture, device=picture.stem, limit=options.limit)

    for picture, found in look_at(options.pictures, look, failed):
        for reading in found:
            print(f"{picture}: {reading.device} {reading.value}, limit {reading.limit}", file=sys.stderr)
        readings += found
    print(json.dumps(work_orders(readings), ensure_ascii=False, indent=2))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
