"""Before a run: is everything there, is the folder free, is the data drawn. Answers come in seconds, before weights are loaded."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import transformers
from transformers.utils import is_datasets_available

from smvl.config import Config, SourceConfig
from smvl.demo_scenes.draw import write_demo_data
from smvl.model.donors import DonorError, check_donor_folder, check_not_quantized, read_projector
from smvl.program import is_disk_full
from smvl.source_registry import check_source, is_drawn, reads_from_hub, source_format
from smvl.strict_yaml import at_key, shorten, where_looked
from smvl.train.arguments import check_trainer_keys
from smvl.train.launch import check_launch
from smvl.train.parts import check_part_name
from smvl.train.processes import process_state
from smvl.train.progress import BarHandler
from smvl.train.run_folder import check_output_dir, claim_run_folder
from smvl.train.stage_checks import check_stages

logger = logging.getLogger(__name__)

WAYS_ON = (
    "Either run `bash download_resource.sh` to fetch the weights and data of train.yaml, "
    "or run `python train.py configs/demo.yaml`, which needs neither."
)

_A_CHECKPOINT = "Expected a folder that train.py wrote, such as output/demo."


@contextmanager
def prepare(config: Config, *, resume: bool, recipe: str | Path | None = None) -> Iterator[Path]:
    """Check, claim the run folder, draw the data that the configuration asks to draw, and look at every stage.

    The folder is this run's until the end.

    Args:
        recipe: the YAML file of the configuration, for messages.

    Raises:
        ValueError: weights or data are missing, a `trainer` key is unknown, the run folder is in use, or a stage cannot be trained.
    """
    prepare_checks(config, recipe=recipe)
    state = process_state()
    with claim_run_folder(config, resume=resume) if state.is_main_process else nullcontext(Path(config.output_dir)) as folder:
        if state.is_main_process:
            draw_scenes(config)
        state.wait_for_everyone()
        check_stages(config, folder)
        yield folder


def prepare_checks(config: Config, *, recipe: str | Path | None = None) -> None:
    """All that `prepare` checks, for a run that shall leave nothing behind.

    Raises:
        ValueError: weights or data are missing, or a `trainer` key is unknown.
    """
    quieten()
    check_launch(config)
    check_output_dir(config)
    check_trainer_keys(config)
    for number, stage in enumerate(config.stages):
        for part in stage.parts:
            with at_key(f"stages.{number}.{'train' if part in stage.train else 'unfreeze'}"):
                check_part_name(part)
    check_resources(config, recipe)
    logging.getLogger("smvl").setLevel(logging.INFO if process_state().is_main_process else logging.ERROR)


def check_resources(config: Config, recipe: str | Path | None = None) -> None:
    """Raise `ValueError` unless both donors, or the checkpoint, and all data are there; it names the folder and the ways on."""
    model = config.model
    donors = {"vision": model.vision, "text": model.text} if model.checkpoint is None else {"checkpoint": model.checkpoint}
    for key, folder in donors.items():
        with at_key(f"model.{key}"):
            try:
                check_donor_folder(folder)
            except DonorError as error:
                raise DonorError(f"{error} {WAYS_ON if key != 'checkpoint' else _A_CHECKPOINT}{_if_missing(folder, recipe)}") from None
            if key == "checkpoint":  # donors are asked when their configuration is read
                check_not_quantized(folder)
    if config.model.projector_from is not None:
        with at_key("model.projector_from"):
            read_projector(config.model.projector_from)
    drawn = Path(config.data.scenes.folder) if config.data.scenes else None
    for key, source in _sources(config):
        with at_key(key):
            _check_source(source, drawn, recipe)


def _sources(config: Config) -> Iterator[tuple[str, SourceConfig]]:
    """Every source of a run, with the key that it stands at."""
    for number, stage in enumerate(config.stages):
        yield from ((f"stages.{number}.mixture.{index}", source) for index, source in enumerate(stage.mixture))
    if config.evaluation.heldout is not None:
        yield "evaluation.heldout", config.evaluation.heldout


def _check_source(source: SourceConfig, drawn: Path | None, recipe: str | Path | None) -> None:
    path = Path(source.path)
    if drawn is not None and drawn in path.parents:
        source_format(source.source)
    elif is_drawn(source) or reads_from_hub(source) or path.exists():
        try:
            check_source(source)
        except ValueError as error:
            raise ValueError(f"{error}{_if_missing(source.path, recipe)}") from error
    else:
        raise ValueError(f"there is no data in {path}. {WAYS_ON}{_if_missing(source.path, recipe)}")


def _if_missing(path: str, recipe: str | Path | None) -> str:
    return "" if Path(path).exists() else where_looked(path, recipe)


def draw_scenes(config: Config) -> None:
    """Draw the data of `data.scenes`, if any; nothing to do when it was drawn before."""
    if scenes := config.data.scenes:
        logger.info("Drawing pictures with questions and answers into %s.", scenes.folder)
        with _writing("data.scenes.folder", scenes.folder):
            write_demo_data(
                Path(scenes.folder),
                seed=config.seed,
                num_align=scenes.num_align,
                num_finetune=scenes.num_finetune,
                num_heldout=scenes.num_heldout,
            )


@contextmanager
def _writing(key: str, folder: str) -> Iterator[None]:
    """Within, a folder is made; what the disk has against it is told with its key. A full disk is told as everywhere."""
    try:
        yield
    except OSError as error:
        if is_disk_full(error):
            raise
        raise ValueError(f"{key}: {shorten(folder)} cannot be written ({error.strerror or error}). Give another folder.") from error


def quieten() -> None:
    """Leave the screen to the run's own bar and messages."""
    logging.basicConfig(format="%(message)s", handlers=[BarHandler()])
    if is_datasets_available():  # then transformers' Trainer has loaded it; without it, tables cannot be read, and JSON Lines can
        import datasets

        datasets.disable_progress_bars()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    warnings.filterwarnings("ignore", module="torch.utils.data")
