"""What a command's process needs to know before torch and transformers are imported."""

import os


def set_environment() -> None:
    """Threads that leave the cores to those that work, where the user has not said otherwise."""
    if "OMP_WAIT_POLICY" not in os.environ:  # threads that spin long while they wait take the cores from those that work
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # worker processes are the parallelism
