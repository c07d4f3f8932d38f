"""The README.md of a model folder: what it is, what made it, what it scores, how to ask it, and what it cannot do.

It is written from the folder's own files, so that it says what is there: config.yaml, provenance.json, results.json. Its head is what the
hubs read of a model (Hugging Face's and ModelScope's model cards).
"""

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from smvl.config import Config, SourceConfig, load_config

CARD_FILE, LICENSE_FILE = "README.md", "LICENSE"
MARK = "<!-- Written by smvl. Take this line out to keep what you write here. -->"
HUB_IDS = {
    "Qwen3-0.6B": "Qwen/Qwen3-0.6B",
    "SmolVLM2-256M-Video-Instruct": "HuggingFaceTB/SmolVLM2-256M-Video-Instruct",
    "the_cauldron": "HuggingFaceM4/the_cauldron",
    "Docmatix": "HuggingFaceM4/Docmatix",
    "llava-en-zh-300k": "BUAADreamer/llava-en-zh-300k",
    "I_Wonder_Why-Chinese": "Mxode/I_Wonder_Why-Chinese",
}
"""What download_resource.sh fetches, by the folders that it fetches into."""

_FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)

_ASK = """```python
import smvl

model = smvl.load("{folder}")
print(model.ask("图中有什么?", images=["a.jpg"]))
```

With transformers alone (its own processor needs torchvision; `smvl.load_processor` does not):

```python
from transformers import AutoModelForImageTextToText
import smvl

model, processor = AutoModelForImageTextToText.from_pretrained("{folder}"), smvl.load_processor("{folder}")
question = [{{"role": "user", "content": [{{"type": "image", "image": "a.jpg"}}, {{"type": "text", "text": "图中有什么?"}}]}}]
inputs = processor.apply_chat_template(question, add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt")
answer = model.generate(**inputs, max_new_tokens=64)[0, inputs["input_ids"].shape[1] :]
print(processor.decode(answer, skip_special_tokens=True))
```
"""


def write_card(folder: Path, text: str) -> None:
    """Put a card into a folder; one from which its mark was taken out is the user's, and stays."""
    path = folder / CARD_FILE
    if path.exists() and MARK not in path.read_text(encoding="utf-8", errors="replace"):
        return
    path.unlink(missing_ok=True)  # in a run folder it may be linked to a stage's
    path.write_text(text, encoding="utf-8")


def copy_license(source: Path, folder: Path) -> None:
    """Put the LICENSE of a model's folder, if it has one, beside what was made of it; one that is there stays."""
    if (source / LICENSE_FILE).is_file() and not (folder / LICENSE_FILE).exists():
        shutil.copyfile(source / LICENSE_FILE, folder / LICENSE_FILE)


def copy_license_of_donors(folder: Path) -> None:
    """Put a copy of a donor's LICENSE into a folder that has none yet, the text donor's before others; nothing where no donor has one."""
    recipe = _recipe(folder / "config.yaml")
    if recipe is None:
        return
    for donor in (recipe.model.text, recipe.model.checkpoint, recipe.model.vision):
        if donor is not None:
            copy_license(Path(donor), folder)


def card_of_checkpoint(folder: Path, name: str | None = None) -> str:
    """The card of a checkpoint.

    Args:
        name: of the model; by default the folder's.
    """
    recipe, made_by, results = _recipe(folder / "config.yaml"), _json(folder / "provenance.json"), _json(folder / "results.json")
    donors = [donor for donor in (recipe.model.vision, recipe.model.text, recipe.model.checkpoint) if donor] if recipe else []
    sources = [source for stage in recipe.stages for source in stage.mixture] if recipe else []
    head = _head(base_models(donors), data_sets(sources), license_of(donors))
    parts = [
        f"# {name or folder.resolve().name}",
        _what_it_is(folder, donors, made_by),
        "## Ask it\n\n" + _ASK.format(folder=folder.name),
        _scores(results),
        _training(made_by),
        _limits(results),
    ]
    return "\n".join([head, MARK, "", *(f"{part.rstrip()}\n" for part in parts if part)])


def card_of_export(checkpoint: Path, kind: str, parity: Mapping[str, Any] | None, commands: Sequence[str]) -> str:
    """The card of an export: the checkpoint's own head, how it is run, and how it compares.

    Args:
        kind: such as `onnx, 4 bits`.
        parity: parity.json; None where nothing was compared.
        commands: lines of a shell that ask it.
    """
    found = _FRONT_MATTER.match(_text(checkpoint / CARD_FILE))
    head = found[0].rstrip() if found else _head([], [], None)
    figures = json.dumps(parity, indent=1, ensure_ascii=False)
    compared = "It was not compared with its checkpoint." if parity is None else f"```json\n{figures}\n```"
    shell = "\n".join(["```bash", *commands, "```"])
    title = f"# {checkpoint.resolve().name}, {kind}"
    return "\n".join([head, MARK, "", title, "", shell, "", "## Against its checkpoint", "", compared, ""])


def base_models(donors: Sequence[str]) -> list[str]:
    """Hub ids of the folders that are known, and those that the cards of the others name."""
    found: list[str] = []
    for donor in donors:
        known = HUB_IDS.get(Path(donor).name)
        found += [known] if known else _as_list(_front_matter(Path(donor)).get("base_model"))
    return list(dict.fromkeys(found))


def data_sets(sources: Sequence[SourceConfig]) -> list[str]:
    """Hub ids of the data that was trained on, as far as they are known: what only lies on a disk has none."""
    ids = []
    for source in sources:
        known = next((HUB_IDS[part] for part in Path(source.path).parts if part in HUB_IDS), None)
        ids += [known] if known else [source.path] if source.source == "hub" else []
    return list(dict.fromkeys(ids))


def license_of(donors: Sequence[str]) -> str | None:
    """The licence that all donors' cards state; None where one states none, or they differ."""
    stated = {_front_matter(Path(donor)).get("license") for donor in donors}
    return stated.pop() if len(stated) == 1 else None


def _head(base: Sequence[str], data: Sequence[str], license: str | None) -> str:
    from huggingface_hub import ModelCardData

    data_of_card = ModelCardData(
        license=license,
        language=["zh", "en"],
        library_name="transformers",
        pipeline_tag="image-text-to-text",
        base_model=list(base) or None,
        datasets=list(data) or None,
        tags=["vision-language-model", "chinese", "qwen3-smvl"],
    )
    return f"---\n{data_of_card.to_yaml()}\n---"


def _what_it_is(folder: Path, donors: Sequence[str], made_by: Mapping[str, Any]) -> str:
    kind = _json(folder / "config.json").get("model_type", "smolvlm")
    made_of = _listed(donors) or "donors that it does not name"
    lines = [f"A Chinese vision-language model of the `{kind}` layout, trained with Qwen3-SmVL from {made_of}."]
    if origin := made_by.get("began_with"):
        lines.append(f"It goes on from `{origin['checkpoint']}` (weights {origin['weights'][:12]}).")
    return "\n".join(lines)


def _scores(results: Mapping[str, Any]) -> str:
    scores, before = results.get("scores") or {}, results.get("before")
    if not scores:
        return "## Scores\n\nNothing was held out, or nothing scored yet."
    columns = ["task", "questions", *(["before"] if before else []), "exact match", "with another sample's pictures"]
    rows = [f"| {' | '.join(columns)} |", f"| {' | '.join(['---'] * len(columns))} |"]
    for task, entry in sorted(scores.items(), key=lambda item: (item[0] == "all", item[0])):
        swapped = entry["exact_match_swapped"]
        cells = [task, str(entry["num_questions"]), *([f"{before[task]['exact_match']:.3f}"] if before and task in before else [])]
        cells += [f"{entry['exact_match']:.3f}", "-" if swapped is None else f"{swapped:.3f}"]
        rows.append(f"| {' | '.join(cells)} |")
    said = "On held-out samples; what is still right with another sample's pictures can be guessed without looking."
    return "\n".join(["## Scores", "", said, "", *rows, "", results["sight"]["verdict"]])


def _training(made_by: Mapping[str, Any]) -> str:
    if not made_by:
        return ""
    done, versions = made_by.get("stages_done") or [], made_by.get("packages") or {}
    steps = made_by.get("steps_done", 0)
    lines = ["## Training", "", f"Stages finished: {', '.join(done) or 'none'}, {steps} steps. The recipe is in config.yaml.", ""]
    for stage, mixed in (made_by.get("mixed") or {}).items():
        counts = {source: tally[0] for source, tally in (mixed.get("by_source") or {}).items()}
        lines.append(f"- {stage}: " + ", ".join(f"{count:,} samples of {source}" for source, count in counts.items()))
    return "\n".join([*lines, "", "Made with " + ", ".join(f"{name} {version}" for name, version in versions.items()) + "."])


def _limits(results: Mapping[str, Any]) -> str:
    return "\n".join(
        [
            "## Limits",
            "",
            "A small model: it answers what it was trained to answer, invents the rest, and does not know when it does. "
            "Scores of pictures that look otherwise than those above are unknown."
            + ("" if results.get("scores") else " It was not scored."),
        ]
    )


def _listed(donors: Sequence[str]) -> str:
    return " and ".join(f"`{HUB_IDS.get(Path(donor).name, donor)}`" for donor in donors)


def _front_matter(folder: Path) -> dict[str, Any]:
    """What the head of a folder's card says; nothing where there is none, or none that can be read."""
    from huggingface_hub import ModelCard

    card = _text(folder / CARD_FILE)
    if not _FRONT_MATTER.match(card):
        return {}
    try:
        return ModelCard(card).data.to_dict()
    except Exception:  # whatever YAML of others may hold; the card is only looked at for two words
        return {}


def _as_list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [entry for entry in value or () if isinstance(entry, str)]


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(_text(path))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _recipe(path: Path) -> Config | None:
    try:
        return load_config(path)
    except ValueError:  # none is there, or one of another release
        return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return ""
