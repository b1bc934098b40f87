// Medusa has no webhooks of its own: a subscriber sends them. For Medusa 2, src/subscribers/relay.js:
//
//   import { order } from "./medusa.mjs";
//   import { send } from "./send.mjs";
//
//   export default async function ({ event, container }) {
//     const query = container.resolve("query");
//     const fields = ["*", "customer.*", "items.*", "shipping_address.*"];
//     const { data } = await query.graph({ entity: "order", fields, filters: { id: event.data.id } });
//     const id = `${event.name}/${event.data.id}`;
//     await send(process.env.RELAY_URL, process.env.RELAY_SECRET, id, event.name, order(data[0]));
//   }
//   export const config = { event: ["order.placed", "order.canceled"] };

// The relay's form of an order. Medusa 1 counts in minor units, Medusa 2 does not: say which.
export function order(order, { minorUnits = false } = {}) {
  const person = order.customer ?? {};
  const address = order.shipping_address ?? {};
  return {
    order_id: order.id,
    order_number: String(order.display_id ?? ""),
    updated_at: order.updated_at,
    minor_units: minorUnits,
    currency: order.currency_code,
    total: order.total,
    shipping: order.shipping_total,
    tax: order.tax_total,
    discount: order.discount_total,
    coupon: order.discounts?.[0]?.code ?? order.promotions?.[0]?.code,
    customer: {
      id: person.has_account === false ? null : order.customer_id,
      email: order.email,
      first_name: person.first_name ?? address.first_name,
      last_name: person.last_name ?? address.last_name,
      phone: person.phone ?? address.phone,
    },
    products: (order.items ?? []).map((item) => ({
      product_id: item.product_id ?? item.variant?.product_id,
      sku: item.variant_sku ?? item.variant?.sku,
      name: item.product_title ?? item.title,
      variant: item.variant_title ?? item.variant?.title,
      price: item.unit_price,
      quantity: item.quantity,
      image_url: item.thumbnail,
    })),
  };
}
