<?php

/** Posts contacts and orders of a Hana shop to the relay. PHP 7.4 or later, with the curl extension. */
final class Relay
{
    private string $url;
    private string $secret;

    /** @param string $url the address of the source, such as https://relay.example.com/webhooks/hana */
    public function __construct(string $url, string $secret)
    {
        $this->url = $url;
        $this->secret = $secret;
    }

    /** A new or changed contact: id, email, first_name, last_name, phone, date_created. */
    public function doCreateContact(array $contact): void
    {
        $this->post(['event' => 'contact.updated', 'contact' => $contact]);
    }

    /** A paid order with the rows of its cart, and the contact who placed it. */
    public function sendOrder(array $order, array $cartRows, array $contact): void
    {
        $this->post([
            'event' => 'order.completed',
            'order' => $order,
            'cart_rows' => $cartRows,
            'contact' => $contact,
        ]);
    }

    /** Money given back: the refund's id, amount and date_created. Without an amount, the whole order. */
    public function refundOrder(array $order, array $refund, array $contact = []): void
    {
        $body = ['event' => 'order.refunded', 'order' => $order, 'refund' => $refund];
        $this->post($contact ? $body + ['contact' => $contact] : $body);
    }

    public function cancelOrder(array $order, array $cartRows, array $contact): void
    {
        $this->post([
            'event' => 'order.cancelled',
            'order' => $order,
            'cart_rows' => $cartRows,
            'contact' => $contact,
        ]);
    }

    /** Throws when the relay did not store it; posting the same again does no harm. */
    private function post(array $body): void
    {
        $request = curl_init($this->url);
        curl_setopt_array($request, [
            CURLOPT_POST => true,
            CURLOPT_POSTFIELDS => json_encode($body, JSON_THROW_ON_ERROR | JSON_INVALID_UTF8_SUBSTITUTE),
            CURLOPT_HTTPHEADER => ['Content-Type: application/json', 'Authorization: Bearer ' . $this->secret],
            CURLOPT_RETURNTRANSFER => true,
            CURLOPT_TIMEOUT => 20,
        ]);
        $answer = curl_exec($request);
        $status = curl_getinfo($request, CURLINFO_RESPONSE_CODE);
        if ($answer === false || $status !== 200) {
            throw new RuntimeException("The relay answered $status: " . ($answer === false ? curl_error($request) : $answer));
        }
    }
}
