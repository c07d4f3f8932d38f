"""Works of calligraphy: works.py says what is written, hanging.py how each form looks."""
