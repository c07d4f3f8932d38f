"""Contracts: what is agreed in them, how a page of one looks, what is asked about it."""
