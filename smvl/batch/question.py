"""What is asked of every picture."""

import json
from dataclasses import dataclass
from typing import Any

from smvl.infer.answer import Answer
from smvl.infer.form.form import Form
from smvl.infer.request import Request


@dataclass(frozen=True)
class Question:
    text: str
    system: str | None
    thinking: bool
    form: Form | None
    schema: Any
    """The JSON schema of the form, as far as its columns are to be known; None where answers are no JSON."""
    max_new_tokens: int

    def request(self, *images: Any) -> Request:
        parts = [*[{"type": "image"}] * len(images), {"type": "text", "text": self.text}]
        opening = [] if self.system is None else [{"role": "system", "content": self.system}]
        return Request([*opening, {"role": "user", "content": parts}], images, thinking=self.thinking, form=self.form)

    @property
    def columns(self) -> list[str]:
        """Keys of a row; those of the object that a schema describes stand behind `json.`."""
        reasoning = ["reasoning"] if self.thinking else []
        counts = ["num_prompt_tokens", "num_image_tokens", "num_new_tokens", "seconds"]
        return ["image", "question", "answer", *reasoning, *self._json_columns(), "finish", *counts, "folder"]

    def _json_columns(self) -> list[str]:
        if self.schema is None:
            return []
        properties = self.schema.get("properties")
        return [f"json.{name}" for name in properties] if isinstance(properties, dict) and properties else ["json"]

    def row(self, answer: Answer, seconds: float) -> dict[str, Any]:
        """What stands in the file of an answer, besides its picture."""
        return {
            "question": self.text,
            "answer": answer.text,
            **({"reasoning": answer.reasoning} if self.thinking else {}),
            **({} if self.schema is None else {"json": _parsed(answer)}),
            "finish": answer.finish,
            "num_prompt_tokens": answer.num_prompt_tokens,
            "num_image_tokens": answer.num_image_tokens,
            "num_new_tokens": answer.num_new_tokens,
            "seconds": round(seconds, 3),
        }


def _parsed(answer: Answer) -> Any:
    """The JSON of an answer; None for one that was cut, which may be JSON too."""
    return json.loads(answer.text) if answer.finish == "stop" else None
