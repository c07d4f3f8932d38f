"""The words of the form on strips: the same in every split."""

from smvl.scenes.contents import Contents
from smvl.scenes.receipts.bill import PAYMENTS

SUGARS = ("全糖", "七分糖", "半糖", "少糖", "无糖")
ICES = ("正常冰", "少冰", "去冰", "热", "温")
CUPS = ("大杯", "中杯", "小杯")
_WORDS: dict[str, tuple[str, ...]] = {
    "单号": ("单号", "小票号", "流水号", "交易号"),
    "合计": ("合计", "总计", "总额"),
    "优惠": ("优惠", "折扣", "已优惠"),
    "应付": ("应付", "应收", "折后应付"),
    "实收": ("实收", "收现", "收款"),
    "支付方式": ("支付方式", "付款方式", "支付"),
    "收银员": ("收银员", "收银", "营业员"),
    "电话": ("电话", "服务电话", "联系电话"),
    "日期": ("日期", "交易日期"),
    "服务员": ("服务员", "点菜员"),
}
"""How a receipt may call what is asked for by the key."""
_HEADINGS = ("购物小票", "销售小票", "结账单", "消费清单", "顾客联", "取餐号", "出租汽车客票", "付款成功", "交易凭证", "预结单", "收银小票")
_COLUMNS = ("品名", "商品", "菜品", "数量", "单价", "金额", "小计")
THANKS = (
    "谢谢惠顾，欢迎再次光临",
    "请保留小票，作为退换凭证",
    "如需发票请当日开具",
    "欢迎下次光临",
    "商品售出七日内凭票退换",
    "祝您用餐愉快",
    "感谢您的光临",
)
_PLAIN_KEYS = (
    "时间",
    "找零",
    "桌号",
    "人数",
    "地址",
    "车号",
    "上车",
    "下车",
    "里程",
    "单价",
    "金额",
    "收款方",
    "交易单号",
    "商品说明",
    "公里",
    "元/公里",
    "开台",
)
_ALL_WORDS = (*_PLAIN_KEYS, *(word for words in _WORDS.values() for word in words))
LABELS = frozenset(
    (*SUGARS, *ICES, *CUPS, *_HEADINGS, *_COLUMNS, *THANKS, *_ALL_WORDS, *PAYMENTS, "现金", "元", "¥", "支付成功", "×", "*")
    + tuple(f"{word}：" for word in _ALL_WORDS)
    + tuple(str(number) for number in range(1, 61))
    + tuple(f"{sign}{number}" for number in range(1, 20) for sign in ("×", "x", "*"))
    + tuple(f"{yuan}.00" for yuan in range(10, 2010, 10))
    + tuple(f"{cup}/{ice}/{sugar}" for cup in CUPS for ice in ICES for sugar in SUGARS)
)


def draw_word(contents: Contents, key: str) -> str:
    """One of the words that a receipt has for what is asked for by the key."""
    return contents.random.choice(_WORDS.get(key, (key,)))
