"""A model with tools: Python functions and those of MCP servers; and the model as an MCP server itself.

from smvl.agent import Agent, read_only
agent = Agent(smvl.load("output/demo"), tools=[read_only(look_up_price)])
print(agent.run("图中的商品现在卖多少钱?", images=["tag.jpg"]))
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from smvl.agent.agent import Agent
    from smvl.agent.functions import read_only
    from smvl.agent.outcome import Outcome

__all__ = ["Agent", "Outcome", "read_only"]

_MODULES = {"Agent": "smvl.agent.agent", "Outcome": "smvl.agent.outcome", "read_only": "smvl.agent.functions"}


def __getattr__(name: str):
    # The commands of this room set the environment before transformers is imported, so that nothing may import it here.
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
