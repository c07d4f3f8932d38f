"""Tests run offline, on one thread each: small models lose more to threads that wait for each other than they gain."""

import os
import signal

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import pytest
import torch

torch.set_num_threads(1)
signal.signal(signal.SIGINT, signal.default_int_handler)  # where the tests run in the background, or under nohup, signals are ignored,
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # and a run that is started so rightly ignores them too


@pytest.fixture(scope="session", params=["smolvlm", "qwen3_vl"])
def layout(request) -> str:
    """The layouts in turn, for claims that hold in all of them."""
    return request.param
