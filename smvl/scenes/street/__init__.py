"""What stands along a street: signs.py says what is written on them, boards.py how they look, view.py what is behind them."""
