"""The many ways to ask for one thing."""

from collections.abc import Sequence

from smvl.scenes.contents import Contents
from smvl.scenes.markdown import markdown_table
from smvl.scenes.scene import MARKDOWN, Question

_TABLE = """
把{subject}整理成Markdown表格，列为：{columns}。
用Markdown表格列出{subject}，表头是{columns}。
请输出{subject}的Markdown表格（{columns}）。
将{subject}写成Markdown表格，各列依次是{columns}。
我要一张{subject}的Markdown表格，列名：{columns}。
{subject}做成Markdown表，包含{columns}这几列。
抄录{subject}，用Markdown表格，表头依次为{columns}。
按{columns}几列，把{subject}填进Markdown表格。
""".split()


def phrase(contents: Contents, phrasings: Sequence[str], **words: str) -> str:
    """One of the phrasings, its {names} filled in."""
    return contents.random.choice(phrasings).format(**words)


def ask_markdown(contents: Contents, subject: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> Question:
    """A question for a Markdown table with exactly these columns in this order."""
    return Question(MARKDOWN, phrase(contents, _TABLE, subject=subject, columns="、".join(header)), markdown_table(header, rows))
