"""What is changed in the pictures and the Chinese text of samples before a model sees them."""
