"""What an answer points at, drawn on its picture."""
