"""An export's processor files differ in three names, and lay conversations out as the checkpoint's do."""

import json
from pathlib import Path

import pytest
from PIL import Image

from smvl.processing.exported import has_smolvlm_names
from smvl.processing.processing_smvl import SmVLMProcessor
from smvl.processing.smolvlm_names import SMOLVLM_ATTRIBUTES, to_smolvlm_names
from tests.donors import build_processor, save_text_donor, save_vision_donor


def save_small_processor(folder: Path) -> SmVLMProcessor:
    text, vision = save_text_donor(folder / "text"), save_vision_donor(folder / "vision")
    processor, _ = build_processor(text, vision, tile=32, longest_edge=64, image_seq_len=4)
    processor.save_pretrained(folder / "checkpoint")
    return processor


def rename_markers(folder: Path) -> None:
    """What an export does to a processor's files."""
    for name in ("tokenizer.json", "chat_template.jinja"):
        (folder / name).write_text(to_smolvlm_names((folder / name).read_text(encoding="utf-8")), encoding="utf-8")
    path = folder / "tokenizer_config.json"
    settings = json.loads(to_smolvlm_names(path.read_text(encoding="utf-8")))
    path.write_text(json.dumps({**settings, **SMOLVLM_ATTRIBUTES}), encoding="utf-8")


CONVERSATION = [
    {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "图中有 <image> 吗? <|image_pad|>"}]},
    {"role": "assistant", "content": "一个圆形。"},
    {"role": "user", "content": [{"type": "text", "text": "这张呢?"}, {"type": "image"}]},
]


def test_an_exports_processor_lays_out_as_the_checkpoints(tmp_path: Path) -> None:
    processor = save_small_processor(tmp_path)
    folder = tmp_path / "checkpoint"
    assert not has_smolvlm_names(folder)
    rename_markers(folder)
    assert has_smolvlm_names(folder)
    read = SmVLMProcessor.from_pretrained(folder)
    layouts = [
        one.lay_out(CONVERSATION, [(64, 64), (32, 64)], add_generation_prompt=True, enable_thinking=False) for one in (read, processor)
    ]
    assert layouts[0] == layouts[1]
    pictures = [Image.new("RGB", (64, 64), "red"), Image.new("RGB", (64, 32), "blue")]
    assert (read.pixel_values(pictures, layouts[0]) == processor.pixel_values(pictures, layouts[1])).all()
    assert read.tokenizer.name_or_path == str(folder)


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json"])
def test_an_export_without_a_processor_file_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    save_small_processor(tmp_path)
    rename_markers(tmp_path / "checkpoint")
    (tmp_path / "checkpoint" / name).unlink()
    with pytest.raises(ValueError, match=name):
        SmVLMProcessor.from_pretrained(tmp_path / "checkpoint")
