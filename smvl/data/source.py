"""What training asks of a source."""

from typing import Protocol

from smvl.data.sample import Sample


class Source(Protocol):
    """Rows that can be read in any order, in any process."""

    name: str

    def __len__(self) -> int: ...

    def __getitem__(self, row: int) -> Sample:
        """The sample of a row; raises `SampleError` when the row breaks a rule."""
        ...
