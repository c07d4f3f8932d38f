"""A plant's instruments: readings.py says what they show, face.py and its neighbours how they look, panel.py where they hang."""
