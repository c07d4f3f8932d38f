"""Tables: what stands in them, how they look, what is asked about them."""
