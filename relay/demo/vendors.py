"""`relay demo --all`: look-alikes of every other vendor beside Segment's, and what has to be there in the end."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from rich.table import Table

from relay.demo.everflow import EverflowLookalike
from relay.demo.lookalike import Lookalike
from relay.demo.ometria import OmetriaLookalike
from relay.demo.samples import CLICK
from relay.demo.segmentify import SegmentifyLookalike
from relay.demo.segmetrics import SegMetricsLookalike
from relay.demo.serving import serve

KEY = "demo-vendor-key"
YEARS_S = 3_650 * 86_400
CONFIGURATION = """\
[destinations.segmentify]
kind = "segmentify"
data_center = "{segmentify}"
api_key = "{key}"
origin = "https://www.shop.example"
max_age_s = {years_s}      # the demo's orders are old
[destinations.segmetrics]
kind = "segmetrics"
host = "{segmetrics}"
account_id = "demo"
integration_id = "demo"
api_key = "{key}"
timezone = "Europe/London"
[destinations.everflow]
kind = "everflow"
tracking_domain = "{everflow}"
nid = 5
verification_token = "{key}"
max_age_s = {year_s}
[destinations.ometria]
kind = "ometria"
host = "{ometria}"
api_key = "{key}"
errors_every_s = 1
"""


@dataclass
class Vendors:
    """The look-alikes by the names of their destinations."""

    segmentify: SegmentifyLookalike = field(default_factory=lambda: SegmentifyLookalike([(KEY, "www.shop.example")]))
    segmetrics: SegMetricsLookalike = field(default_factory=lambda: SegMetricsLookalike("demo", "demo", KEY))
    everflow: EverflowLookalike = field(default_factory=lambda: EverflowLookalike({CLICK: int(time.time())}, token=KEY))
    ometria: OmetriaLookalike = field(default_factory=lambda: OmetriaLookalike([KEY]))

    @property
    def lookalikes(self) -> Mapping[str, Lookalike]:
        return {
            "segmentify": self.segmentify,
            "segmetrics": self.segmetrics,
            "everflow": self.everflow,
            "ometria": self.ometria,
        }

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """Serve them; gives what the relay's configuration has to say of them."""
        async with AsyncExitStack() as stack:
            urls = {name: await stack.enter_async_context(serve(one)) for name, one in self.lookalikes.items()}
            yield CONFIGURATION.format(**urls, key=KEY, years_s=YEARS_S, year_s=400 * 86_400)

    def arrived(self) -> Table:
        table = Table(title="What arrived at the others", title_justify="left")
        for column in ("vendor", "what", "says"):
            table.add_column(column, overflow="fold")
        for row in self._rows():
            table.add_row(*row)
        return table

    def _rows(self) -> Iterator[tuple[str, str, str]]:
        for event in self.segmentify.stored:
            amount = event.get("totalPrice") or event.get("params", {}).get("total")
            what = f"{event['name']} {event.get('step') or event.get('type', '')}"
            yield "Segmentify", what, str(amount or event.get("fullName", ""))
        for what, body in self.segmetrics.taken:
            sent = body if isinstance(body, dict) else {}
            amounts = f"amount {sent.get('amount')}, paid {sent.get('paid')}"
            yield "SegMetrics", what, amounts if "amount" in sent else str(sent.get("email", ""))
        for booked in self.everflow.conversions:
            yield "Everflow", "conversion", f"amount {booked['amount']}{', reversed' if booked['reversed'] else ''}"
        for record in self.ometria.records:
            yield "Ometria", str(record["@type"]), str(record.get("status") or record.get("firstname", ""))

    def promises(self) -> Mapping[str, bool]:
        """What has to be true when the story is told."""
        booked = self.everflow.conversions
        orders = [record for record in self.ometria.records if record["@type"] == "order"]
        return {
            "Segmentify has a purchase and nothing to complain of": not self.segmentify.warnings
            and [event["orderNo"] for event in self.segmentify.stored if event.get("step") == "purchase"] != [],
            "SegMetrics has one contact and one invoice": (len(self.segmetrics.contacts), len(self.segmetrics.invoices))
            == (1, 1),
            "Everflow booked one conversion, and took it back": [one["reversed"] for one in booked] == [True]
            and not self.everflow.rejections,
            "Ometria has the order as it stands, cancelled": [order["status"] for order in orders] == ["cancelled"]
            and not self.ometria.errors,
        }
