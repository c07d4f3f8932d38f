"""Schemas such as users write, drawn at random, and answers of tokens drawn among those that a form allows."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from smvl.infer.form.form import Form
from smvl.infer.form.matcher import FormTokens
from smvl.infer.writing import Writing

ROOM = 400
"""Tokens of an answer at most."""
CLOSES_AFTER = 30
"""Tokens from which on an answer is brought to its end."""


def random_schema(random: np.random.Generator, depth: int = 0) -> dict[str, Any]:
    """Nested objects with optional keys, arrays, numbers in a range, enums, patterns, formats."""
    kinds = ["integer", "number", "string", "boolean", "null", "enum", "const", "pattern", "format", "length", "range"]
    kinds += ["object", "array", "tuple", "anyOf", "types"] * (depth < 3)
    match kinds[random.integers(len(kinds))]:
        case "object":
            names = ["名称", "单价(元)", "a", "b c", 'qu"ote', "路径\\", "地址"][: random.integers(1, 8)]
            properties = {name: random_schema(random, depth + 1) for name in names}
            return {"type": "object", "properties": properties, "required": [name for name in names if random.random() < 0.6]}
        case "array":
            least = int(random.integers(0, 3))
            return {"type": "array", "items": random_schema(random, depth + 1), "minItems": least, "maxItems": least + 2}
        case "tuple":
            items = [random_schema(random, depth + 1) for _ in range(2)]
            return {"type": "array", "prefixItems": items, "minItems": 2, "items": False}
        case "anyOf":
            return {"anyOf": [random_schema(random, depth + 1) for _ in range(2)]}
        case "types":
            return {"type": ["string", "null", "integer"]}
        case "enum":
            return {"enum": ["红", 1, None, {"键": [1, 2]}, "a\nb"]}
        case "const":
            return {"const": "不变"}
        case "pattern":
            return {"type": "string", "pattern": "^[A-Z]{2}-[0-9]{1,4}$"}
        case "format":
            return {"type": "string", "format": ["date", "date-time", "uuid", "ipv4"][random.integers(4)]}
        case "length":
            return {"type": "string", "minLength": 2, "maxLength": 6}
        case "range":
            low = float(random.integers(-50, 50))
            return {"type": "number", "minimum": low, "exclusiveMaximum": low + 7.5, **({"multipleOf": 0.5} if low % 5 == 0 else {})}
        case kind:
            return {"type": kind}


@dataclass
class Written:
    """An answer, and what the form cost."""

    text: str | None = None
    """None where it came to no end in `ROOM` tokens."""
    seconds_to_begin: float = 0.0
    mask_seconds: list[float] = field(default_factory=list)
    """Of each token that was chosen."""
    num_forced: int = 0


def write_at_random(form: Form, tokens: FormTokens, tokenizer: Any, random: np.random.Generator, closing: Sequence[str]) -> Written:
    """An answer of tokens drawn among those allowed.

    Args:
        closing: texts of which the first that is allowed is taken, once the answer is to end.
    """
    closing_ids = [token for text in closing for token in tokenizer.encode(text, add_special_tokens=False)]
    found, end, began = Written(), tokenizer.eos_token_id, time.perf_counter()
    writing = Writing(ROOM, [end], tokenizer.decode, tokens.matcher(form, thinking=False))
    found.seconds_to_begin = time.perf_counter() - began
    while writing.finish is None:
        began = time.perf_counter()
        allowed = writing.allowed
        if allowed is None:  # the opening is forced
            writing.go_on(end)
            continue
        found.mask_seconds.append(time.perf_counter() - began)
        taken = [token for token in (end, *closing_ids) if allowed[token]] if len(writing.ids) > CLOSES_AFTER else []
        writing.go_on(taken[0] if taken else int(random.choice(np.flatnonzero(allowed))))
    found.num_forced = writing.num_forced
    if writing.finish == "stop":
        found.text = tokenizer.decode([token for token in writing.ids if token != end], clean_up_tokenization_spaces=False)
    return found
