"""Boxes as a form: the JSON schema that an answer is held to, and how the question asks for them."""

import json
from collections.abc import Sequence
from typing import Any

from smvl.grounding import SCALE


def boxes_schema(labels: Sequence[str] | None) -> dict[str, Any]:
    """Of a list of boxes, as `smvl.grounding` reads them.

    Args:
        labels: what a label may be; any text without.
    """
    coordinate = {"type": "integer", "minimum": 0, "maximum": SCALE}
    properties = {
        "bbox_2d": {"type": "array", "items": coordinate, "minItems": 4, "maxItems": 4},
        "label": {"type": "string"} if labels is None else {"enum": list(dict.fromkeys(labels))},
    }
    return {"type": "array", "items": {"type": "object", "properties": properties, "required": list(properties)}}


def boxes_instructions(labels: Sequence[str] | None) -> tuple[str, str]:
    """What is added to the question, in English and in Chinese: the form itself, which says more to a small model than its schema."""
    shown = '[{"bbox_2d":[x1,y1,x2,y2],"label":"..."}]'
    english = f"Answer with boxes in JSON, coordinates from 0 to {SCALE}: {shown}"
    chinese = f"请用JSON回答方框,坐标从0到{SCALE}:{shown}"
    if labels is None:
        return english, chinese
    listed = json.dumps(list(dict.fromkeys(labels)), ensure_ascii=False)[1:-1]
    return f"{english}; label is one of: {listed}", f"{chinese};label取其中之一:{listed}"
