"""Before a run: is everything there, is the folder free, is the data drawn. Answers come in seconds, before anything heavy loads."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import transformers
from transformers.utils import is_datasets_available

from smvl.config import Config
from smvl.data.demo_scenes.draw import write_demo_data
from smvl.data.registry import check_source, reads_from_hub, source_format
from smvl.model.donors import DonorError, check_donor_folder
from smvl.train.arguments import check_trainer_keys
from smvl.train.parts import check_part_name
from smvl.train.processes import check_launch, process_state
from smvl.train.progress import BarHandler
from smvl.train.run_folder import check_output_dir, claim_run_folder

logger = logging.getLogger(__name__)

WAYS_ON = (
    "Either run `bash download_resource.sh` to fetch the weights and data of train.yaml, "
    "or run `python train.py configs/demo.yaml`, which needs neither."
)


@contextmanager
def prepare(config: Config, *, resume: bool) -> Iterator[Path]:
    """Check, claim the run folder, and draw the data that the configuration asks to draw. The folder is this run's until the end.

    Raises:
        ValueError: weights or data are missing, a `trainer` key is unknown, or the run folder is in use.
    """
    prepare_checks(config)
    state = process_state()
    with claim_run_folder(config, resume=resume) if state.is_main_process else nullcontext(Path(config.output_dir)) as folder:
        if state.is_main_process:
            draw_scenes(config)
        state.wait_for_everyone()
        yield folder


def prepare_checks(config: Config) -> None:
    """All that `prepare` checks, for a run that shall leave nothing behind.

    Raises:
        ValueError: weights or data are missing, or a `trainer` key is unknown.
    """
    quieten()
    check_launch(config)
    check_output_dir(config)
    check_trainer_keys(config)
    for stage in config.stages:
        for part in stage.parts:
            check_part_name(part)
    check_resources(config)
    logging.getLogger("smvl").setLevel(logging.INFO if process_state().is_main_process else logging.ERROR)


def check_resources(config: Config) -> None:
    """Raise `ValueError` unless both donors and all data are there; it names the folder and the ways on."""
    for key, donor in (("vision", config.model.vision), ("text", config.model.text)):
        try:
            check_donor_folder(donor)
        except DonorError as error:
            raise DonorError(f"model.{key}: {error} {WAYS_ON}") from None
    drawn = Path(config.data.scenes.folder) if config.data.scenes else None
    heldout = [config.evaluation.heldout] if config.evaluation.heldout else []
    for source in [*(source for stage in config.stages for source in stage.mixture), *heldout]:
        path = Path(source.path)
        if drawn is not None and drawn in path.parents:
            source_format(source.source)
        elif reads_from_hub(source) or path.exists():
            check_source(source)
        else:
            raise ValueError(f"there is no data in {path}. {WAYS_ON}")


def draw_scenes(config: Config) -> None:
    """Draw the data of `data.scenes`, if any; nothing to do when it was drawn before."""
    if scenes := config.data.scenes:
        logger.info("Drawing pictures with questions and answers into %s.", scenes.folder)
        write_demo_data(
            Path(scenes.folder),
            seed=config.seed,
            num_align=scenes.num_align,
            num_finetune=scenes.num_finetune,
            num_heldout=scenes.num_heldout,
        )


def quieten() -> None:
    """Leave the screen to the run's own bar and messages."""
    logging.basicConfig(format="%(message)s", handlers=[BarHandler()])
    if is_datasets_available():  # then transformers' Trainer has loaded it; without it, tables cannot be read, and JSON Lines can
        import datasets

        datasets.disable_progress_bars()
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    warnings.filterwarnings("ignore", module="torch.utils.data")
