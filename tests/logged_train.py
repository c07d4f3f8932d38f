"""train.py, with a note of which packs each process trained on at which step, and an end at any step.

    SMVL_TEST_LOG=FOLDER SMVL_TEST_STOP=5 python -m torch.distributed.run --nproc_per_node 2 -m tests.logged_train run.yaml

SMVL_TEST_SLOW=2 lets all processes but the first wait two seconds before they read a checkpoint.
"""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from transformers import Trainer

import train
from smvl.packing.collator import SAMPLE_IDS
from smvl.train import run

_load_learning = run.load_learning
_get_batch_samples = Trainer.get_batch_samples


def note_batches(trainer: Trainer, *arguments: Any) -> tuple[list, Any]:
    """As Trainer's; writes a line of step, process and sample ids for each batch, or ends the process."""
    step = trainer.state.global_step
    if step == int(os.environ.get("SMVL_TEST_STOP", -1)):
        os._exit(1)
    batches, num_items = _get_batch_samples(trainer, *arguments)
    process = trainer.args.process_index
    with Path(os.environ["SMVL_TEST_LOG"], f"{process}.jsonl").open("a", encoding="utf-8") as log:
        for number, batch in enumerate(batches):
            log.write(json.dumps({"step": step, "number": number, "process": process, "ids": batch[SAMPLE_IDS]}) + "\n")
    return batches, num_items


def load_slowly(*arguments: Any) -> None:
    if os.environ.get("RANK", "0") != "0":
        time.sleep(float(os.environ.get("SMVL_TEST_SLOW", 0)))
    _load_learning(*arguments)


if __name__ == "__main__":
    run.load_learning = load_slowly
    Trainer.get_batch_samples = note_batches
    sys.exit(train.main())
