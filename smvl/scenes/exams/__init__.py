"""Exam questions: families of them by subject, latex.py and typesetter.py for formulas, flow.py for text with them, sheet.py for pages."""
