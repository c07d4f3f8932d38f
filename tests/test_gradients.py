"""The gradient of a step does not depend on how its samples are dealt to processes, batches and accumulated steps."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.gradients import TWO_PROCESSES, Case, Step, take_step, write_inputs

ROOT = Path(__file__).parent.parent
TOLERANCE = 1e-5
"""Of the largest entry of a parameter's gradient."""
NOISE = 1e-7
"""Of the largest entry of the whole gradient: softmax gives a bias of the keys no gradient but rounding."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("gradients")
    write_inputs(folder)
    return folder


@pytest.fixture(scope="module")
def of_two_processes(folder) -> dict[str, Step]:
    return launch(folder)


@pytest.fixture(scope="module")
def of_two_shards(folder) -> dict[str, Step]:
    return launch(folder, "sharded")


def launch(folder: Path, *options: str) -> dict[str, Step]:
    """Take the step of every case in two processes."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "tests.gradients", str(folder), *options]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, *launcher], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    way = "sharded" if options else "whole"
    return {name: Step(*torch.load(folder / f"{way}-{number}.pt")) for number, name in enumerate(TWO_PROCESSES)}


@pytest.fixture(scope="module")
def alone(folder) -> dict[str, Step]:
    """The same steps in one process, which accumulates what two take at once."""
    cases = {name: replace(case, accumulation=len(case.packs) // case.batch_size) for name, case in TWO_PROCESSES.items()}
    return {name: take_step(case, folder) for name, case in cases.items()}


def check_same(found: Step, expected: Step) -> None:
    assert found.gradients.keys() == expected.gradients.keys()
    assert found.loss == pytest.approx(expected.loss, rel=1e-5)
    largest = max(gradient.abs().max() for gradient in expected.gradients.values())
    for name, gradient in expected.gradients.items():
        difference = (found.gradients[name] - gradient).abs().max()
        assert difference <= TOLERANCE * gradient.abs().max() + NOISE * largest, f"{name}: {difference} of {gradient.abs().max()}"


def kinds_with_gradient(step: Step) -> set[str]:
    """Which of the model's towers got a gradient that is not zero."""
    towers = ("vision_model", "connector", "text_model", "marker_rows")
    return {tower for tower in towers for name, gradient in step.gradients.items() if tower in name and gradient.any()}


@pytest.mark.parametrize("name", TWO_PROCESSES)
def test_two_processes_have_the_gradient_and_the_loss_of_one_on_the_same_samples(of_two_processes, alone, name):
    check_same(of_two_processes[name], alone[name])


@pytest.mark.parametrize("name", TWO_PROCESSES)
def test_so_do_two_processes_that_hold_a_part_of_each_weight(of_two_shards, alone, name):
    """FSDP2, as configs/accelerate/fsdp2.yaml asks for it."""
    check_same(of_two_shards[name], alone[name])


def test_text_alone_gives_the_tower_a_gradient_of_zero_and_images_one_that_is_not(of_two_processes):
    only_text = kinds_with_gradient(of_two_processes["both only text while the tower learns"])
    one_of_two = kinds_with_gradient(of_two_processes["one only text, the other only images"])
    assert only_text == {"text_model"}
    assert one_of_two == {"vision_model", "connector", "text_model", "marker_rows"}


def test_eight_batches_of_one_pack_have_the_gradient_and_the_loss_of_one_batch_of_eight(folder):
    packs = ["t", "iiti", "tt", "i", "ttttt", "it", "ii", "tit"]
    check_same(take_step(Case(packs, accumulation=8), folder), take_step(Case(packs, batch_size=8), folder))


def test_the_loss_is_weighted_by_supervised_tokens(folder):
    """A pack of five samples counts five times as much as one of a single one, not as much as it."""
    five, one = take_step(Case(["ttttt"]), folder), take_step(Case(["i"]), folder)
    both = take_step(Case(["ttttt", "i"], accumulation=2), folder)
    mean_of_packs = (five.loss + one.loss) / 2
    assert min(five.loss, one.loss) < both.loss < max(five.loss, one.loss)
    assert abs(both.loss - mean_of_packs) > 1e-3
