"""Statistical charts: chart.py says what one shows, frame.py, axes.py and marks.py draw it."""
