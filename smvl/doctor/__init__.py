"""The data doctor: looks at every row as training will, and says what it found and what to do about it.

A row's way: `targets` (which sources) -> `inspection` (in several processes: facts of a group of rows) -> `ledger` (a hundred-odd
bytes a row) -> `repeats` (duplicates and leakage) -> `findings` (advice) -> `report`.
"""
