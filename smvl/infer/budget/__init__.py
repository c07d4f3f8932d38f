"""The memory contract: what each form of a model takes, and which fits into a budget."""
