"""Advertisements: offers.py says what is offered, posters.py how it looks."""
