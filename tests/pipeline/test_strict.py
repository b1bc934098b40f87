"""What departs from the specification or the plan: told and counted, or refused with `templates.strict`."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay.demo.samples import samples
from relay.demo.segment import SegmentLookalike
from relay.demo.serving import serve
from relay.model import OutcomeKind, Selection
from tests.posting import plain_client
from tests.running import HEADERS, WRITE_KEY, configuration, drained, running

PAID = next(sample.body for sample in samples() if sample.title == "order.paid")
TYPO = (
    '{"type": "track", "event": "Order Completed", "userId": "u",'
    ' "properties": {"order_id": payload.data.id, "reveneu": 1, "products": []}}'
)
PLAN = '{"properties": {"properties": {"required": ["total"]}}}'


@pytest.mark.parametrize("strict", [False, True])
async def test_warned_or_refused(tmp_path: Path, strict: bool) -> None:
    folder = tmp_path / "templates"
    (folder / "sources/elasticpath").mkdir(parents=True)
    (folder / "plans").mkdir()
    (folder / "sources/elasticpath/order_completed.jsonata").write_text(TYPO)
    (folder / "plans/order_completed.json").write_text(PLAN)
    receiver = SegmentLookalike([WRITE_KEY])
    more = {"TEMPLATES__FOLDER": str(folder), "TEMPLATES__STRICT": str(strict).lower()}
    async with (
        serve(receiver) as segment_url,
        running(configuration(tmp_path, {"segment": segment_url}, **more)) as relay,
        plain_client(headers=HEADERS) as client,
    ):
        await client.post(f"{relay.url}/webhooks/elasticpath", content=PAID)
        await drained(relay)
        metrics = (await client.get(f"{relay.url}/metrics")).text
        dead = await relay.journal.find(Selection(outcome=OutcomeKind.DEAD), limit=5)

    counted = [line for line in metrics.splitlines() if line.startswith("relay_template_warnings_total{")]
    assert len(receiver.stored) == (0 if strict else 1)
    assert len(dead) == (1 if strict else 0)
    assert len(counted) == (0 if strict else 2)
