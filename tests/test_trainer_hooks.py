"""Trainer's hooks that no release promises: the installed one still has them, with their arguments, and calls them in their order."""

import inspect
import re

import pytest
from transformers import Trainer

from smvl.train.trainer import LEANS_ON, SmVLMTrainer

SOURCE = inspect.getsource(Trainer)


def overridden() -> set[str]:
    return {name for name in vars(SmVLMTrainer) if name in vars(Trainer) and name.startswith("_") and not name.startswith("__")}


def test_every_private_hook_that_is_overridden_is_named():
    assert overridden() <= LEANS_ON.keys() <= vars(Trainer).keys() and LEANS_ON.keys() <= vars(SmVLMTrainer).keys()


@pytest.mark.parametrize("name", LEANS_ON)
def test_a_hook_is_there_takes_the_same_and_is_called(name):
    theirs, ours = (list(inspect.signature(vars(kind)[name]).parameters.values()) for kind in (Trainer, SmVLMTrainer))
    assert [parameter.name for parameter in ours[: len(theirs)]] == [parameter.name for parameter in theirs]
    assert all(parameter.default is not parameter.empty for parameter in ours[len(theirs) :])
    assert re.search(rf"self\.{name}\b", SOURCE)


def test_gradients_are_clipped_then_measured_then_applied():
    loop = next(
        inspect.getsource(method)
        for method in vars(Trainer).values()
        if inspect.isfunction(method) and "self._clip_grad_norm(model)" in inspect.getsource(method)
    )
    places = [
        loop.index(call)
        for call in (
            "self.get_batch_samples(",
            "self.training_step(",
            "self._clip_grad_norm(",
            "self._get_grad_norm(",
            "self.optimizer.step()",
        )
    ]
    assert places == sorted(places)


def test_the_random_state_is_loaded_before_a_resumed_step():
    assert SOURCE.count("self._load_rng_state(resume_from_checkpoint)") >= 1


def test_a_state_is_saved_through_the_hook_that_is_overridden():
    assert re.search(r"def _maybe_log_save_evaluate\(.*?self\._save_checkpoint\(", SOURCE, flags=re.DOTALL)
