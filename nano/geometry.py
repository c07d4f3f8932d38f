"""Nano's geometry, chosen by measurement (README.md)."""

TILE, PATCH = 640, 16
"""Pixels of a side. A picture is one tile: nothing is cut in two, and the characters of a document are 15 to 40 pixels high."""
SIDE = TILE // PATCH
MERGED = 2
"""Patches of a token's side, as pixel shuffle takes them together."""
TOKENS = (SIDE // MERGED) ** 2
SLOTS = 2
"""Characters that a patch names, from left to right: two digits fit into one."""
PIECE = 256
"""Pixels of a side of the pieces of a tile that a tower begins with."""
IGNORED_PATCH = -100
"""Label of a patch that counts nothing, as torch's cross-entropy has it."""
