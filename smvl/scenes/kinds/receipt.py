"""Receipts: of shops, restaurants, drinks shops and taxis, payment screens of telephones, invoices, and receipts written by hand."""

from smvl.scenes.contents import Contents
from smvl.scenes.receipts import handwritten, invoice, strip_words
from smvl.scenes.receipts.comparison import compare
from smvl.scenes.receipts.questions import QUESTIONS
from smvl.scenes.receipts.strip_page import paint_strip, room_of
from smvl.scenes.receipts.strips import STRIPS
from smvl.scenes.scene import Drawing, Kind

_FORM_SHARE = 0.25


def draw(contents: Contents, longest_edge: int) -> Drawing:
    if contents.random.random() < _FORM_SHARE:
        make_form = contents.random.choice((invoice.draw_invoice, handwritten.draw_handwritten))
        receipt, page = make_form(contents, longest_edge)
        return Drawing(page.image, receipt, tuple(page.texts), tuple(page.marks))
    make_strip = contents.random.choice(STRIPS)
    receipt, lines = make_strip(contents, room_of(longest_edge))
    page = paint_strip(contents, longest_edge, receipt["sort"], lines)
    return Drawing(page.image, receipt | {"lines": [line.text for line in lines if line.cells]}, tuple(page.texts), tuple(page.marks))


KIND = Kind(
    name="receipt", draw=draw, questions=QUESTIONS, compare=compare, labels=strip_words.LABELS | invoice.LABELS | handwritten.LABELS
)
