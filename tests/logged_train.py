"""train.py, with a note of which packs each process trained on at which step, and an end at any step.

    SMVL_TEST_LOG=FOLDER SMVL_TEST_STOP=5 python -m torch.distributed.run --nproc_per_node 2 -m tests.logged_train run.yaml
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from transformers import Trainer

import train
from smvl.data.collator import SAMPLE_IDS

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


if __name__ == "__main__":
    Trainer.get_batch_samples = note_batches
    sys.exit(train.main())
