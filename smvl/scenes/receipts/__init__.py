"""Receipts: what stands on them, how they look, what is asked about them."""
