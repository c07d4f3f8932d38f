"""transformers' own pipeline on questions in OpenAI's form: python stock_pipeline.py FOLDER QUESTIONS.json TOKENS. Nothing of smvl."""

import json
import sys
from pathlib import Path

from transformers import pipeline


def main() -> None:
    folder, questions, num_tokens = sys.argv[1:]
    ask = pipeline("image-text-to-text", model=folder)
    answers = [
        ask(text=messages, max_new_tokens=int(num_tokens), return_full_text=False)[0]["generated_text"]
        for messages in json.loads(Path(questions).read_text(encoding="utf-8"))
    ]
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
