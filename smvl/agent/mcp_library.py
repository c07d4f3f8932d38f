"""The package of the Model Context Protocol, which nothing but servers and their tools needs."""

from types import ModuleType


def load_mcp() -> ModuleType:
    """The package.

    Raises:
        ValueError: it is not installed, or is an older one.
    """
    try:
        import mcp
        from mcp.server import MCPServer  # noqa: F401  (there since version 2)
    except ImportError as error:
        raise ValueError(
            f'tools of MCP servers need the package mcp, version 2 ({error}). Install it: pip install "mcp>=2.3,<3", or pip install -r '
            "requirements-agent.txt"
        ) from error
    return mcp
