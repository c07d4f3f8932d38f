"""How people ask about charts: one phrasing a line."""

VALUE = """
{which}的{what}是多少？
图中{which}的{what}是多少？带单位。
{which}对应的数值是多少？
读出{which}的{what}。
{which}的{what}有多少？连单位一起写。
请问{which}是多少？
查一下{which}的{what}。
根据图表，{which}的{what}为多少？
{which}那一项是多少？带上单位。
帮我看看{which}的{what}是多少。
""".split()

TITLE = "图表的标题是什么？ 这张图的标题写的是什么？ 抄下图的标题。 这张图统计的是什么？写出标题。 读出图表标题。 标题栏写了什么？".split()
FORM = "这是什么类型的图表？ 这张图是柱状图、条形图、折线图、饼图还是环形图？ 图表类型是什么？ 写出这张统计图的类型。".split()
UNIT = "图中数据的单位是什么？ 纵轴或横轴的数值以什么为单位？ 这张图的单位是什么？ 写出图中标的单位。".split()
CATEGORIES = """
图中依次有哪些{dimension}？用顿号隔开。
按顺序写出图中的{dimension}。
图表里的{dimension}有哪些？按图中顺序用顿号隔开。
列出所有{dimension}，用顿号连接。
""".split()

LARGEST = """
哪个{dimension}{where}的{what}最高？
{where}{what}最多的是哪个{dimension}？
图中{where}数值最大的{dimension}是哪个？
{where}哪一个{dimension}排第一？
{what}{where}最大的{dimension}是什么？
""".split()
SMALLEST = """
哪个{dimension}{where}的{what}最低？
{where}{what}最少的是哪个{dimension}？
图中{where}数值最小的{dimension}是哪个？
{where}哪一个{dimension}排在最后？
{what}{where}最小的{dimension}是什么？
""".split()
DIFFERENCE = """
{a}比{b}多多少？
{a}与{b}的{what}相差多少？
{a}的{what}比{b}高多少？带单位。
{a}减去{b}是多少？
算一下{a}和{b}的差。
{a}超过{b}多少？
""".split()
SUM = """
{a}和{b}一共是多少？
{a}与{b}的{what}合计多少？
把{a}和{b}加起来是多少？带单位。
{a}、{b}两项之和是多少？
{a}加{b}等于多少？
""".split()
TOTAL = """
{where}各{dimension}的{what}总共是多少？
把{where}所有{dimension}的数值加起来是多少？
{where}全部{dimension}合计多少？带单位。
算出{where}{what}的总和。
""".split()
RANKING = """
按{what}从大到小排列各{dimension}，用顿号隔开。
从高到低写出{dimension}的顺序，用顿号隔开。
把{dimension}按数值由大到小排序，用顿号连接。
给各{dimension}排名，从第一名写到最后一名，用顿号隔开。
""".split()

TREND = """
从{a}到{b}，{what}是上升、下降还是不变？
{a}到{b}的{what}怎样变化？回答上升、下降或不变。
与{a}相比，{b}的{what}上升了、下降了还是不变？回答上升、下降或不变。
看从{a}到{b}的走势：上升、下降还是不变？
{what}在{a}至{b}之间是上升、下降还是不变？
""".split()
STEEPEST = """
与前一个{dimension}相比，哪个{dimension}{where}增加得最多？
{where}哪个{dimension}比上一个{dimension}涨得最多？
{what}{where}增长最快的是哪个{dimension}（和前一个比）？
""".split()
HIGHER = """
{a}和{b}，哪个更高？
{a}与{b}相比，哪个的{what}多？
比较{a}和{b}，写出较大的一个。
{a}、{b}谁更大？
""".split()

COLOUR_OF = "{name}用什么颜色表示？ 图例中{name}是什么颜色？ {name}对应哪种颜色？ 代表{name}的是什么颜色？".split()
NAME_OF = "图例中{colour}代表什么？ {colour}表示的是什么？ {colour}的部分是哪一项？ 图里{colour}对应哪一项？".split()

NUM_BARS = "图中一共有几根柱子？ 数一数有多少根柱子。 这张图画了几根柱子？ 柱子总共有多少根？".split()
NUM_LINES = "图中有几条折线？ 一共画了几条线？ 数一数有几条折线。".split()
NUM_SLICES = "图被分成了几个部分？ 一共有几个扇区？ 数一数图中有几块。".split()
NUM_CATEGORIES = "图中有几个{dimension}？ 一共统计了多少个{dimension}？ 数数有几个{dimension}。 这张图涉及几个{dimension}？".split()
NUM_ABOVE = """
有几个{dimension}的{what}超过{limit}？
{what}高于{limit}的{dimension}有几个？
多少个{dimension}的数值大于{limit}？
数一数超过{limit}的{dimension}有几个。
""".split()

ABSENT_CATEGORY = VALUE[:5]
ABSENT_THING = "图中写的{thing}是什么？ {thing}是多少？ 请读出图中的{thing}。 告诉我{thing}。 图上标的{thing}是什么？".split()
THINGS = "数据来源 制图人 同比增长率 平均值 统计日期 误差范围 审核人 计划完成率 样本数量 联系电话".split()

MORE_CATEGORIES = """
哪张图里的类别更多？一样多就答“一样多”。
两张图比，哪张统计的项目多？相同就答“一样多”。
第一张和第二张，哪张图的类别数量多？一样就答“一样多”。
""".split()
BOTH_FORMS = """
两张图分别是什么类型？按“第一张：柱状图；第二张：折线图”这样的格式回答。
分别写出两张图的图表类型，格式“第一张：……；第二张：……”。
""".split()
BOTH_TITLES = """
两张图的标题分别是什么？按“第一张：……；第二张：……”回答。
分别抄下两张图的标题，格式“第一张：……；第二张：……”。
""".split()
WHICH_PICTURE = "哪张图里有“{name}”？ “{name}”出现在第一张还是第二张图里？ 找一下“{name}”在哪张图。 “{name}”的数据在哪张图里？".split()
