"""Which kinds of scenes there are: one line each."""

from smvl.scenes.kinds import advertisement, calligraphy, chart, contract, dial, exam, price_tag, receipt, street_sign, table
from smvl.scenes.scene import Kind

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        street_sign.KIND,
        calligraphy.KIND,
        advertisement.KIND,
        price_tag.KIND,
        exam.KIND,
        table.KIND,
        contract.KIND,
        receipt.KIND,
        dial.KIND,
        chart.KIND,
    )
}
