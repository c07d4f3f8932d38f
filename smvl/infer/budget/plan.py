"""The memory contract: from what a model takes in each of its forms, the one that fits into a budget, with how many tiles and what context.

    plan = plan_budget("output/demo", "1GB")
    engine = Engine.from_plan(plan)

A budget is that of the whole process, Python and its libraries included, in resident memory as Linux counts it. Images keep as many tiles
as they can, for small text is lost first; then the most exact form is taken that leaves room for a question and an answer; what is left
becomes context.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from smvl.infer.budget.costs import Use
from smvl.infer.budget.forms import Form, forms_of
from smvl.infer.manifest import read_json
from smvl.layouts.settings import LAYOUT_KEYS, layout_of_type
from smvl.layouts.smolvlm.image_limits import check_longest_edge, check_most_tiles
from smvl.settings_files import object_in, read_size, reading

LEAST_WORDS = 256
"""Tokens of a question with its template and the answer, for which there must be room beside the image."""
_MARKERS_OF_TILE = 5
"""Tokens around the features of a tile, at most."""
_PIXELS = (12_600_000, 2_100_000)
"""A picture must fit as telephones take it; where that would be refused, at least one of a screen."""
_SPARE = 0.02
"""Of a budget, not given away: a heap is never packed full."""
_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30}


class BudgetError(ValueError):
    """A budget into which no form of the model fits; the message holds the figures."""


@dataclass(frozen=True)
class Plan:
    """What is loaded, and how much of it may be used."""

    budget: int
    """Bytes."""
    form: Form
    use: Use
    pixels: int
    """Of a picture that is reckoned with."""
    forms: Sequence[Form]
    """All that were looked at."""

    @property
    def most_pixels(self) -> int:
        """Of a picture as it is in its file."""
        return self.form.costs.most_pixels(self.use, _given_away(self.budget))

    @property
    def peak(self) -> int:
        """Bytes, as forecast."""
        return max(self.form.costs.moments(self.use, self.pixels).values())

    def table(self) -> str:
        """What was chosen, and why, for a reader."""
        costs, use = self.form.costs, self.use
        rows = [
            ("libraries and tokenizer", _megabytes(costs.process)),
            ("text model", _megabytes(costs.text)),
            ("vision encoder", _megabytes(costs.vision)),
            (f"context of {use.context:,} tokens", _megabytes(costs.cache(use.context))),
            ("working memory for a prompt", _megabytes(costs.reading(use.context))),
            ("working memory for an image", _megabytes(costs.seeing(use.tiles))),
            *((f"peak {moment}", _megabytes(size)) for moment, size in costs.moments(use, self.pixels).items()),
        ]
        order = ", one graph in memory at a time" if use.one_at_a_time else ""
        return "\n".join(
            [
                f"Within {_megabytes(self.budget)}: {self.form.name} ({self.form.folder}){order}.",
                f"Images of at most {use.tiles} tiles and {self.most_pixels // 10**6} megapixels; {use.context:,} tokens of context.",
                *(f"  {name.ljust(36)} {size:>10}" for name, size in rows),
                *_least_of_each(self.forms, taken=self.form),
            ]
        )


def plan_budget(folder: str | Path, budget: str | int, *, longest_edge: int | None = None, most_tiles: int | None = None) -> Plan:
    """The best form of a model that fits.

    Args:
        budget: such as `1GB`, `600MB`, `0.5GiB` or a number of bytes.
        longest_edge, most_tiles: limits of an image that are set by hand; see `SmVLMProcessor.limit_images`.

    Raises:
        BudgetError: none fits; with what each would take.
        ValueError: the folder holds no model, the budget is no size, or no grid of tiles can have a limit.
    """
    if most_tiles is not None:
        check_most_tiles(most_tiles)
    _check_layout(Path(folder))
    size, forms = parse_bytes(budget), forms_of(folder)
    finest = _tiles_of_largest_grid(Path(folder), longest_edge)
    for pixels in _PIXELS:
        for tiles in range(min(finest, most_tiles or finest), 0, -1):
            for form in forms:
                use = _longest_use(form, size, tiles, pixels)
                if form.folder is not None and use is not None:
                    return Plan(size, form, use, pixels, forms)
    raise BudgetError(_refusal(Path(folder), size, forms))


def parse_bytes(text: str | int) -> int:
    """`1GB` is 10**9 bytes, `1GiB` 2**30.

    Raises:
        ValueError: it is no size, or none above zero.
    """
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*([a-z]*)\s*", str(text), re.IGNORECASE)
    if found is None or found[2].upper() not in _UNITS or not float(found[1]):
        raise ValueError(f"a budget of {text!r} is no amount of memory; expected one such as 1GB, 600MB or 0.5GiB.")
    return round(float(found[1]) * _UNITS[found[2].upper()])


def _longest_use(form: Form, budget: int, tiles: int, pixels: int) -> Use | None:
    """With the longest context that fits into a budget; None where an image, a question and an answer would not."""
    for one_at_a_time in (False, True) if form.costs.text_can_leave else (False,):
        least, most = Use(tiles, _least_context(form, tiles), one_at_a_time), form.costs.shapes.max_positions

        def fits(context: int, use: Use = least) -> bool:
            return max(form.costs.moments(replace(use, context=context), pixels).values()) <= _given_away(budget)

        if least.context <= most and fits(least.context):
            return replace(least, context=_largest(fits, least.context, most))
    return None


def _largest(fits: Callable[[int], bool], least: int, most: int) -> int:
    """The largest whole number up to `most` that fits; `least` does."""
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if fits(middle) else (least, middle - 1)
    return least


def _least_context(form: Form, tiles: int) -> int:
    return tiles * (form.costs.shapes.tokens_per_tile + _MARKERS_OF_TILE) + LEAST_WORDS


def _least_peak(form: Form) -> int:
    use = Use(1, _least_context(form, 1), form.costs.text_can_leave)
    return max(form.costs.moments(use, _PIXELS[-1]).values())


def _given_away(budget: int) -> int:
    return round((1 - _SPARE) * budget)


def _check_layout(folder: Path) -> None:
    """Raise `ValueError` for a model whose memory nobody has worked out; what is no model is left for others to refuse."""
    layout = layout_of_type(object_in(folder / "config.json").get("model_type"))
    if layout is not None and not LAYOUT_KEYS[layout].has_budgets:
        raise ValueError(f"{folder} is of layout {layout}, for which no memory budget can be planned yet. Leave the budget out.")


def _tiles_of_largest_grid(folder: Path, longest_edge: int | None) -> int:
    path = folder / "preprocessor_config.json"
    settings = read_json(path)
    with reading(f"{path} does not say how images are cut"):
        finest, tile = (read_size(settings[key], "longest_edge", f"{path}: {key}") for key in ("size", "max_image_size"))
    if longest_edge is not None:
        check_longest_edge(longest_edge, tile)
    edge = (longest_edge or finest) // tile
    return edge * edge + 1 if edge > 1 else 1


def _refusal(folder: Path, budget: int, forms: Sequence[Form]) -> str:
    smallest = min(forms, key=_least_peak)
    needed = round(_least_peak(smallest) / (1 - _SPARE))
    first = (
        f"no form of {folder} that is here fits into {_megabytes(budget)}. {smallest.name} would need a budget of {_megabytes(needed)}, "
        f"with images of one tile and {_least_context(smallest, 1):,} tokens of context."
    )
    return "\n".join([first, *_least_of_each(forms, taken=None)])


def _least_of_each(forms: Sequence[Form], *, taken: Form | None) -> Iterator[str]:
    yield "  Least peak of each form, with images of one tile:"
    for form in forms:
        note = "   taken" if form is taken else "" if form.folder is not None else f"   not here: {form.command}"
        yield f"  {form.name.ljust(36)} {_megabytes(_least_peak(form)):>10}{note}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB"
