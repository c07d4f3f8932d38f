"""Saying that what is asked for is not in the picture."""

from smvl.scenes.scene import REFUSAL, Question

_PLACES = (
    "价签上", "标签上", "货架上", "小票上", "单据上", "发票上", "收据上", "账单上", "合同里", "合同中", "表格里", "表格中", "表里", "表中",
    "图里", "图上", "图片里", "图片中", "照片里",
)  # fmt: skip


def refuse(question: str, missing: str) -> Question:
    """The refusal names the place in the question's own word, so that the wording varies and yet follows from the question."""
    place = next((place for place in _PLACES if place in question), "图中")
    return Question(REFUSAL, question, f"{place}没有{missing}。")
