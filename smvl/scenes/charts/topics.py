"""What charts are about: the things that are counted, and whose they are."""

import random
from dataclasses import dataclass

from smvl.scenes.addresses import random_town

PRODUCE = """
苹果 香蕉 梨 桃子 葡萄 草莓 西瓜 哈密瓜 橙子 橘子 柚子 柠檬 菠萝 芒果 荔枝 龙眼 樱桃 杨梅 枇杷 石榴 柿子
山楂 红枣 猕猴桃 火龙果 榴莲 椰子 木瓜 杨桃 番石榴 李子 杏 蓝莓 桑葚 无花果 甘蔗 白菜 菠菜 生菜 芹菜 韭菜
油菜 空心菜 茼蒿 苋菜 香菜 花菜 西兰花 卷心菜 萝卜 胡萝卜 土豆 红薯 山药 芋头 莲藕 洋葱 大蒜 生姜 大葱
黄瓜 丝瓜 苦瓜 冬瓜 南瓜 西葫芦 茄子 番茄 辣椒 青椒 豆角 四季豆 豌豆 毛豆 蚕豆 玉米 竹笋 茭白 荸荠 香菇
平菇 金针菇 木耳 银耳 水稻 小麦 大麦 燕麦 荞麦 高粱 谷子 大豆 绿豆 红豆 黑豆 花生 芝麻 油菜籽 向日葵 棉花
茶叶 烟叶 甜菜 苎麻 百合 枸杞 菊花 金银花 党参 黄芪 当归 三七 天麻 核桃 板栗 松子 腰果 榛子 开心果
""".split()
HOBBIES = """
篮球 足球 排球 乒乓球 羽毛球 网球 台球 棒球 保龄球 高尔夫 游泳 跑步 跳绳 跳远 跳高 铅球 体操 武术 太极拳
跆拳道 柔道 击剑 射箭 射击 举重 摔跤 拳击 滑冰 滑雪 轮滑 滑板 攀岩 登山 徒步 露营 骑行 钓鱼 划船 皮划艇
冲浪 潜水 瑜伽 健身操 街舞 民族舞 拉丁舞 芭蕾舞 广场舞 书法 国画 油画 素描 水彩 版画 剪纸 篆刻 陶艺 刺绣
编织 缝纫 折纸 插花 茶艺 园艺 烘焙 烹饪 摄影 摄像 剪辑 配音 朗诵 演讲 辩论 主持 合唱 声乐 钢琴 小提琴
大提琴 吉他 古筝 二胡 琵琶 笛子 葫芦丝 口琴 架子鼓 围棋 象棋 国际象棋 跳棋 军棋 五子棋 桥牌 魔方 拼图 积木
航模 车模 船模 无人机 机器人 编程 天文 气象 地质 集邮 收藏 阅读 写作 诗歌 戏剧 相声 魔术 京剧 越剧 皮影
""".split()
BOOKS = """
小说 散文 诗集 童话 寓言 传记 历史 地理 哲学 心理 教育 法律 经济 管理 政治 军事 艺术 音乐 美术 摄影集
建筑 设计 体育 旅游 美食 养生 医学 护理 药学 农业 林业 渔业 畜牧 园艺书 数学 物理 化学 生物 天文学 地质学
气象学 海洋学 环境 能源 机械 电子 通信 计算机 自动化 材料 化工 纺织 食品 交通 航空 航天 水利 测绘 矿业
冶金 印刷 出版 新闻 广告 营销 会计 金融 保险 税务 统计 审计 人力资源 物流 外语 日语 法语 俄语 德语 汉语
字典 词典 百科 年鉴 期刊 报纸 漫画 绘本 科普 科幻 悬疑 武侠 言情 推理 民俗 宗教 考古 书法帖 棋谱 乐谱
地图册 教辅 试题集 工具书 手工 家居 亲子 励志 成长 公文 档案
""".split()
DISHES = """
米饭 馒头 花卷 包子 饺子 馄饨 面条 米线 河粉 炒饭 炒面 盖浇饭 煲仔饭 砂锅 火锅 麻辣烫 烧烤 凉皮 凉面
热干面 担担面 刀削面 牛肉面 酸辣粉 螺蛳粉 过桥米线 油条 烧饼 煎饼 肉夹馍 锅贴 春卷 粽子 汤圆 年糕 豆浆
豆腐脑 皮蛋粥 小米粥 八宝粥 宫保鸡丁 鱼香肉丝 回锅肉 红烧肉 糖醋排骨 清蒸鱼 水煮鱼 酸菜鱼 麻婆豆腐 家常豆腐
番茄炒蛋 青椒肉丝 地三鲜 干煸豆角 酸辣土豆丝 蒜蓉菜心 白灼虾 油焖虾 红烧鸡块 辣子鸡 口水鸡 白切鸡 烤鸭 酱鸭
卤牛肉 土豆牛肉 葱爆羊肉 羊肉汤 排骨汤 鸡汤 鱼头汤 紫菜汤 冬瓜汤 银耳汤 绿豆汤 酸梅汤 奶茶 果汁 咖啡 红茶
绿茶 花茶 乌龙茶 柠檬水 可可 酸奶 冰淇淋 蛋糕 面包 饼干 蛋挞 布丁 月饼 麻花 桃酥 糖葫芦 爆米花 薯条 汉堡
三明治 披萨 意面 寿司 沙拉 牛排
""".split()
GOODS = """
铅笔 钢笔 毛笔 圆珠笔 水彩笔 橡皮 直尺 圆规 量角器 订书机 笔记本 作业本 文件夹 书包 文具盒 计算器 台灯 水杯
饭盒 雨伞 雨衣 毛巾 牙刷 牙膏 香皂 洗发水 洗衣液 洗洁精 纸巾 拖把 扫帚 垃圾桶 衣架 被子 枕头 床单 窗帘
地毯 沙发 茶几 餐桌 椅子 衣柜 书架 鞋柜 电视 冰箱 洗衣机 空调 电风扇 电饭煲 微波炉 电磁炉 电水壶 吸尘器
加湿器 净化器 热水器 油烟机 燃气灶 洗碗机 烤箱 榨汁机 豆浆机 电熨斗 吹风机 剃须刀 手机 平板电脑 电脑 键盘
鼠标 显示器 打印机 音箱 耳机 摄像头 路由器 充电宝 手表 闹钟 相机 自行车 电动车 滑板车 婴儿车 积木玩具
毛绒玩具 拼图玩具 跳绳器 哑铃 帐篷 睡袋 登山包 运动鞋 皮鞋 凉鞋 拖鞋 帽子 围巾 手套 衬衫 毛衣 外套 裤子
裙子 袜子 皮带
""".split()
_BRANCHES = "生产 销售 研发 采购 财务 质检 仓储 物流 市场 客服 行政 人事 信息 法务 设备 安全 工程 培训 策划 出口".split()
DEPARTMENTS = [branch + level for branch in _BRANCHES for level in ("部", "一部", "二部", "科", "中心", "组")]

MONTHS = tuple(f"{month}月" for month in range(1, 13))
QUARTERS = ("第一季度", "第二季度", "第三季度", "第四季度")
WEEKDAYS = ("周一", "周二", "周三", "周四", "周五", "周六", "周日")
YEARS = tuple(f"{year}年" for year in range(2010, 2026))
CLASSES = ("一班", "二班", "三班", "四班", "五班", "六班", "七班", "八班")
GRADES = ("一年级", "二年级", "三年级", "四年级", "五年级", "六年级")
SEQUENCES: dict[str, tuple[str, ...]] = {
    "月份": MONTHS, "季度": QUARTERS, "星期": WEEKDAYS, "年份": YEARS, "班级": CLASSES, "年级": GRADES,
}  # fmt: skip
"""Categories that follow each other, by what they are; they belong to the form of a chart and stand in every split."""
TIMES = ("月份", "季度", "星期", "年份")
"""Those along which values rise and fall."""

_PEOPLE = (("男生", "女生"),)
_SALES = (("线上", "线下"), ("计划", "实际"))
_OUTPUT = (("计划", "实际"), ("甲组", "乙组"), ("甲组", "乙组", "丙组"))
_VISITS = (("上午", "下午"), ("成人", "儿童"))
_LAND = (("东区", "西区"), ("东区", "西区", "南区"))
_YEARS = (("2022年", "2023年"), ("2023年", "2024年"), ("2021年", "2022年", "2023年"))


@dataclass(frozen=True)
class Topic:
    """What is measured for each category."""

    what: str
    unit: str
    dimension: str
    """What the categories are: a key of `SEQUENCES` or of `POOLS`."""
    owners: tuple[str, ...]
    """What follows a town's name in the title: whose figures these are."""
    counted: bool = False
    """Whether the values are whole."""
    parts: tuple[tuple[str, ...], ...] = ()
    """What each category may be divided into, besides years: names in a legend."""

    @property
    def legends(self) -> tuple[tuple[str, ...], ...]:
        return self.parts if self.dimension == "年份" else self.parts + _YEARS


_SCHOOLS = ("第一小学", "第二小学", "实验小学", "第三中学", "第五中学", "实验中学", "职业学校")
_FIRMS = ("商贸公司", "食品公司", "农场", "合作社", "纺织公司", "机械公司", "家电公司")
_TOWN = ("市", "县", "镇")
TOPICS = (
    Topic("农产品产量", "万吨", "农产品", _TOWN, parts=_LAND),
    Topic("农产品批发量", "吨", "农产品", ("批发市场", "农贸市场", "果蔬市场"), parts=_LAND),
    Topic("农产品种植面积", "公顷", "农产品", ("农场", "合作社", "县", "镇"), parts=_LAND),
    Topic("社团报名人数", "人", "社团", _SCHOOLS, counted=True, parts=_PEOPLE),
    Topic("兴趣小组人数", "人", "兴趣小组", _SCHOOLS, counted=True, parts=_PEOPLE),
    Topic("图书借阅量", "册", "图书类别", ("图书馆", "少儿图书馆", "大学图书馆"), counted=True, parts=_VISITS),
    Topic("图书销量", "本", "图书类别", ("书店", "书城", "新书店"), counted=True, parts=_SALES),
    Topic("菜品销量", "份", "菜品", ("学校食堂", "职工食堂", "美食城", "餐厅"), counted=True, parts=_SALES),
    Topic("商品销售额", "万元", "商品", ("百货商场", "购物中心", "商城", "超市"), parts=_SALES),
    Topic("商品销量", "件", "商品", ("百货商场", "购物中心", "商城", "超市"), counted=True, parts=_SALES),
    Topic("门店营业额", "万元", "门店", ("连锁超市", "连锁药店", "连锁书店", "餐饮公司"), parts=_SALES),
    Topic("门店客流量", "人次", "门店", ("连锁超市", "连锁药店", "连锁书店", "餐饮公司"), counted=True, parts=_VISITS),
    Topic("社区用水量", "吨", "社区", ("区", "街道", "新区"), parts=_LAND),
    Topic("社区志愿者人数", "人", "社区", ("区", "街道", "新区"), counted=True, parts=_LAND),
    Topic("办公费用", "万元", "部门", _FIRMS),
    Topic("参加培训人数", "人", "部门", _FIRMS, counted=True),
    Topic("降水量", "毫米", "月份", _TOWN, parts=_LAND),
    Topic("用电量", "万千瓦时", "月份", (*_TOWN, "工业园", "机械厂"), parts=_LAND),
    Topic("销售额", "万元", "月份", _FIRMS, parts=_SALES),
    Topic("游客人数", "万人次", "月份", ("古镇", "湿地公园", "植物园", "森林公园"), parts=_LAND),
    Topic("产品产量", "吨", "季度", ("水泥厂", "造纸厂", "化肥厂", "食品厂"), parts=_OUTPUT),
    Topic("营业收入", "万元", "季度", _FIRMS, parts=_SALES),
    Topic("粮食产量", "万吨", "年份", _TOWN, parts=_OUTPUT),
    Topic("植树面积", "公顷", "年份", _TOWN, parts=_OUTPUT),
    Topic("专利申请量", "件", "年份", ("高新区", "大学", "研究所"), counted=True, parts=_OUTPUT),
    Topic("客流量", "人次", "星期", ("博物馆", "科技馆", "动物园", "影城"), counted=True, parts=_VISITS),
    Topic("图书借出量", "册", "星期", ("图书馆", "少儿图书馆"), counted=True, parts=_VISITS),
    Topic("捐书数量", "本", "班级", _SCHOOLS, counted=True, parts=_PEOPLE),
    Topic("回收废纸重量", "千克", "班级", _SCHOOLS, parts=_OUTPUT),
    Topic("近视人数", "人", "年级", _SCHOOLS, counted=True, parts=_PEOPLE),
    Topic("课外阅读量", "本", "年级", _SCHOOLS, counted=True, parts=_PEOPLE),
)
USUAL_STEPS = {
    "毫米": (5, 50), "万人次": (1, 20), "万吨": (1, 100), "公顷": (5, 200), "吨": (10, 500), "万元": (1, 500), "千克": (5, 50),
    "万千瓦时": (1, 200), "册": (20, 1000), "人次": (50, 1000), "份": (20, 200), "本": (10, 500), "件": (10, 500), "人": (10, 200),
}  # fmt: skip
"""From one grid line to the next, as it is with such a unit: at least and at most."""
UNITS = frozenset(topic.unit for topic in TOPICS)
LEGENDS = frozenset(name for topic in TOPICS for names in topic.legends for name in names)


def random_shop(generator: random.Random) -> str:
    return random_town(generator) + "店"


def random_community(generator: random.Random) -> str:
    return random_town(generator) + generator.choice(("社区", "小区", "村"))


POOLS = {"农产品": PRODUCE, "社团": HOBBIES, "兴趣小组": HOBBIES, "图书类别": BOOKS, "菜品": DISHES, "商品": GOODS, "部门": DEPARTMENTS}
"""Categories that differ between splits."""
MADE = {"门店": random_shop, "社区": random_community}
"""Categories that are made up."""
