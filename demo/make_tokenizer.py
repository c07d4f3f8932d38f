"""The text donor's tokenizer: a byte-level BPE as Qwen3's, trained on the demo's own Chinese text.

    python demo/make_tokenizer.py

Normaliser, splitting rule and added tokens are Qwen3's. It is trained on single characters (and on the few
two-character words of the scene descriptions), so that every character of an answer is one token."""

import json
import random
from pathlib import Path

import regex
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from demo.describe import SHAPE_WORDS, tell_turn
from smvl.demo_scenes.chats import draw_chat
from smvl.demo_scenes.tasks import USES, draw_captions, draw_scene
from smvl.demo_scenes.words import CHARACTERS, TRAIN

FOLDER = Path(__file__).parent / "donors" / "text"
SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPECIAL = (
    "<|endoftext|> <|im_start|> <|im_end|> <|object_ref_start|> <|object_ref_end|> <|box_start|> <|box_end|> <|quad_start|> "
    "<|quad_end|> <|vision_start|> <|vision_end|> <|vision_pad|> <|image_pad|> <|video_pad|>"
).split()
PLAIN = (
    "<tool_call> </tool_call> <|fim_prefix|> <|fim_middle|> <|fim_suffix|> <|fim_pad|> <|repo_name|> <|file_sep|> "
    "<tool_response> </tool_response> <think> </think>"
).split()
FUNCTIONS_TOLD = """# Tools

You may call one or more functions to assist with the user query.

You are provided with function signatures within <tools></tools> XML tags:
<tools>
</tools>

For each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:
{"name": <function-name>, "arguments": <args-json-object>}
"""
"""How Qwen3's template tells of functions: letter by letter it would fill most of a pack."""
COMMON = "的一是不了在有和这那个我你他她们们来去说看想要会能可以没吗呢吧啊图片张字数行列第请问答,。!?:;、()“”《》"
ROLES = ("system", "user", "assistant")


def collect_words() -> list[str]:
    """Every character of the demo's text, most common first, then the words that shall be one token."""
    generator = random.Random(0)
    scenes = [draw(generator, TRAIN) for _ in range(2000) for draw in (draw_captions, draw_scene)]
    scenes += [draw_chat(generator) for _ in range(2000)]
    text = "".join(tell_turn(generator, turn) + turn.answer for scene in scenes for turn in scene.turns)
    told = tell_forms(generator)
    characters = sorted(set(text + CHARACTERS + COMMON) - set("\n"))
    new_characters = sorted(set(told) - set(characters) - set(map(chr, range(128))))
    forms = {part for piece in regex.findall(SPLIT, told) for part in regex.findall(r"[ -~\n]{2,}", piece)}
    return characters * 50 + list(SHAPE_WORDS) * 20 + list(ROLES) * 20 + ["\n\n"] * 20 + (new_characters + sorted(forms)) * 12


def tell_forms(generator: random.Random) -> str:
    """Prompts with tools and schemas, and the answers to them."""
    scenes = [draw(generator, TRAIN) for _ in range(300) for draw in USES]
    told = [json.dumps(list(scene.tools), ensure_ascii=False) for scene in scenes]
    told += [turn.question + turn.answer for scene in scenes for turn in scene.turns]
    calls = [turn.call for scene in scenes for turn in scene.turns if turn.call]
    told += [json.dumps({"name": call.name, "arguments": call.arguments}, ensure_ascii=False) + call.result + call.reply for call in calls]
    return FUNCTIONS_TOLD + "\n".join(told)


def build_tokenizer() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(byte_fallback=False))
    tokenizer.normalizer = normalizers.NFC()
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(SPLIT), "isolated"), byte_level])
    tokenizer.decoder = decoders.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    tokenizer.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    trainer = trainers.BpeTrainer(
        vocab_size=4096, min_frequency=10, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
    )
    tokenizer.train_from_iterator(collect_words(), trainer)
    tokenizer.add_tokens([AddedToken(text, normalized=False, special=True) for text in SPECIAL])
    tokenizer.add_tokens([AddedToken(text, normalized=False, special=False) for text in PLAIN])
    return tokenizer


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    build_tokenizer().save(str(FOLDER / "tokenizer.json"))
    settings = {
        "add_bos_token": False,
        "add_prefix_space": False,
        "additional_special_tokens": SPECIAL[1:],
        "bos_token": None,
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "errors": "replace",
        "model_max_length": 4096,
        "pad_token": "<|endoftext|>",
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }
    (FOLDER / "tokenizer_config.json").write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
