// Vendure has no webhooks of its own: a listener on its event bus sends them. In a plugin:
//
//   import { order, type } from "./vendure.mjs";
//   import { send } from "./send.mjs";
//
//   async onApplicationBootstrap() {
//     this.eventBus.ofType(OrderStateTransitionEvent).subscribe(async (event) => {
//       const full = await this.orderService.findOne(event.ctx, event.order.id, ["lines.productVariant", "customer"]);
//       const id = `${event.toState}/${event.order.id}`;
//       if (type(event)) await send(process.env.RELAY_URL, process.env.RELAY_SECRET, id, type(event), order(full));
//     });
//   }
//
// Better from a job of Vendure's queue, which tries again when the relay cannot be reached.

// What the relay calls a transition; nothing for those that it does not track.
export function type({ toState }) {
  return { PaymentSettled: "order.completed", Cancelled: "order.cancelled" }[toState];
}

// The relay's form of an order. Vendure counts in minor units.
export function order(order) {
  const total = order.totalWithTax ?? order.subTotalWithTax + (order.shippingWithTax ?? order.shipping);
  const person = order.customer ?? {};
  return {
    order_id: order.code,
    updated_at: order.updatedAt,
    minor_units: true,
    currency: order.currencyCode,
    total,
    shipping: order.shipping,
    tax: total - order.subTotal - order.shipping,
    coupon: order.couponCodes?.[0],
    customer: {
      id: person.id,
      email: person.emailAddress,
      first_name: person.firstName,
      last_name: person.lastName,
      phone: person.phoneNumber,
    },
    products: (order.lines ?? []).map((line) => ({
      product_id: line.productVariant.productId ?? line.productVariant.id,
      sku: line.productVariant.sku,
      name: line.productVariant.name,
      price: line.unitPrice ?? line.items?.[0]?.listPrice,
      quantity: line.quantity ?? line.items?.length,
      image_url: line.featuredAsset?.preview,
    })),
  };
}
