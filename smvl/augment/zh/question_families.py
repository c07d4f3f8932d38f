"""Kinds of questions that are asked in several ways: how each is recognised, and the ways to say it.

A slot in braces is carried over letter by letter. `{x}` and other lower-case names hold what is asked about and may contain no question
word; `{WHAT}` and other upper-case names hold the question words themselves. In the patterns a bare `~` stands for the text of a slot.
"""

import re
from dataclasses import dataclass

_TEXT = r"[^，。？！；：?!\n]{1,30}?"
_IMAGE = "(?:这|该|此|本)?[张幅个]?(?:图片|图像|照片|画面|图画|图)"
_UNIT = "[个只张本辆条位名台棵朵块件支把座栋瓶盒杯碗双头匹间扇盏颗粒根片串袋包箱]"
_ADJECTIVE = "高|低|大|小|多|少|长|短|重|轻|快|慢|贵|便宜|早|晚|远|近|好|差|强|弱|宽|窄|深|浅|新|旧|厚|薄"
_FORMAT = r"\s?(?P<format>JSON|Markdown|LaTeX|CSV|YAML)\s?的?(?P<form>表格|格式|形式|)"
_LEAD = "(?:请问一下|请问|请你告诉我|请告诉我|你能告诉我|告诉我|请回答一下|请回答|请你说出|请说出|想知道)?"
_PLACE = r"(?P<place>[^，。？！；：?!\n]{0,29}?[中里上内下面边旁前后])"


@dataclass(frozen=True)
class Family:
    """One kind of question."""

    name: str
    patterns: tuple[re.Pattern[str], ...]
    """What a whole clause must match, without its last mark."""
    templates: tuple[str, ...]
    """Ways to say it; one is usable where it uses every slot that holds something."""


def _family(name: str, patterns: str, templates: str) -> Family:
    compiled = []
    for pattern in patterns.split("\n"):
        if pattern.strip():
            named = re.sub(r"\{(\w+)\}", rf"(?P<\1>{_TEXT})", pattern.strip().replace("~", _TEXT))
            compiled.append(re.compile(_LEAD + named))
    return Family(name, tuple(compiled), tuple(templates.split()))


FAMILIES = (
    _family(
        "describe",
        rf"""
        (?:请你|请|帮我)?(?P<how>详细|简单|简要|简短|仔细|具体)?地?(?:描述|介绍|说明|叙述)(?:一下)?(?P<image>{_IMAGE})(?:中|里|上)?的?(?:内容|画面|场景|情景)?
        (?P<image>{_IMAGE})(?:中|里|上)?(?:展示|描绘|显示|呈现)了(?:什么|什么内容|些什么)
        (?P<image>{_IMAGE})的内容是什么
        """,
        "请{how}描述{image}的内容。 请{how}描述一下{image}。 请{how}说明{image}的内容。 请{how}介绍一下{image}的内容。 "
        "{image}展示了什么？ {image}的内容是什么？ {image}里展示了什么内容？",
    ),
    _family(
        "read",
        """
        {place}(?P<verb>写|印|标|刻)(?:着|的是|了|着的是)(?:些)?(?:什么|什么字|哪些字|什么内容|什么文字|哪些文字)
        """,
        "{place}{verb}着什么？ {place}{verb}的是什么？ {place}{verb}了什么？ 请问{place}{verb}着什么？ 请读出{place}{verb}的文字。 "
        "请说出{place}{verb}着什么。 {place}{verb}着什么文字？ 请念出{place}{verb}的内容。",
    ),
    _family(
        "read text",
        """
        (?:请你|请|帮我)?(?:读出|识别|念出|认出|转写|抄写|写出|读一下|识别一下|提取)(?:一下)?{place}的(?P<all>所有|全部|)(?P<word>文字内容|文字|汉字|字)
        (?:请)?(?:把|将){place}的(?P<all>所有|全部|)(?P<word>文字内容|文字|汉字|字)(?:读|念|写|认|识别)出来
        {place}的(?P<word>文字内容|文字|汉字|字)是什么
        """,
        "请读出{place}的{all}{word}。 请识别{place}的{all}{word}。 请把{place}的{all}{word}读出来。 请将{place}的{all}{word}写出来。 "
        "请写出{place}的{all}{word}。 {place}的{all}{word}是什么？ 读一下{place}的{all}{word}。",
    ),
    _family(
        "count",
        rf"""
        (?:请数一数|请数出|数一数|请数一下)?，?(?P<place>(?:{_TEXT})?)(?:一共|总共|共)?有(?P<MANY>多少|几)(?P<unit>{_UNIT}|)(?P<thing>(?![种行列层页家钱岁度次天年月]){_TEXT})
        """,
        "{place}有{MANY}{unit}{thing}？ {place}一共有{MANY}{unit}{thing}？ {place}总共有{MANY}{unit}{thing}？ "
        "请问{place}有{MANY}{unit}{thing}？ "
        "请数一数{place}有{MANY}{unit}{thing}。 数一数{place}有{MANY}{unit}{thing}。 请数出{place}共有{MANY}{unit}{thing}。",
    ),
    _family(
        "compare",
        """
        (?:请比较一下|请比较|比较一下|比较)?{a}(?P<and>和|与|跟){b}(?:相比|之中|中|这两个)?，?(?P<WHICH>哪一个|哪个|哪种|哪家|谁)(?P<adjective>更~|比较~)
        """,
        "{a}{and}{b}，{WHICH}{adjective}？ {a}{and}{b}相比，{WHICH}{adjective}？ 比较一下{a}{and}{b}，{WHICH}{adjective}？ "
        "请比较{a}{and}{b}，{WHICH}{adjective}？ {a}{and}{b}之中，{WHICH}{adjective}？",
    ),
    _family(
        "most",
        rf"""
        (?P<WHICH>哪一?[个家种位]|哪)(?P<thing>[^，。？！；：?!\n的]{{1,6}})的(?P<what>[^，。？！；：?!\n的]{{1,8}})最(?P<adjective>{_ADJECTIVE})
        (?P<what>[^，。？！；：?!\n的]{{1,8}})最(?P<adjective>{_ADJECTIVE})的是(?P<WHICH>哪一?[个家种位]|哪)(?P<thing>[^，。？！；：?!\n的]{{1,6}})
        """,
        "{WHICH}{thing}的{what}最{adjective}？ {what}最{adjective}的是{WHICH}{thing}？ 请问{WHICH}{thing}的{what}最{adjective}？ "
        "请指出{what}最{adjective}的是{WHICH}{thing}。 请说出{WHICH}{thing}的{what}最{adjective}。",
    ),
    _family(
        "price",
        r"""
        (?P<x>(?!.*(?:一共|总共|合计|应付|花|付|消费|共计)){t})(?:卖|要)?多少钱
        (?P<x>(?!.*(?:一共|总共|合计|应付|花|付|消费|共计)){t})的价格(?:是|为)多少
        """.replace("{t}", _TEXT),
        "{x}多少钱？ {x}卖多少钱？ {x}的价格是多少？ 请问{x}多少钱？ 请问{x}的价格是多少？ 请说出{x}的价格。 {x}要多少钱？",
    ),
    _family(
        "colour",
        """
        {x}(?:是|为)(?:什么|哪种|何种)颜色的?
        {x}的颜色(?:是|为)(?:什么|哪种)
        """,
        "{x}是什么颜色？ {x}是什么颜色的？ {x}的颜色是什么？ {x}是哪种颜色？ 请问{x}是什么颜色？ 请说出{x}的颜色。",
    ),
    _family(
        "where",
        """
        {x}(?:在|位于)(?P<in>图中的|图中|图片中的|图片中|画面中|图片里|图里|照片中|图像中|图片的|画面的|图的)(?:哪里|哪儿|什么地方|什么位置|哪个位置|哪个地方|何处)
        """,
        "{x}在{in}什么位置？ {x}位于{in}什么位置？ {x}在{in}哪个位置？ 请指出{x}在{in}什么位置。 请问{x}在{in}哪里？ {x}在{in}哪里？",
    ),
    _family(
        "whereabouts",
        "{x}(?:在|位于)(?:哪里|哪儿|什么地方|何处)",
        "{x}在哪里？ {x}在什么地方？ {x}位于哪里？ 请问{x}在哪里？ 请问{x}在什么地方？",
    ),
    _family(
        "contents",
        rf"{_PLACE}(?:都)?有(?:些)?(?:什么|哪些)(?:东西|物品|物体)?",
        "{place}有什么？ {place}有哪些东西？ {place}都有什么？ {place}有些什么？ 请说出{place}有什么。 请问{place}有什么？",
    ),
    _family(
        "kinds",
        rf"{_PLACE}(?:都)?有哪些{{thing}}",
        "{place}有哪些{thing}？ {place}都有哪些{thing}？ 请列出{place}有哪些{thing}。 请说出{place}有哪些{thing}。 "
        "请问{place}有哪些{thing}？",
    ),
    _family(
        "exists",
        """
        (?P<place>~[中里上内下面])(?:有没有|是否有|是不是有){thing}
        (?P<place>~[中里上内下面])有{thing}吗
        """,
        "{place}有没有{thing}？ {place}是否有{thing}？ {place}有{thing}吗？ 请问{place}有没有{thing}？ 请问{place}是否有{thing}？",
    ),
    _family(
        "doing",
        "{who}(?:正在|在)(?:做|干)什么(?:事情|事)?",
        "{who}在做什么？ {who}正在做什么？ {who}在干什么？ {who}正在干什么？ 请问{who}在做什么？ 请说出{who}正在做什么。",
    ),
    _family(
        "extract",
        rf"""
        (?:请你|请|帮我)?(?P<verb>提取|抽取|识别|读取|整理|列出){{x}}，?(?:并|然后)?(?:以|用|按照|按){_FORMAT}(?:输出|返回|给出|回答|表示)
        """,
        "请{verb}{x}，以{format}{form}输出。 请{verb}{x}，并用{format}{form}返回。 {verb}{x}，结果以{format}{form}给出。 "
        "请{verb}{x}，用{format}{form}表示。 请你{verb}{x}，并以{format}{form}输出。",
    ),
    _family(
        "render",
        rf"""
        (?:请你|请|帮我)?(?:以|用|按照|按){_FORMAT}(?:输出|返回|给出|写出|表示){{x}}
        (?:请)?(?:把|将){{x}}(?:以|用|按照|按|转成|转换成|转为|整理成|写成){_FORMAT}(?:输出|返回|给出|写出|表示)?
        """,
        "请用{format}{form}输出{x}。 请以{format}{form}给出{x}。 请把{x}以{format}{form}输出。 请将{x}用{format}{form}写出。 "
        "用{format}{form}表示{x}。",
    ),
    _family(
        "meaning",
        """
        {x}(?:是|有)什么意思
        {x}的(?:意思|含义)是什么
        """,
        "{x}是什么意思？ {x}的意思是什么？ {x}的含义是什么？ 请解释{x}的意思。 请问{x}是什么意思？ 请说明{x}的含义。",
    ),
    _family(
        "definition",
        "什么是{x}",
        "什么是{x}？ {x}是什么？ 请解释什么是{x}。 请解释一下{x}。 请问什么是{x}？ 请说明什么是{x}。",
    ),
    _family(
        "amount",
        r"(?P<x>~的[^，。？！；：?!\n的]{1,15})(?:是|为)多少",
        "{x}是多少？ {x}为多少？ 请问{x}是多少？ 请说出{x}是多少。 请告诉我{x}是多少。 请给出{x}。",
    ),
    _family(
        "field",
        r"(?P<x>~的[^，。？！；：?!\n的]{1,15}|(?![这那它他她你我图])[^，。？！；：?!\n]{3,12})是(?P<WHAT>什么|多少)",
        "{x}是{WHAT}？ 请问{x}是{WHAT}？ 请说出{x}是{WHAT}。 请告诉我{x}是{WHAT}。 请回答{x}是{WHAT}。",
    ),
    _family(
        "which",
        "(?P<x>~的[^，。？！；：?!\\n的]{1,15}|~时间|~日期)是(?P<WHAT>谁|什么时候|哪一天|哪天|哪一年|哪里|几号|几点|哪个)",
        "{x}是{WHAT}？ 请问{x}是{WHAT}？ 请说出{x}是{WHAT}。 请告诉我{x}是{WHAT}。 请回答{x}是{WHAT}。",
    ),
    _family(
        "difference",
        """
        {a}(?P<and>和|与){b}(?:之间)?有(?:什么|哪些|何)(?P<word>区别|不同|差别|差异)
        {a}(?P<and>和|与){b}(?:之间)?的(?P<word>区别|差别|差异)(?:是什么|在哪里|有哪些)
        """,
        "{a}{and}{b}有什么{word}？ {a}{and}{b}之间有什么{word}？ {a}{and}{b}有哪些{word}？ 请说明{a}{and}{b}有什么{word}。 "
        "请问{a}{and}{b}有什么{word}？",
    ),
    _family(
        "contrast",
        "{x}有(?:什么|哪些)(?P<word>区别|不同之处|相同之处|共同点|不同|差别|差异)",
        "{x}有什么{word}？ {x}有哪些{word}？ 请说明{x}有什么{word}。 请说出{x}有哪些{word}。 请问{x}有什么{word}？",
    ),
    _family(
        "why",
        "(?P<x>(?:~)?)(?:为什么|为何){y}",
        "{x}为什么{y}？ {x}为何{y}？ 请解释{x}为什么{y}。 请说明{x}为什么{y}。 请问{x}为什么{y}？",
    ),
    _family(
        "how",
        """
        (?P<who>我们应该|我应该|我们该|我该|我们|我|应该|)(?:如何|怎样)(?P<do>(?!才).{1,30})
        (?P<who>)怎么(?P<do>(?!样|办|会|能|没|不|了|才|还|这|那).{1,30}(?<![了呢啊的]))
        """,
        "{who}如何{do}？ {who}怎样{do}？ {who}怎么{do}？ 请问{who}如何{do}？ 请说明{who}如何{do}。 请问{who}怎样{do}？",
    ),
    _family(
        "introduce",
        "(?:请你|请|帮我)?(?P<how>简单|简要|详细|)地?(?:介绍一下|介绍下|介绍|讲讲|说说|谈谈|讲一讲|说一说|讲解一下){x}",
        "请{how}介绍一下{x}。 请{how}介绍{x}。 请{how}讲讲{x}。 请{how}说说{x}。 请你{how}介绍一下{x}。",
    ),
    _family(
        "write",
        "(?:请你帮我|请帮我|请你|请|帮我)?写(?P<one>一[篇首个段封份则句]){x}",
        "请写{one}{x}。 请帮我写{one}{x}。 帮我写{one}{x}。 请你写{one}{x}。",
    ),
    _family(
        "list",
        "(?:请你|请|帮我)?(?:列举出|列举|列出|举出|给出)(?P<x>[一二两三四五六七八九十0-9几]~)",
        "请列举{x}。 请列出{x}。 请给出{x}。 列举{x}。 请你列举{x}。",
    ),
    _family(
        "translate",
        "(?:请你|请|帮我)?(?:把|将)(?P<x>[^？?\\n]{1,200}?)(?:翻译成|译成|翻译为|译为)(?P<language>[^，。？！；：?!\\n]{1,6})",
        "请把{x}翻译成{language}。 请将{x}翻译成{language}。 请将{x}译成{language}。 将{x}翻译为{language}。",
    ),
    _family(
        "summarise",
        "(?:请你|请|帮我)?(?:总结一下|总结|概括一下|概括|归纳一下|归纳)(?P<x>~的(?:内容|要点|大意|主要内容|中心思想|主旨))",
        "请总结{x}。 请概括{x}。 请归纳一下{x}。 请总结一下{x}。 概括一下{x}。",
    ),
)
