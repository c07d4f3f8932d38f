"""Tensors that are spread over processes (torch's DTensor, which FSDP2 makes of parameters)."""

from collections.abc import Sequence

import torch
from torch.distributed.tensor import DTensor, distribute_tensor


def full_tensor(tensor: torch.Tensor) -> torch.Tensor:
    """The whole of a tensor that is spread over processes, all of which must ask for it; any other as it is."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


@torch.no_grad()
def set_rows(table: torch.Tensor, numbers: torch.Tensor | Sequence[int], rows: torch.Tensor) -> None:
    """`table[numbers] = rows`, where each process may hold only some rows of the table; `rows` are whole."""
    numbers = torch.as_tensor(numbers, device=table.device)
    if not isinstance(table, DTensor):
        table[numbers] = rows.to(table.dtype)
        return
    every = torch.arange(len(table), device=table.device)
    here = distribute_tensor(every, table.device_mesh, table.placements).to_local()  # the numbers of the rows that are held here
    places, chosen = (here.unsqueeze(1) == numbers).nonzero(as_tuple=True)
    table.to_local()[places] = rows[chosen].to(table.dtype)
