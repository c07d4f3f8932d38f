"""From rows to batches: mixtures, orders, costs, plans, packs."""
