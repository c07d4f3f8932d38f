"""Nano's geometry, chosen by measurement (README.md)."""

TILE, PATCH = 512, 16
"""Pixels of a side, SmolVLM2's own. A picture is one tile, so that no character is cut in two. With 32 patches a side every engine finds
the same positions in every floating point type (smvl/model/position_table.py); with 40, two rows of patches would share theirs."""
SIDE = TILE // PATCH
MERGED = 2
"""Patches of a token's side, as pixel shuffle takes them together."""
TOKENS = (SIDE // MERGED) ** 2
SLOTS = 3
"""Characters that a patch names, from left to right. Of the digits on receipts 3.7% are a third one in their patch, 0.2% a fourth."""
PIECE = 256
"""Pixels of a side of the pieces of a tile that a tower begins with."""
