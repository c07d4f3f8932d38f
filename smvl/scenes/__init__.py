"""Drawn Chinese documents with exact ground truth.

kinds/*.py  draw one kind of picture from contents, and ask about it      (scene.py says what a kind is)
contents.py which texts belong to train, validation and test
page.py     text and lines on a picture, with every drawn text written down
fonts.py    which Chinese fonts there are
"""
