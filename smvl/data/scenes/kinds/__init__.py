"""Which kinds of scenes there are: one line each."""

from smvl.data.scenes.kinds import advertisement, calligraphy, chart, dial, price_tag, receipt, street_sign
from smvl.data.scenes.scene import Kind

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        street_sign.KIND,
        calligraphy.KIND,
        advertisement.KIND,
        price_tag.KIND,
        receipt.KIND,
        dial.KIND,
        chart.KIND,
    )
}
