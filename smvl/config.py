"""The configuration of a run: dataclasses, read from strict YAML with dotted overrides.

The only way in for YAML (its rules are in strict_yaml.py). A misspelt key that is ignored costs a training run, so every
key, type and range is checked before anything heavy is imported. A stage's `trainer` goes to Hugging Face's TrainingArguments;
trainer_keys.py says which keys and values do.

    config = load_config("train.yaml", ["stages.0.trainer.max_steps=20", "model.projector=mlp"])
"""

import dataclasses
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from smvl.layouts.settings import ANSWERS, DEFAULT_LAYOUT, LAYOUT_KEYS, LayoutName, Objective
from smvl.strict_yaml import ConfigError, apply_override, build, dump_yaml, kind_of, read_yaml, shorten, shown_key
from smvl.trainer_keys import MAX_RATE, check_trainer

MAX_RANK = 4096
"""Of a LoRA; more than any matrix of a small model has."""
MAX_COUNT, MAX_ROWS = 1_000_000, 1_000_000_000
"""Bounds of what is counted in tokens or samples, and in rows of data; what is above is a slip of the hand."""
MAX_WORKERS, MAX_NAME = 1000, 64
MAX_TURNS = 16
"""Of a drawn conversation."""
MAX_THETA, MAX_YARN, MAX_CONTEXT = 1e12, 1024.0, 100_000_000
"""Of a rotation's base, of a factor, and of a context in tokens; more than any model has."""
MIN_WEIGHT, MAX_WEIGHT = 1e-9, 1e12
"""Between which a share is a number that can be mixed by."""


def check(correct: bool, name: str, found: object, expected: str) -> None:
    if not correct:
        raise ConfigError(f"{name}: found {shorten(found)}, expected {expected}")


def check_count(name: str, found: int, *, low: int = 1, high: int = MAX_COUNT) -> None:
    check(found >= low, name, found, f"at least {low}")
    check(found <= high, name, found, f"at most {high:,}")


def check_rate(name: str, rate: float) -> None:
    check(0 < rate < math.inf, name, rate, "a finite rate above 0")
    check(rate <= MAX_RATE, name, rate, f"a rate up to {MAX_RATE:g}")


@dataclass(frozen=True, kw_only=True)
class RopeConfig:
    """Longer context: another rotation by position of the text model. One of `theta` and `yarn`."""

    theta: float | None = None
    """Base of the rotation, larger than the text model's own; every pair of dimensions but the first turns slower, and is to be trained."""
    yarn: float | None = None
    """YaRN's factor: how many times the trained length the positions reach; slow pairs are stretched, fast ones stay."""
    trained_length: int | None = None
    """With `yarn`: tokens that the text model was trained on at first; null takes what its config.json says."""
    length: int | None = None
    """Tokens that one sequence may hold afterwards; null: with `yarn` the trained length times it, with `theta` `data.max_length` where
    that is more than before."""

    def __post_init__(self) -> None:
        check((self.theta is None) != (self.yarn is None), "theta", self.theta, "one of theta and yarn, and not both")
        if self.theta is not None:
            check(1 < self.theta <= MAX_THETA, "theta", self.theta, f"a number above 1, up to {MAX_THETA:g}")
            check(self.trained_length is None, "trained_length", self.trained_length, "nothing, as it is for yarn and this is theta")
        else:
            check(1 < self.yarn <= MAX_YARN, "yarn", self.yarn, f"a factor above 1, up to {MAX_YARN:g}")
        for name in ("trained_length", "length"):
            if (found := getattr(self, name)) is not None:
                check_count(name, found, high=MAX_CONTEXT)


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    vision: str | None = None
    """Folder of the vision donor (SmolVLM2, Idefics3 or plain SigLIP layout)."""
    text: str | None = None
    """Folder of the text donor (Qwen3 or another decoder-only model with its tokenizer)."""
    checkpoint: str | None = None
    """Folder of a checkpoint to go on from, in the place of both donors; its projector, tokenizer and image settings are kept."""
    layout: LayoutName = DEFAULT_LAYOUT
    """What the result is: `smolvlm`, tiles and markers before any text model; or `qwen3_vl`, native resolution before Qwen3."""
    projector: Literal["linear", "mlp"] = "linear"
    """`linear` gives a stock smolvlm checkpoint; `mlp` is a two-layer projector whose checkpoint carries its code."""
    projector_from: str | None = None
    """Folder of a checkpoint whose projector a run begins with; null begins with a new one."""
    scale_factor: int | None = None
    """Side of the square of patches that becomes one token; null takes the vision donor's own."""
    deepstack: list[int] = field(default_factory=list)
    """Layout qwen3_vl: layers of the vision encoder, from 0, whose features go into the text model's first layers too."""
    rotary_alignment: bool = True
    """Layout qwen3_vl: turn the vision encoder's heads so that its rotary positions disturb them least; false is for comparison."""
    rope: RopeConfig | None = None
    """Longer context; null keeps the rotation of the text donor, or of the checkpoint."""
    attention: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa"
    """Attention implementation, transformers' name."""
    dtype: Literal["float32", "bfloat16"] = "float32"
    """Type of the frozen weights in memory; what learns is float32. Mixed precision is `bf16: true` in a stage's `trainer`."""
    compile: bool = False
    """Compile each layer of both towers with torch.compile: slower to start, faster after."""

    def __post_init__(self) -> None:
        if self.checkpoint is None:
            for name in ("vision", "text"):
                found = getattr(self, name)
                check(found is not None, name, found, "a folder (or model.checkpoint, which takes no donors)")
                check(bool(found), name, found, "a folder")
        else:
            check(bool(self.checkpoint), "checkpoint", self.checkpoint, "a folder")
            for name in ("vision", "text", "layout", *chain.from_iterable(keys.model for keys in LAYOUT_KEYS.values())):
                check(self._is_unset(name), name, getattr(self, name), "nothing, as model.checkpoint brings it; take one of the two out")
        for layout, keys in LAYOUT_KEYS.items():
            for name in keys.model if layout != self.layout and self.checkpoint is None else ():
                check(self._is_unset(name), name, getattr(self, name), f"nothing, as it is for layout {layout} and this is {self.layout}")
        check(self.scale_factor is None or self.scale_factor > 0, "scale_factor", self.scale_factor, "at least 1")

    def _is_unset(self, name: str) -> bool:
        found = ModelConfig.__dataclass_fields__[name]
        unset = found.default if found.default_factory is dataclasses.MISSING else found.default_factory()
        return getattr(self, name) == unset


@dataclass(frozen=True, kw_only=True)
class ImageConfig:
    tile: int | None = None
    """Layout smolvlm: side in pixels of one square tile; it must be the vision encoder's input size. null is 512."""
    longest_edge: int | None = None
    """Layout smolvlm: longest side in pixels to which an image is resized before it is cut into tiles. null is 1024."""
    min_pixels: int | None = None
    """Layout qwen3_vl: an image with fewer pixels is enlarged to these. null is 8,192."""
    max_pixels: int | None = None
    """Layout qwen3_vl: an image with more pixels is scaled down to these. null is 786,432."""

    def __post_init__(self) -> None:
        for name in ("tile", "longest_edge", "min_pixels", "max_pixels"):
            check(getattr(self, name) is None or getattr(self, name) > 0, name, getattr(self, name), "at least 1")
        if self.tile and self.longest_edge:
            check(self.longest_edge >= self.tile, "longest_edge", self.longest_edge, f"at least one tile ({self.tile})")
        if self.min_pixels and self.max_pixels:
            check(self.max_pixels >= self.min_pixels, "max_pixels", self.max_pixels, f"at least min_pixels ({self.min_pixels})")

    def of_layout(self, layout: str, defaults: Mapping[str, int] | None = None) -> "ImageConfig":
        """The keys of this layout alone; a recipe may have those of several.

        Args:
            defaults: where they say nothing; None takes the layout's own.

        Raises:
            ConfigError: only keys of another layout are given.
        """
        defaults = defaults or LAYOUT_KEYS[layout].image
        given = {name: value for name, value in dataclasses.asdict(self).items() if value is not None}
        if given and not defaults.keys() & given.keys():
            name, value = next(iter(given.items()))
            check(False, f"data.image.{name}", value, f"{' and '.join(defaults)}, which are what layout {layout} has")
        try:
            return ImageConfig(**{**defaults, **{name: value for name, value in given.items() if name in defaults}})
        except ConfigError as error:  # of what was given and the layout's own together
            raise ConfigError(f"data.image.{error}") from None


@dataclass(frozen=True, kw_only=True)
class ScenesConfig:
    folder: str
    """Folder that the drawn pictures with their questions and answers go to; drawn once."""
    num_align: int
    """Pictures with captions, for the first stage."""
    num_finetune: int
    """Conversations about pictures, for the second stage."""
    num_heldout: int
    """Conversations that are never trained on."""

    def __post_init__(self) -> None:
        for name in ("num_align", "num_finetune", "num_heldout"):
            check_count(name, getattr(self, name))


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    max_length: int = 2048
    """Longest sequence in tokens; with packing, the length of a packed row."""
    image: ImageConfig | None = None
    """How images are resized and cut; null takes the checkpoint's own, and with donors the values of ImageConfig."""
    packing: bool = True
    """Put several samples into one row, isolated from each other, instead of padding."""
    max_tiles: int | None = None
    """Layout smolvlm: most image tiles in one sequence; null lets only the tokens bound them."""
    max_patches: int | None = None
    """Layout qwen3_vl: most image patches in one sequence; null lets only the tokens bound them."""
    look_ahead: int = 256
    """Samples among which packed rows choose; more fills them better and strays further from the mixture's order."""
    workers: int = 4
    """Processes that encode samples, and one for every four that measures their lengths; 0 does both in the training process."""
    max_drop_share: float = 0.05
    """Share of each source's samples that may be unreadable or too long before the run stops."""
    scenes: ScenesConfig | None = None
    """Data to draw before the run, so that it needs no download; null draws nothing."""

    def __post_init__(self) -> None:
        check_count("max_length", self.max_length)
        for name in (keys.limit for keys in LAYOUT_KEYS.values()):
            check(getattr(self, name) is None or getattr(self, name) > 0, name, getattr(self, name), "at least 1, or null")
        check_count("look_ahead", self.look_ahead)
        check_count("workers", self.workers, low=0, high=MAX_WORKERS)
        check(0 <= self.max_drop_share <= 1, "max_drop_share", self.max_drop_share, "a share from 0 to 1")

    def check_limits(self, layout: str) -> None:
        """Raise `ConfigError` for a limit of another layout."""
        for other, keys in LAYOUT_KEYS.items():
            expected = f"nothing, as it is for layout {other} and this is {layout}"
            check(other == layout or getattr(self, keys.limit) is None, f"data.{keys.limit}", getattr(self, keys.limit), expected)

    @property
    def max_units(self) -> int | None:
        """The limit of the layout that the model has."""
        return self.max_tiles if self.max_patches is None else self.max_patches


@dataclass(frozen=True, kw_only=True)
class TextAugmentConfig:
    synonyms: float = 0.0
    """Share of samples in whose text some words are replaced by synonyms."""
    rephrase: float = 0.0
    """Share of samples whose question is put in other words."""
    traditional: float = 0.0
    """Share of samples turned into traditional script; one that is in it already turns into simplified."""
    min_overlap: float = 0.4
    """Least overlap between the characters of a text and those of its new wording; a wording below it is not taken."""
    max_overlap: float = 0.97
    """Largest overlap of their character bigrams; a text above it is as good as the text before."""

    def __post_init__(self) -> None:
        for name in ("synonyms", "rephrase", "traditional", "min_overlap", "max_overlap"):
            check(0 <= getattr(self, name) <= 1, name, getattr(self, name), "a share from 0 to 1")
        check(self.min_overlap < self.max_overlap, "min_overlap", self.min_overlap, f"less than max_overlap ({self.max_overlap})")

    @property
    def changes_something(self) -> bool:
        return any((self.synonyms, self.rephrase, self.traditional))


@dataclass(frozen=True, kw_only=True)
class DistortionConfig:
    """How strongly an image is spoilt; each strength from 0 (never) to 1 (hardly legible for a person)."""

    perspective: float = 0.0
    """Seen from the side."""
    tilt: float = 0.0
    """Turned."""
    curl: float = 0.0
    """Paper that is not flat."""
    blur: float = 0.0
    """Out of focus or in motion."""
    dim: float = 0.0
    """Too little light, or light from one side."""
    noise: float = 0.0
    """Grain of a sensor in the dark."""
    jpeg: float = 0.0
    """Compressed too much."""

    def __post_init__(self) -> None:
        for field_ in dataclasses.fields(DistortionConfig):
            check(0 <= getattr(self, field_.name) <= 1, field_.name, getattr(self, field_.name), "a strength from 0 to 1")


@dataclass(frozen=True, kw_only=True)
class ImageAugmentConfig(DistortionConfig):
    share: float = 0.5
    """Share of the images that are distorted at all."""
    spare: list[str] = field(default_factory=lambda: ["chart", "dial"])
    """Tasks whose images stay as they are: where a line's place is the answer, a bent picture is a wrong one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check(0 <= self.share <= 1, "share", self.share, "a share from 0 to 1")

    @property
    def changes_something(self) -> bool:
        return self.share > 0 and any(getattr(self, field_.name) for field_ in dataclasses.fields(DistortionConfig))


_CHANGES = {"augment_text": "synonyms, rephrase or traditional", "augment_images": "share and of a strength such as blur"}
"""By key what must be above 0 of it, for anything to be changed."""

SCENES = "scenes"
"""The `source` of scenes that are drawn while they are read."""


@dataclass(frozen=True, kw_only=True)
class SceneSourceConfig:
    kinds: dict[str, float] = field(default_factory=dict)
    """Kinds of scenes with their relative shares; empty takes all, each as often as another."""
    seed: int = 1
    """Of the scenes; other seeds, other scenes."""
    rows: int = 1_000_000
    """Scenes that there are, before the first comes again."""
    longest_edge: int = 512
    """Longer side of a picture in pixels."""
    clean_share: float = 0.15
    """Share of the pictures without any distortion."""
    distortions: DistortionConfig | None = None
    """Strengths up to which the others go; null takes those of a photograph by phone."""
    plain_fonts: bool = False
    """Only the font that pip brings, for the same pictures on every machine; false takes all Chinese fonts of this one."""
    fonts: str | None = None
    """Folder of Chinese fonts that are used beside it, in the place of this machine's."""
    questions: list[str] = field(default_factory=list)
    """Kinds of questions that are asked, such as field, read and json; empty asks all, as often as each kind of scene does."""
    numbers_only: bool = False
    """Of those questions, only the ones whose answer holds a digit: prices, dates, counts, codes."""
    turns: list[float] = field(default_factory=lambda: [0.6, 0.25, 0.15])
    """Relative shares of the conversations of one turn, of two, and so on."""
    pairs: float = 0.15
    """Share of the scenes with two pictures."""

    def __post_init__(self) -> None:
        check(self.fonts is None or not self.plain_fonts, "fonts", self.fonts, "null where plain_fonts is true: only one of them holds")
        check(bool(self.questions) or not self.numbers_only, "numbers_only", True, "kinds in questions that it holds for, such as field")
        check(0 <= self.pairs <= 1, "pairs", self.pairs, "a share from 0 to 1")
        shares = [share for share in self.turns if 0 <= share <= MAX_WEIGHT]
        usable = 1 <= len(self.turns) <= MAX_TURNS and len(shares) == len(self.turns) and sum(shares) >= MIN_WEIGHT
        check(usable, "turns", self.turns, f"1 to {MAX_TURNS} shares, not all of them 0")
        for kind, share in self.kinds.items():
            check(MIN_WEIGHT <= share <= MAX_WEIGHT, f"kinds.{kind}", share, f"a number from {MIN_WEIGHT:g} to {MAX_WEIGHT:g}")
        check_count("rows", self.rows, high=MAX_ROWS)
        check_count("longest_edge", self.longest_edge, low=384, high=4096)
        check(0 <= self.clean_share <= 1, "clean_share", self.clean_share, "a share from 0 to 1")


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    source: str = "auto"
    """Format of the data: auto looks at the files, or a name that the registry knows; scenes are drawn as they are read."""
    path: str = ""
    """Folder or file that holds the data, or a data set's id on the hub; none for scenes."""
    scenes: SceneSourceConfig | None = None
    """What is drawn where `source` is scenes; null draws all kinds alike."""
    subsets: list[str] = field(default_factory=list)
    """Folders below `path`, or configurations of a data set on the hub, to read; empty reads all that the source finds."""
    split: str = "train"
    """Split of a data set that has several."""
    stream: int | None = None
    """Rows to take of a data set on the hub as a stream, so that no more is downloaded; null downloads all of it."""
    text: bool = False
    """Pure text: counts towards the stage's `text_share`; a row with an image is refused."""
    weight: float = 1.0
    """Relative share of this source in its mixture."""
    augment_text: TextAugmentConfig | None = None
    """Changes to the Chinese text of its samples; null leaves it as it is."""
    augment_images: ImageAugmentConfig | None = None
    """Changes to the images of its samples, others in each epoch; null leaves them as they are."""

    def __post_init__(self) -> None:
        if self.source == SCENES:
            self._check_scenes()
        else:
            check(bool(self.path), "path", self.path, "a folder, a file, or the id of a data set on the hub")
            check(self.scenes is None, "scenes", "settings", f"null, as the source is {self.source}, or source: {SCENES}")
        repeated = sorted({name for name in self.subsets if self.subsets.count(name) > 1})
        check(not repeated, "subsets", ", ".join(repeated), "each once; `weight` says how often its rows are drawn")
        check(0 < self.weight < math.inf, "weight", self.weight, "a finite number above 0")
        check(MIN_WEIGHT <= self.weight <= MAX_WEIGHT, "weight", self.weight, f"a number from {MIN_WEIGHT:g} to {MAX_WEIGHT:g}")
        for name, needed in _CHANGES.items():
            changes = getattr(self, name)
            check(changes is None or changes.changes_something, name, "no change", f"a value above 0 of {needed}, or null")
        if self.stream is not None:
            check_count("stream", self.stream, high=MAX_ROWS)

    def _check_scenes(self) -> None:
        expected = {"path": "", "subsets": [], "stream": None, "text": False}
        for name, value in expected.items():
            check(getattr(self, name) == value, name, getattr(self, name), "nothing, as scenes are drawn; their settings are in `scenes`")


@dataclass(frozen=True, kw_only=True)
class UnfreezeConfig:
    at: float
    """Share of the stage's steps after which the parts start to learn, between 0 and 1."""
    add: list[str]
    """Parts that start to learn."""
    lr: float | None = None
    """Learning rate of these parts; null takes the stage's `lr` of the part, then `trainer.learning_rate`."""

    def __post_init__(self) -> None:
        check(0 < self.at < 1, "at", self.at, "a share above 0 and below 1 (what learns from the start is in `train`)")
        check(bool(self.add), "add", self.add, "at least one part")
        if self.lr is not None:
            check_rate("lr", self.lr)


@dataclass(frozen=True, kw_only=True)
class LoraConfig:
    rank: int = 16
    """Rank of the two matrices that learn beside each frozen one."""
    alpha: float = 32.0
    """The adapter's output is multiplied by alpha / rank."""
    dropout: float = 0.0
    """Share of the adapter's inputs that are zeroed while training."""
    layers: str = "[:]"
    """A slice of the text layers, written as in `text.layers[-4:]`."""
    modules: list[str] = field(default_factory=lambda: "q_proj k_proj v_proj o_proj gate_proj up_proj down_proj".split())
    """Names of the linear maps in a text layer that get an adapter."""
    quantize: Literal["nf4"] | None = None
    """Hold the text layers' frozen matrices in four bits (QLoRA); needs a CUDA card and bitsandbytes."""

    def __post_init__(self) -> None:
        check_count("rank", self.rank, high=MAX_RANK)
        check(0 < self.alpha < math.inf, "alpha", self.alpha, "a finite number above 0")
        check(0 <= self.dropout < 1, "dropout", self.dropout, "a share from 0 to below 1")
        is_slice = re.fullmatch(r"\[(-?\d+)?:?(-?\d+)?\]", self.layers) is not None
        check(is_slice, "layers", self.layers, "a slice of the text layers in brackets, for example '[-4:]'")
        check(bool(self.modules), "modules", self.modules, "at least one linear map of a text layer, for example q_proj")


@dataclass(frozen=True, kw_only=True)
class PromptConfig:
    """What clients do to a prompt that sets no options; a model that has never seen it answers worse."""

    thinking: bool = False
    """What the checkpoint's template gives clients that do not say whether to think: false closes an empty reasoning block in the prompt,
    as this stage's samples without reasoning do; true leaves it open, for data with reasoning."""
    open_share: float = 0.25
    """Share of the samples without reasoning whose prompt ends before that block, so that the model learns to write it: some clients open
    the block whatever the template's default."""
    spaced_share: float = 0.2
    """Share of the pictures between which and the words after them white space is put, as some clients do."""

    def __post_init__(self) -> None:
        for name in ("open_share", "spaced_share"):
            check(0 <= getattr(self, name) <= 1, name, getattr(self, name), "a share from 0 to 1")


@dataclass(frozen=True, kw_only=True)
class LongConfig:
    """How many of a stage's samples are long ones, however many there are among the rows."""

    tokens: int
    """From how many tokens on a sample is long, as it is packed: at most `data.max_length`."""
    share: float
    """Of the samples, or by `mix_by` of the tokens, that are of long ones."""

    def __post_init__(self) -> None:
        check_count("tokens", self.tokens, low=2)
        check(MIN_WEIGHT <= self.share <= 1 - MIN_WEIGHT, "share", self.share, "a share above 0 and below 1")


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    name: str
    """Name of the stage and of its folder: letters, digits, - and _."""
    mixture: list[SourceConfig]
    """Sources that are mixed, each with its weight."""
    mix_by: Literal["samples", "tokens"] = "samples"
    """What the weights are shares of."""
    prompts: PromptConfig = field(default_factory=PromptConfig)
    """How prompts vary as clients vary them."""
    text_share: float | None = None
    """Share of the sources with `text: true` together; their weights then count among themselves. null: weights decide alone."""
    long: LongConfig | None = None
    """Share of long samples; then weights and `text_share` say how often sources are looked into. null: as they come."""
    objective: Objective = ANSWERS
    """What is learned: `answers`, or before them `vision_features` (layout qwen3_vl): what the donor's encoder sees in the pictures."""
    train: list[str]
    """Parts that learn from the first step on."""
    unfreeze: list[UnfreezeConfig] = field(default_factory=list)
    """Parts that start to learn later, in order of `at`."""
    lr: dict[str, float] = field(default_factory=dict)
    """Learning rate by part, where it differs from `trainer.learning_rate`."""
    lora: LoraConfig | None = None
    """Adapters beside the text layers, merged into them at the end of the stage; then `lora` is a part to train."""
    trainer: dict[str, Any] = field(default_factory=dict)
    """Handed to Hugging Face's TrainingArguments, with its names."""

    def __post_init__(self) -> None:
        valid_name = re.fullmatch(r"[A-Za-z0-9_-]+", self.name) is not None
        check(valid_name, "name", self.name, "letters, digits, - and _ (it becomes a folder)")
        check(len(self.name) <= MAX_NAME, "name", self.name, f"at most {MAX_NAME} characters")
        check(bool(self.mixture), "mixture", self.mixture, "at least one source")
        check(bool(self.train), "train", self.train, "at least one part, for example [connector, markers]")
        self._check_parts()
        self._check_objective()
        self._check_text_share()
        check_trainer(self.trainer)
        counted = self.long is None or "max_steps" in self.trainer
        check(counted, "trainer", sorted(self.trainer), "max_steps, as with `long` an epoch ends where long or short samples do")

    @property
    def parts(self) -> list[str]:
        """All parts that learn at some time, in the order in which they are named."""
        return [*self.train, *(part for step in self.unfreeze for part in step.add)]

    def _check_objective(self) -> None:
        others = [part for part in self.parts if not part.startswith("vision")]
        fits = self.objective == ANSWERS or not others
        check(fits, "train", others, f"vision or its layers alone, as the objective is {self.objective}")
        texts = [source.path for source in self.mixture if source.text and self.objective != ANSWERS]
        check(not texts, "mixture", texts, f"sources with pictures alone, as the objective is {self.objective}")

    def _check_text_share(self) -> None:
        if self.text_share is None:
            return
        in_range = MIN_WEIGHT <= self.text_share <= 1 - MIN_WEIGHT
        check(in_range, "text_share", self.text_share, "a share above 0 and below 1, or null")
        kinds = [source.text for source in self.mixture]
        expected = "a mixture with at least one source of `text: true` and one without"
        check(len(set(kinds)) == 2, "text_share", self.text_share, expected)

    def _check_parts(self) -> None:
        shares = [step.at for step in self.unfreeze]
        rising = all(earlier < later for earlier, later in zip(shares, shares[1:]))
        check(rising, "unfreeze", shares, "strictly increasing `at`; steps at the same share are one entry")
        parts = self.parts
        for part in parts:
            check(parts.count(part) == 1, "train", part, "each part once in `train` and `unfreeze` together")
        if self.lora is not None:
            check("lora" in parts, "train", parts, "lora among them (the stage has `lora` settings)")
            texts = [part for part in parts if part.startswith("text")]
            check(not texts, "train", texts, "either lora or the text layers themselves")
        else:
            check("lora" not in parts, "lora", self.lora, "settings, for example {rank: 16} (lora is a part of this stage)")
        for part, rate in self.lr.items():
            check(part in parts, "lr", part, f"a part that this stage trains: {', '.join(parts)}")
            check_rate(f"lr.{shown_key(part)}", rate)


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    heldout: SourceConfig | None = None
    """Samples never trained on; null evaluates nothing."""
    max_samples: int = 64
    """Held-out samples used for the loss during training."""
    max_new_tokens: int = 64
    """Longest answer in tokens."""
    batch_size: int = 16
    """Samples evaluated at once."""
    generate: bool = True
    """At the end, score generated answers, with the right and with swapped images."""
    before: bool = False
    """Score them before the first step as well, so that it shows what training changed."""
    max_scored: int = 1000
    """Held-out samples whose answers are generated and scored."""

    def __post_init__(self) -> None:
        for name in ("max_samples", "max_new_tokens", "batch_size", "max_scored"):
            check_count(name, getattr(self, name), high=MAX_ROWS if name.startswith("max_s") else MAX_COUNT)
        for name in ("weight", "augment_text", "augment_images") if self.heldout is not None else ():
            given, unset = getattr(self.heldout, name), SourceConfig.__dataclass_fields__[name].default
            check(given == unset, f"heldout.{name}", given, "nothing, as held-out samples are read as they are; take it out")


@dataclass(frozen=True, kw_only=True)
class SightConfig:
    stop_when_blind: float | None = 0.5
    """End the run when the images do not help after this share of the first stage, and at once when they cannot; null only warns."""
    least_steps: int = 100
    """Of the first stage, before which no run is ended because its images do not help yet."""

    def __post_init__(self) -> None:
        share = self.stop_when_blind
        check(share is None or 0 <= share <= 1, "stop_when_blind", share, "a share from 0 to 1, or null")
        check_count("least_steps", self.least_steps, low=0)


@dataclass(frozen=True, kw_only=True)
class TrackingConfig:
    project: str = "Qwen3-SmVL"
    """SwanLab project."""
    mode: Literal["online", "local", "offline", "disabled"] = "local"
    """`local` writes a dashboard to the run folder and needs no account."""


@dataclass(frozen=True, kw_only=True)
class Config:
    model: ModelConfig
    """The two donors and how they are joined, or a checkpoint."""
    data: DataConfig = field(default_factory=DataConfig)
    """How samples become token sequences."""
    stages: list[StageConfig]
    """Stages of training, in order."""
    evaluation: EvaluationConfig = field(default_factory=EvaluationConfig)
    """What is measured, and on what."""
    sight: SightConfig = field(default_factory=SightConfig)
    """What happens when the model does not see."""
    tracking: TrackingConfig = field(default_factory=TrackingConfig)
    """Where curves go."""
    output_dir: str
    """The run folder."""
    save_on_signal: bool = True
    """Ctrl-C, SIGTERM and SIGHUP save a state at the end of the step, before they end the run."""
    seed: int = 42
    """Seed of everything random."""

    def __post_init__(self) -> None:
        if self.model.checkpoint is None:
            self.data.check_limits(self.model.layout)
            image = (self.data.image or ImageConfig()).of_layout(self.model.layout)
            object.__setattr__(self, "data", dataclasses.replace(self.data, image=image))
        names = [stage.name for stage in self.stages]
        check(bool(names), "stages", self.stages, "at least one stage")
        folders = [name.lower() for name in names]  # some disks hold no two that differ in case alone
        for name in names:
            check(folders.count(name.lower()) == 1, "stages", name, "each stage's `name` once")
        check(bool(self.output_dir), "output_dir", self.output_dir, "a folder")
        for number, stage in enumerate(self.stages):
            if stage.long is not None:
                most, name = self.data.max_length, f"stages.{number}.long.tokens"
                check(stage.long.tokens <= most, name, stage.long.tokens, f"at most data.max_length ({most:,}), as no sample is longer")
            known = LAYOUT_KEYS[self.model.layout].objectives if self.model.checkpoint is None else (ANSWERS,)
            check(stage.objective in known, f"stages.{number}.objective", stage.objective, f"{' or '.join(known)} for this model")
            mixed = self.model.dtype == "float32" or stage.trainer.get("bf16") is True
            check(mixed, "model.dtype", self.model.dtype, f"float32, or trainer.bf16: true in stage {stage.name} (what learns is float32)")
        check(0 <= self.seed < 2**32, "seed", self.seed, "0 or more, below 4,294,967,296")


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Config:
    """Reads `path`, applies overrides of the form `dotted.key=value`, and checks the whole."""
    tree = read_yaml(path, example="train.yaml")
    if not isinstance(tree, dict):
        found = "nothing" if tree is None else kind_of(tree)
        raise ConfigError(f"{path}: found {found}, expected the keys model, stages and output_dir; see train.yaml")
    for override in overrides:
        apply_override(tree, override)
    keys = [override.partition("=")[0] for override in overrides]
    for key, override in zip(keys, overrides):
        check(keys.count(key) == 1, shown_key(key), override, "each key once on the command line")
    return build(Config, tree)


def dump_config(config: Config) -> str:
    """YAML with every key written out; `load_config` of it gives an equal Config."""
    return dump_yaml(dataclasses.asdict(config))
